/**
 * Canaries: bugs planted in the reference and in the engine on purpose, which the very search of `wasmtables fuzz` must find and shrink. A generator that grew blind fails here.
 * WASMTABLES_PLANTS=all hunts all of them (minutes), WASMTABLES_PLANTS=WORD those whose names hold the word.
 */
import { describe, expect, it } from 'vitest';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import type { CaseOptions } from '../../src/fuzz/case.ts';
import { signature } from '../../src/fuzz/judge.ts';
import { rulesIn } from '../../src/fuzz/save.ts';
import { type JudgeCases, panelJudge, shrink } from '../../src/fuzz/search.ts';
import { PROGRAMS, type Witness } from '../../src/fuzz/witness.ts';
import { SEED } from '../seed.ts';
import { buildPlanted, plantedSource, testPlanted } from './canary/build.ts';
import { type Plant, plants } from './canary/plant.ts';

const WANTED = process.env.WASMTABLES_PLANTS;
const OPTIONS: CaseOptions = { packets: 40, judge: 'software' };
/** Cases until a bug must have been found; the rarer ones are hunted for longer. */
const BOUND = WANTED === undefined ? 1000 : 3000;
const BATCH = 5;
const ASKED = plants.filter(({ name, always }) => (WANTED === undefined ? always : WANTED === 'all' || name.includes(WANTED)));
const HUNTED = ASKED.filter(({ test }) => test === undefined);
const TESTED = ASKED.filter(({ test }) => test !== undefined);

interface Caught {
  name: string;
  cases: number;
  rules: number;
  packets: number;
}

/** Hunts one bug. undefined: not found. */
async function hunt({ witness, name }: Plant, planted: Witness): Promise<Caught | undefined> {
  const programs = witness === 'engine' ? [PROGRAMS.reference!, planted] : [planted, PROGRAMS.linear!];
  const judge: JudgeCases = panelJudge({ programs, kernels: [] });
  for (let from = 0; from < BOUND; from += BATCH) {
    const mismatches = await judge(casesOf(OPTIONS, SEED, BATCH, from), undefined, false);
    const at = mismatches.findIndex((mismatch) => mismatch !== undefined);
    if (at < 0) continue;
    const found = await shrink({ seed: SEED, options: OPTIONS }, String(from + at), judge, signature(mismatches[at]!));
    return { name, cases: from + at + 1, rules: rulesIn(found.fuzzCase), packets: found.fuzzCase.packets.length };
  }
  return undefined;
}

function holds(plant: Plant): boolean {
  try {
    return plantedSource(plant) !== '';
  } catch {
    return false;
  }
}

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;

describe('canaries', () => {
  it('the sources hold the places bugs are planted at', () => {
    const stale = plants.filter((plant) => !holds(plant));
    expect(stale.filter(({ always }) => always)).toEqual([]);
    // Those that are hunted on demand may wait until they are; not all of them.
    expect(stale.length, stale.map(({ name }) => name).join(', ')).toBeLessThan(plants.length / 10);
  });

  it.skipIf(TESTED.length === 0)(
    'what random cases hardly ever meet a test of its own finds',
    async () => {
      const sound = new Set<string>();
      for (const plant of TESTED) {
        const { test = '' } = plant;
        if (!sound.has(test)) expect(await testPlanted(plant, false), plant.name).toEqual({ code: 0, failed: 0 });
        sound.add(test);
        const { code, failed } = await testPlanted(plant);
        console.log(`${plant.name}: ${failed} tests of ${plant.test} fail`);
        expect.soft({ code, isFound: failed > 0 }, plant.name).toEqual({ code: 1, isFound: true });
      }
    },
    TESTED.length * 180_000,
  );

  it.skipIf(HUNTED.length === 0)(
    `planted bugs are found within ${BOUND} cases and shrunk (seed ${SEED})`,
    async () => {
      const caught: Caught[] = [];
      const missed: string[] = [];
      for (const plant of HUNTED) {
        const found = await hunt(plant, await buildPlanted(plant));
        if (found === undefined) missed.push(plant.name);
        else caught.push(found);
        console.log(
          found === undefined
            ? `MISSED ${plant.name}`
            : `${found.name}: case ${found.cases}, ${found.rules} rules, ${found.packets} packets`,
        );
      }
      expect(missed).toEqual([]);
      expect(median(caught.map(({ rules }) => rules))).toBeLessThanOrEqual(3);
      expect(median(caught.map(({ packets }) => packets))).toBeLessThanOrEqual(5);
    },
    HUNTED.length * 60_000,
  );
});
