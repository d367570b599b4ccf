/** Matches whose rules share state by name: whole rule sets before the reference and every build of the engine. */
import { expect, test } from 'vitest';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import { judgeCases } from '../../src/fuzz/judge.ts';
import { ReachMeter } from '../../src/fuzz/reach.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import { SEED } from '../seed.ts';

const CASES = 20;

/** The targets without which a match says little. */
const COMPANY: Readonly<Record<string, readonly string[]>> = { set: ['SET'], rateest: ['RATEEST'] };

for (const name of ['recent', 'hashlimit', 'set', 'connlimit', 'rateest']) {
  test(`${name}: reference and engine agree (seed ${SEED})`, { timeout: 120_000 }, async () => {
    const meter = new ReachMeter();
    const programs = [meter.witness, ...Object.values(PROGRAMS).filter((one) => one.name !== 'reference')];
    const cases = casesOf({ packets: 80, judge: 'software', only: [name, 'statistic', ...(COMPANY[name] ?? [])] }, SEED, CASES);
    const found = await judgeCases(cases, { programs, kernels: [] }, () => {}, false);
    expect(found.flatMap((mismatch) => mismatch?.lines.slice(0, 8) ?? [])).toEqual([]);
    const { match } = meter.reach.counts;
    expect(match[`${name} true`]).toBeGreaterThan(100);
    expect(match[`${name} false`]).toBeGreaterThan(100);
  });
}
