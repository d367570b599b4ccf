/** When a tree is grown: not where all packets are through the rules before it would stand. Node only. */
import type { Job } from '../model/witness.ts';
import { sizeAhead } from './open.ts';
import { meanRecord } from './record-size.ts';

/**
 * Up to so many rules met by packets, all together, growing a tree takes longer than it saves: passing a rule takes 4 ns, growing a tree over 40 to 1,000 rules, cold, 150 to 300 ms.
 */
const FEW_MET = 50_000_000;
/** Bytes of a record with a frame of 60 bytes: how many packets there are at most. */
const SMALL_RECORD = 76;
/** However many the rules are, a capture of so few bytes does not take the seconds that their tree does (20,000 rules: 4.6 s with a tree, 1.8 without). */
const LITTLE = 1 << 20;

/** Whether the engine judges these captures, and of them `limit` packets at most, sooner with a tree; it answers the same without one. */
export function isTreeWorthwhile(captures: readonly string[], rules: Job['rules'], limit = Number.POSITIVE_INFINITY): boolean {
  const chains = [rules[4], rules[6]].flatMap((dual) => dual?.tables.flatMap((table) => table.chains) ?? []);
  const count = chains.reduce((sum, chain) => sum + chain.rules.length, 0);
  // Nobody knows how much a packed file holds.
  const sizes = captures.map((path) => sizeAhead(path) ?? Number.POSITIVE_INFINITY);
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const isMuch = (record: number): boolean => Math.min(bytes / record, limit) * count > FEW_MET;
  if (bytes <= LITTLE || !isMuch(SMALL_RECORD)) return false;
  // Records are looked at where it may matter; the largest capture speaks for all.
  const largest = sizes.reduce((best, size, index) => (size > sizes[best]! ? index : best), 0);
  return isMuch(Math.max(meanRecord(captures[largest]!) ?? 0, SMALL_RECORD));
}
