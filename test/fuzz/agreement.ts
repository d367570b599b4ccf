/** What the tests of random cases share: a batch that must agree, and how a mismatch is told. */
import { expect } from 'vitest';
import type { Kernel } from '../../src/fuzz/kernels.ts';
import { blind, type Reach, ReachMeter } from '../../src/fuzz/reach.ts';
import { type Batch, type Found, panelJudge, search } from '../../src/fuzz/search.ts';
import type { Witness } from '../../src/fuzz/witness.ts';

/** A mismatch as a person reads it. */
export function tell({ seed, path, mismatch, fuzzCase }: Found): string {
  const packets = fuzzCase.packets.map(({ direction, bytes }) => `${direction} ${Buffer.from(bytes).toString('hex')}`);
  const head = `seed ${seed} path ${path}: ${mismatch.kind}, ${mismatch.between.join(' and ')} (${fuzzCase.profile.backend})`;
  return [head, ...mismatch.lines, fuzzCase.rules, ...packets].join('\n');
}

/** All witnesses agree on a batch, and the generator met what it must. Returns what was met. */
export async function expectAgreement(batch: Batch, programs: readonly Witness[], kernels: readonly Kernel[]): Promise<Reach> {
  const meter = new ReachMeter();
  const judge = panelJudge({ programs: [meter.witness, ...programs], kernels });
  const found = await search(batch, judge, {
    onAnswer: (fuzzCase, answer) => meter.answer(fuzzCase, answer),
    most: 2,
    patience: 20_000,
  });
  expect(found.map(tell)).toEqual([]);
  expect(blind(meter.reach, batch.options)).toEqual([]);
  return meter.reach;
}
