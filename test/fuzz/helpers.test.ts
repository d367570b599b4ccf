/** Conversations that helpers listen to: reference and engine agree on them, translated or not, and every helper is believed by somebody. */
import { expect, it } from 'vitest';
import { expecting } from '../../src/fuzz/reach.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import { SEED } from '../seed.ts';
import { expectAgreement } from './agreement.ts';

it(`helpers expect connections (seed ${SEED})`, async () => {
  const only = ['CT', 'conntrack', 'tcp', 'udp', 'SNAT', 'DNAT'];
  const batch = { seed: SEED, cases: 450, options: { packets: 50, judge: 'software', only } as const };
  const { counts } = await expectAgreement(batch, [PROGRAMS.engine!], []);
  expect(expecting().filter((name) => counts['expected by'][name] === undefined)).toEqual([]);
}, 300_000);
