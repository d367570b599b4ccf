/** What rules of `recent` and `hashlimit` remember at a moment, as the kernel's files below /proc/net tell it. Times are jiffies, counted from the epoch (profile.ts). */
import type { Family, Words } from './ruleset.ts';

/** /proc/net/xt_recent/NAME */
export interface RecentTable {
  name: string;
  /** The one that was changed longest ago is the first; the kernel's order is that of a secret hash. */
  entries: RecentEntry[];
}

export interface RecentEntry {
  family: Family;
  /** Masked. */
  address: Words;
  ttl: number;
  lastSeen: bigint;
  /** Where the next stamp goes: the place of the oldest one in a full entry. */
  oldest: number;
  /** By their places. */
  stamps: bigint[];
}

/** /proc/net/ipt_hashlimit/NAME, /proc/net/ip6t_hashlimit/NAME */
export interface HashlimitTable {
  family: Family;
  name: string;
  /** Sorted by sortHashlimit; the kernel's order is that of a secret hash. */
  entries: HashlimitEntry[];
}

export interface HashlimitEntry extends HashlimitKey {
  /** Until its time is over; below 0 when the collector did not come by yet. */
  seconds: bigint;
  credit: bigint;
  cap: bigint;
  cost: bigint;
}

/** What packets have in common that share an entry; zeros for what does not count. */
export interface HashlimitKey {
  source: Words;
  sourcePort: number;
  destination: Words;
  destinationPort: number;
}

/** Of a window, whose fields lie where credit and cap are printed from: its length in seconds, and whether the one before held too much. */
export const windowAsCredit = (seconds: number, exceeded: boolean): bigint => BigInt(seconds) | (exceeded ? 1n << 32n : 0n);

const wordsOf = ({ source, sourcePort, destination, destinationPort }: HashlimitKey): number[] => [
  ...source,
  sourcePort,
  ...destination,
  destinationPort,
];

/** By source, its port, destination, its port. */
export function sortHashlimit(entries: readonly HashlimitEntry[]): HashlimitEntry[] {
  return [...entries].sort((a, b) => {
    const [left, right] = [wordsOf(a), wordsOf(b)];
    const at = left.findIndex((word, i) => word !== right[i]);
    return at < 0 ? 0 : (left[at] ?? 0) - (right[at] ?? 0);
  });
}

/** For sort. */
export const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

/** In the order in which a shell's pattern names the files, IPv4 before IPv6. */
export const sortRecent = (tables: readonly RecentTable[]): RecentTable[] => [...tables].sort(byName);
export const sortTables = (tables: readonly HashlimitTable[]): HashlimitTable[] =>
  [...tables].sort((a, b) => a.family - b.family || byName(a, b));
