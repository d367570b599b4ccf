/** When a tree is grown: not where all packets are through the rules before it would stand. How much there is to judge. Node only. */
import type { Job } from '../model/witness.ts';
import { sizeAhead } from './open.ts';
import { meanRecord } from './record-size.ts';

/**
 * Up to so many rules met by packets, all together, growing a tree takes longer than it saves: passing a rule takes 4 ns, growing a tree over 40 to 1,000 rules, cold, 150 to 300 ms.
 */
const FEW_MET = 50_000_000;
/** So many rules are not compiled in a moment. */
const MANY = 2000;
/** Bytes of a record with a frame of 60 bytes: how many packets there are at most. */
const SMALL_RECORD = 76;
/** However many the rules are, a capture of so few bytes does not take the seconds that their tree does (20,000 rules: 4.6 s with a tree, 1.8 without). */
const LITTLE = 1 << 20;

/** In all chains of a job. */
export function countRules(rules: Job['rules']): number {
  const chains = [rules[4], rules[6]].flatMap((dual) => dual?.tables.flatMap((table) => table.chains) ?? []);
  return chains.reduce((sum, chain) => sum + chain.rules.length, 0);
}

/** They are not compiled in a moment. */
export const areMany = (rules: Job['rules']): boolean => countRules(rules) > MANY;

/** A capture and the bytes it has. */
interface Size {
  path: string;
  bytes: number;
}

/** Nobody knows how much a packed file holds. */
export const sizesOf = (captures: readonly string[]): Size[] =>
  captures.map((path) => ({ path, bytes: sizeAhead(path) ?? Number.POSITIVE_INFINITY }));

const sumOf = (sizes: readonly Size[]): number => sizes.reduce((sum, { bytes }) => sum + bytes, 0);

/** Whether captures, and of them `limit` packets at most, hold as many packets as `isMuch` asks for. */
export function holds(sizes: readonly Size[], limit = Number.POSITIVE_INFINITY, isMuch: (packets: number) => boolean): boolean {
  const ask = (record: number): boolean => isMuch(Math.min(sumOf(sizes) / record, limit));
  if (sizes.length === 0 || !ask(SMALL_RECORD)) return false;
  // Records are looked at where it may matter; the largest capture speaks for all.
  const largest = sizes.reduce((best, size) => (size.bytes > best.bytes ? size : best));
  return ask(Math.max(meanRecord(largest.path) ?? 0, SMALL_RECORD));
}

/** Whether the engine judges these captures, and of them `limit` packets at most, sooner with a tree; it answers the same without one. */
export function isTreeWorthwhile(captures: readonly string[], rules: Job['rules'], limit?: number): boolean {
  const sizes = sizesOf(captures);
  return sumOf(sizes) > LITTLE && holds(sizes, limit, (packets) => packets * countRules(rules) > FEW_MET);
}
