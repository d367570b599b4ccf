/** When a tree is grown: not where all packets are through the rules before it would stand. How much there is to judge. Node only. */
import type { Job } from '../model/witness.ts';
import { sizeAhead } from './open.ts';
import { lookInto } from './packed-size.ts';
import { meanRecord } from './record-size.ts';
import type { Prepared } from './replay.ts';
import type { ReadAhead } from './run.ts';

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

/**
 * Rules met by packets, all together, below which two threads that share them take as long as one, or longer: the other takes 30 ms of a core to start, which a million packets under 20 rules
 * make good. Where packets cost little, it is not for the rules: fewer are counted as so many.
 */
const SHARED_MET = 20_000_000;
const FEW_RULES = 20;
/** One that only reads takes less off the other. */
const READ_MET = 2 * SHARED_MET;

/** In all chains of a job. */
export function countRules(rules: Job['rules']): number {
  const chains = [rules[4], rules[6]].flatMap((dual) => dual?.tables.flatMap((table) => table.chains) ?? []);
  return chains.reduce((sum, chain) => sum + chain.rules.length, 0);
}

/** They are not compiled in a moment. */
export const areMany = (rules: Job['rules']): boolean => countRules(rules) > MANY;

/** A capture and the bytes it has, unpacked. */
interface Size {
  path: string;
  bytes: number;
  /** Of its records, where that was looked at. */
  mean?: number;
}

/** The largest of the packed files is looked into, and speaks for the others. Of a pipe nobody knows how much comes, but where all of it was read ahead. */
export async function sizesOf(captures: readonly string[], ahead?: ReadAhead): Promise<Size[]> {
  const files = captures.map((path) => ({ path, size: sizeAhead(path) ?? wholePipe(path, ahead) }));
  const packed = files.flatMap(({ path, size }) => (size.isPacked ? [{ path, bytes: size.bytes }] : []));
  if (packed.length === 0) return files.map(({ path, size: { bytes } }) => ({ path, bytes }));
  const largest = largestOf(packed);
  const { ratio, record } = await lookInto(largest.path, largest.bytes);
  const mean = record === undefined ? {} : { mean: record };
  return files.map(({ path, size: { bytes, isPacked } }) =>
    isPacked ? { path, bytes: bytes * ratio, ...mean } : { path, bytes },
  );
}

function wholePipe(path: string, ahead: ReadAhead | undefined): { bytes: number; isPacked: false } {
  const isWhole = ahead?.path === path && ahead.rest.ended;
  const bytes = isWhole ? ahead.chunks.reduce((sum, chunk) => sum + chunk.length, 0) : Number.POSITIVE_INFINITY;
  return { bytes, isPacked: false };
}

const largestOf = <S extends { bytes: number }>(sizes: readonly S[]): S =>
  sizes.reduce((best, size) => (size.bytes > best.bytes ? size : best));

const sumOf = (sizes: readonly Size[]): number => sizes.reduce((sum, { bytes }) => sum + bytes, 0);

/** Whether captures, and of them `limit` packets at most, hold as many packets as `isMuch` asks for. */
export function holds(sizes: readonly Size[], limit = Number.POSITIVE_INFINITY, isMuch: (packets: number) => boolean): boolean {
  const ask = (record: number): boolean => isMuch(Math.min(sumOf(sizes) / record, limit));
  if (sizes.length === 0 || !ask(SMALL_RECORD)) return false;
  // Records are looked at where it may matter; the largest capture speaks for all.
  const { path, mean = meanRecord(path) } = largestOf(sizes);
  return ask(Math.max(mean ?? 0, SMALL_RECORD));
}

/** Whether the engine judges these captures, and of them `limit` packets at most, sooner with a tree; it answers the same without one. */
export async function isTreeWorthwhile(
  { captures, ahead }: Pick<Prepared, 'captures' | 'ahead'>,
  rules: Job['rules'],
  limit?: number,
): Promise<boolean> {
  const sizes = await sizesOf(captures, ahead);
  return sumOf(sizes) > LITTLE && holds(sizes, limit, (packets) => packets * countRules(rules) > FEW_MET);
}

/** Whether two threads judge these captures, and of them `limit` packets at most, sooner than one: which share them, or one of which only reads. */
export async function areThreadsWorthwhile(
  captures: readonly string[],
  rules: Job['rules'],
  how: 'shared' | 'read',
  limit?: number,
): Promise<boolean> {
  const met = how === 'shared' ? SHARED_MET : READ_MET;
  const each = Math.max(countRules(rules), FEW_RULES);
  return holds(await sizesOf(captures), limit, (packets) => packets * each >= met);
}
