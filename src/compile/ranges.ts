/** Prefixes to disjoint ranges, so that the engine finds the longest prefix by a binary search. */

/** A prefix [start, end] (both included) with a value; the smaller metric wins between equal prefixes, then the first in the list. */
export interface Prefix {
  start: bigint;
  end: bigint;
  metric: number;
  value: number;
}

/** From `start` up to the next range's start (or the end of the space) the value holds. */
export interface Range {
  start: bigint;
  value: number;
}

/**
 * The longest prefix for every address of the space 0..`maximum`; 0 where there is none. The first range starts at 0 and
 * neighbours differ.
 */
export function flatten(prefixes: readonly Prefix[], maximum: bigint): Range[] {
  const sorted = [...prefixes].sort((a, b) => order(a.start, b.start) || order(b.end, a.end) || a.metric - b.metric);
  const ranges: Range[] = [{ start: 0n, value: 0 }];
  const open: Prefix[] = [];
  const close = (): void => {
    const { end } = open.pop()!;
    if (end < maximum) put(ranges, end + 1n, open.at(-1)?.value ?? 0);
  };
  for (const prefix of sorted) {
    while (open.length > 0 && open.at(-1)!.end < prefix.start) close();
    const top = open.at(-1);
    if (top !== undefined && top.start === prefix.start && top.end === prefix.end) continue;
    put(ranges, prefix.start, prefix.value);
    open.push(prefix);
  }
  while (open.length > 0) close();
  return merge(ranges);
}

/** `above` where it has a value, `below` elsewhere: the local table is asked before the main one. */
export function overlay(above: readonly Range[], below: readonly Range[]): Range[] {
  const out: Range[] = [];
  let i = 0;
  let k = 0;
  let start = 0n;
  for (;;) {
    out.push({ start, value: above[i]!.value || below[k]!.value });
    const a = above[i + 1]?.start;
    const b = below[k + 1]?.start;
    if (a === undefined && b === undefined) return merge(out);
    start = a === undefined || (b !== undefined && b < a) ? b! : a;
    if (a === start) i++;
    if (b === start) k++;
  }
}

function put(ranges: Range[], start: bigint, value: number): void {
  const last = ranges.at(-1)!;
  if (last.start === start) last.value = value;
  else ranges.push({ start, value });
}

function merge(ranges: readonly Range[]): Range[] {
  return ranges.filter((range, index) => index === 0 || ranges[index - 1]!.value !== range.value);
}

function order(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
