/**
 * Interface names as numbers, such that a rule's `-i eth+` is a comparison with two bounds.
 *
 * The names of rules, host and captures are sorted; name k has the id 2k + 2 and everything between name k and name k + 1 the id 2k + 3;
 * what lies before the first name has 1, the empty name 0. A wildcard's prefix and the first name behind all names with that prefix are
 * in the list too, so that every name of a gap matches a pattern or none does.
 */
import { NAMES_COUNT, NAMES_POSITIONS } from '../abi/host.ts';

export interface InterfaceTable {
  /** The id of any name; a name that nobody announced gets the id of its gap. */
  idOf(name: string): number;
  /** Bounds (both included) of the ids that an `-i`/`-o` pattern matches; `+` and `` match everything, the empty name included. */
  range(pattern: string): [low: number, high: number];
  /** The name of an id; `` for 0 and `?` for a name nobody announced. */
  nameOf(id: number): string;
  /** The largest id. */
  readonly maximum: number;
  /** The table for the engine, see NAMES_* in abi/host.ts. */
  encode(): Uint8Array;
}

/** `patterns`: what rules say behind -i and -o, wildcards included; `names`: interfaces of host and captures. */
export function buildInterfaces(patterns: string[], names: string[]): InterfaceTable {
  const points = new Map<string, Uint8Array>();
  const add = (bytes: Uint8Array): void => {
    if (bytes.length > 0) points.set(bytes.join(), bytes);
  };
  for (const name of names) add(utf8(name));
  for (const pattern of patterns) {
    const { bytes, wildcard } = parse(pattern);
    add(bytes);
    if (wildcard) add(behind(bytes));
  }
  return table([...points.values()].sort(compare));
}

function table(sorted: Uint8Array[]): InterfaceTable {
  const maximum = 2 * sorted.length + 1;
  const idOf = (bytes: Uint8Array): number => {
    if (bytes.length === 0) return 0;
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(sorted[middle]!, bytes) < 0) low = middle + 1;
      else high = middle;
    }
    return low < sorted.length && compare(sorted[low]!, bytes) === 0 ? 2 * low + 2 : 2 * low + 1;
  };
  return {
    maximum,
    idOf: (name) => idOf(utf8(name)),
    range(pattern) {
      const { bytes, wildcard } = parse(pattern);
      if (bytes.length === 0) return [0, maximum];
      if (!wildcard) return [idOf(bytes), idOf(bytes)];
      const next = behind(bytes);
      return [idOf(bytes), next.length === 0 ? maximum : idOf(next) - 1];
    },
    nameOf(id) {
      if (id === 0) return '';
      const bytes = id % 2 === 0 ? sorted[id / 2 - 1] : undefined;
      return bytes === undefined ? '?' : new TextDecoder().decode(bytes);
    },
    encode: () => encode(sorted),
  };
}

function encode(sorted: Uint8Array[]): Uint8Array {
  const bytes = sorted.reduce((sum, name) => sum + name.length, 0);
  const start = NAMES_POSITIONS + 4 * (sorted.length + 1);
  const out = new Uint8Array((start + bytes + 7) & ~7);
  const view = new DataView(out.buffer);
  view.setUint32(NAMES_COUNT, sorted.length, true);
  let at = start;
  sorted.forEach((name, index) => {
    view.setUint32(NAMES_POSITIONS + 4 * index, at, true);
    out.set(name, at);
    at += name.length;
  });
  view.setUint32(NAMES_POSITIONS + 4 * sorted.length, at, true);
  return out;
}

function parse(pattern: string): { bytes: Uint8Array; wildcard: boolean } {
  const wildcard = pattern.endsWith('+');
  return { bytes: utf8(wildcard ? pattern.slice(0, -1) : pattern), wildcard };
}

/** The first byte string behind all that begin with `prefix`; empty when there is none. */
function behind(prefix: Uint8Array): Uint8Array {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 255) length--;
  const out = prefix.slice(0, length);
  if (length > 0) out[length - 1]!++;
  return out;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}
