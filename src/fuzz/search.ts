/** A batch of cases to a panel; what differs is shrunk. */
import * as fc from 'fast-check';
import { arbitraryCase, casesOf } from './arbitrary.ts';
import type { CaseOptions, FuzzCase } from './case.ts';
import { judgeCases, type Mismatch, type OnAnswer, type Panel, signature } from './judge.ts';

/** Cases that belong together: the n-th case of a seed is the same everywhere. */
export interface Batch {
  seed: number;
  cases: number;
  options: CaseOptions;
}

export interface Found {
  seed: number;
  /** fast-check's path to the smallest case. */
  path: string;
  mismatch: Mismatch;
  fuzzCase: FuzzCase;
}

export interface SearchOptions {
  onAnswer?: OnAnswer;
  /** Told before a case is shrunk. */
  onMismatch?: (seed: number, number: number, mismatch: Mismatch) => void;
  /** Milliseconds a case is shrunk at most. */
  patience?: number;
  /** Mismatches of a batch that are shrunk; of the same kind between the same witnesses only the first is. */
  most?: number;
}

const PATIENCE = 60_000;
const LARGE_AGAINST_ITSELF = 20;

/** What a panel judges; tests plant their own. */
export type JudgeCases = (
  cases: readonly FuzzCase[],
  onAnswer?: OnAnswer,
  relations?: boolean,
) => Promise<(Mismatch | undefined)[]>;

export const panelJudge =
  (panel: Panel): JudgeCases =>
  (cases, onAnswer, relations) =>
    judgeCases(cases, panel, onAnswer, relations);

/** All mismatches of a batch, each kind shrunk once. Throws KernelError when an oracle cannot work. */
export async function search(batch: Batch, judge: JudgeCases, options: SearchOptions = {}): Promise<Found[]> {
  const cases = casesOf(batch.options, batch.seed, batch.cases);
  // The first case of a batch is held against itself, too; of batches of one large case some are.
  const mismatches = await judge(cases, options.onAnswer, batch.cases > 1 || batch.seed % LARGE_AGAINST_ITSELF === 0);
  const found: Found[] = [];
  const seen = new Set<string>();
  for (const [number, mismatch] of mismatches.entries()) {
    if (mismatch === undefined || seen.has(signature(mismatch)) || found.length >= (options.most ?? 5)) continue;
    seen.add(signature(mismatch));
    options.onMismatch?.(batch.seed, number, mismatch);
    found.push(await shrink(batch, String(number), judge, signature(mismatch), options.patience));
  }
  return found;
}

/** The smallest case below a path that shows the same kind of mismatch between the same witnesses (any, when no signature is given). */
export async function shrink(
  batch: Pick<Batch, 'seed' | 'options'>,
  path: string,
  judge: JudgeCases,
  wanted?: string,
  patience = PATIENCE,
): Promise<Found> {
  let smallest: { fuzzCase: FuzzCase; mismatch: Mismatch } | undefined;
  // Relations are asked for many times what a comparison costs: only where one is what is wrong.
  const relations = wanted === undefined || wanted.startsWith('breaks');
  const holds = async (fuzzCase: FuzzCase): Promise<boolean> => {
    const [mismatch] = await judge([fuzzCase], undefined, relations);
    if (mismatch === undefined || (wanted !== undefined && signature(mismatch) !== wanted)) return true;
    smallest = { fuzzCase, mismatch };
    return false;
  };
  const details = await fc.check(fc.asyncProperty(arbitraryCase(batch.options), holds), {
    seed: batch.seed,
    path,
    numRuns: 1,
    interruptAfterTimeLimit: patience,
  });
  if (smallest === undefined) throw new Vanished(`seed ${batch.seed} path ${path}: the mismatch did not come again`);
  return { seed: batch.seed, path: details.counterexamplePath ?? path, ...smallest };
}

/** A mismatch that cannot be repeated. */
export class Vanished extends Error {
  override readonly name = 'Vanished';
}
