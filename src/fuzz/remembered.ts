/** What rules remember of packets, held against what the kernel's files and tools tell of it: lists of recent and tables of hashlimit below /proc/net, objects of nfacct. */
import type { HashlimitTable, RecentTable } from '../model/proc-tables.ts';
import type { ReplayResult } from '../model/witness.ts';
import { nfacctLine } from '../report/nfacct.ts';
import { hashlimitLines, recentLines } from '../report/proc-tables.ts';
import type { Listing } from './listing.ts';

/** Prints all files; where there are none of a kind, the pattern is no file. */
export const PROC_FILES: readonly string[] = [
  'sh',
  '-c',
  'tail -v -n +1 /proc/net/xt_recent/* /proc/net/ipt_hashlimit/* /proc/net/ip6t_hashlimit/* 2>/dev/null; true',
];

interface Remembers {
  recent(): RecentTable[];
  /** Not before the last packet. */
  hashlimit(at?: bigint): HashlimitTable[];
}

/**
 * What differs, a line each. Jiffies of the kernel are counted from its boot, ours from the epoch: all of a job must be the same number apart. `slack`: jiffies that they may be off, where
 * nobody knows their phase; what grows with time lies between our numbers before and behind the reading then. `latest`: when the last packet was sent.
 */
export function procDifferences(
  { from, to, hz, text }: Listing,
  { recent, hashlimit }: Remembers,
  { slack, latest }: { slack: bigint; latest: bigint },
): string[] {
  const room = (1_000_000_000n / BigInt(hz) + 1n) * slack;
  const kernel = filesOf(text.split('\n'));
  const lists = filesOf(recentLines(recent()));
  const before = filesOf(hashlimitLines(hashlimit(from - room < latest ? latest : from - room)));
  const behind = filesOf(hashlimitLines(hashlimit(to + room)));
  const [theirs, ours] = [[...kernel.keys()].join(' '), [...lists.keys(), ...before.keys()].join(' ')];
  if (theirs !== ours) return [`files: the kernel has ${theirs}, we ${ours}`];
  const lines: string[] = [];
  const apart = new Set<bigint>();
  for (const [path, told] of kernel) {
    const mine = lists.get(path);
    lines.push(
      ...(mine === undefined
        ? tableDifferences(path, told, before.get(path)!, behind.get(path)!)
        : listDifferences(path, told, mine, apart)),
    );
  }
  const all = [...apart].sort((a, b) => (a < b ? -1 : 1));
  if (all.length > 0 && all.at(-1)! - all[0]! > 2n * slack) lines.push(`jiffies are ${all.join(', ')} apart`);
  return lines;
}

/** The tool's list of objects, which has an order of its own, and ours. */
export function nfacctDifferences(text: string, objects: NonNullable<ReplayResult['nfacct']>): string[] {
  const [kernel, ours] = [text.trim().split('\n').sort(), objects.map(nfacctLine).sort()].map((lines) => lines.join(' | '));
  return kernel === ours ? [] : [`nfacct: ${kernel}, not ${ours}`];
}

/** Lines by their file. */
function filesOf(lines: readonly string[]): Map<string, string[]> {
  const out = new Map<string, string[]>();
  let last: string[] = [];
  for (const line of lines) {
    const path = /^==> (.*) <==$/.exec(line)?.[1];
    if (path !== undefined) {
      last = [];
      out.set(path, last);
    } else if (line !== '') last.push(line);
  }
  return out;
}

/** Everything but the jiffies; their distances go into `apart`. */
function listDifferences(path: string, kernel: readonly string[], ours: readonly string[], apart: Set<bigint>): string[] {
  const [theirs, mine] = [kernel, ours].map((lines) => [...lines].sort((a, b) => (addressOf(a) < addressOf(b) ? -1 : 1)));
  const bare = (line: string): string => line.replace(/\b\d{7,}\b/g, '#');
  if (theirs!.map(bare).join('\n') !== mine!.map(bare).join('\n'))
    return [`${path}: ${theirs!.join(' | ')}, not ${mine!.join(' | ')}`];
  for (const [i, line] of theirs!.entries()) {
    const stamps = (text: string): bigint[] => (text.match(/\b\d{7,}\b/g) ?? []).map(BigInt);
    const own = stamps(mine![i]!);
    for (const [at, stamp] of stamps(line).entries()) apart.add(own[at]! - stamp);
  }
  return [];
}

const addressOf = (line: string): string => line.split(' ')[0]!;

/** `seconds key credit cap cost`: key, cap and cost are the same, the others between ours. Entries that may have been collected meanwhile may be missing. */
function tableDifferences(
  path: string,
  kernel: readonly string[],
  before: readonly string[],
  behind: readonly string[],
): string[] {
  const parse = (lines: readonly string[]): Map<string, { rest: string; seconds: bigint; credit: bigint }> =>
    new Map(
      lines.map((line) => {
        const [seconds = '', key = '', credit = '', ...rest] = line.split(' ');
        return [key, { rest: rest.join(' '), seconds: BigInt(seconds), credit: BigInt(credit) }];
      }),
    );
  const [told, early, late] = [kernel, before, behind].map(parse) as [
    ReturnType<typeof parse>,
    ReturnType<typeof parse>,
    ReturnType<typeof parse>,
  ];
  const lines = [...late.keys()].filter((key) => !told.has(key)).map((key) => `${path}: the kernel has no ${key}`);
  for (const [key, { rest, seconds, credit }] of told) {
    const [first, last = first] = [early.get(key), late.get(key)];
    const fits =
      first !== undefined &&
      last !== undefined &&
      rest === first.rest &&
      seconds <= first.seconds &&
      seconds >= last.seconds &&
      credit >= first.credit &&
      credit <= last.credit;
    if (!fits) lines.push(`${path}: ${seconds} ${key} ${credit} ${rest}, not ${shown(first)} to ${shown(last)}`);
  }
  return lines;
}

const shown = (one: { rest: string; seconds: bigint; credit: bigint } | undefined): string =>
  one === undefined ? 'nothing' : `${one.seconds} ${one.credit} ${one.rest}`;
