/** Random rule sets and packets: the reference and every build of the engine, with its tree and rule by rule, asked for packets or not, fed whole and in odd chunks, answer alike. */
import { describe, expect, it } from 'vitest';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import type { CaseOptions } from '../../src/fuzz/case.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import { SEED } from '../seed.ts';
import { expectAgreement } from './agreement.ts';

const ENGINES = ['engine', 'silent', 'debug', 'scalar', 'linear'].map((name) => PROGRAMS[name]!);

describe('random cases', () => {
  it(`reference and engines agree (seed ${SEED})`, async () => {
    const options: CaseOptions = { packets: 60, judge: 'software' };
    const reach = await expectAgreement({ seed: SEED, cases: 250, options }, ENGINES, []);
    // Answers to translated packets come on top.
    const sent = casesOf(options, SEED, 250).reduce((sum, { packets }) => sum + packets.length, 0);
    expect(sent).toBeGreaterThanOrEqual(250 * 60);
    expect(reach.packets).toBe(sent);
  }, 300_000);
});
