/** Where a capture of translated connections was taken: random rules and packets, by reference and engine, and what they say of it. */
import { expect, test } from 'vitest';
import { CaptureReader } from '../../../src/capture/frames.ts';
import { casesOf } from '../../../src/fuzz/arbitrary.ts';
import { captureOf } from '../../../src/fuzz/case.ts';
import { type Answer, ask, differences, jobOf } from '../../../src/fuzz/differential.ts';
import { PROGRAMS } from '../../../src/fuzz/witness.ts';
import type { Frame } from '../../../src/model/witness.ts';
import { lookAtVantage } from '../../../src/replay/vantage.ts';

const SEED = Number(process.env.WASMTABLES_SEED ?? 1);
const KINDS = ['that these rules translate, but ha', 'captured before and behind the translation'] as const;

/** Random packets are no copies of each other, and none is forwarded by accident. */
function framesOf(capture: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  new CaptureReader((frame) => frames.push(frame)).push(capture);
  return frames;
}

const vantageNotesOf = ({ result }: Answer): string[] =>
  result.notes.filter((note) => KINDS.some((words) => note.includes(words)));

test(`reference and engine see the same packets on the wrong side of a translation (seed ${SEED})`, {
  timeout: 120_000,
}, async () => {
  const only = ['DNAT', 'SNAT', 'MASQUERADE', 'REDIRECT', 'NETMAP', 'CT'];
  const met = KINDS.map(() => 0);
  for (const [index, one] of casesOf({ packets: 120, judge: 'software', only }, SEED, 16).entries()) {
    const capture = captureOf(one);
    expect(lookAtVantage(framesOf(capture), [one.ruleset], one.host), `case ${index} of seed ${SEED}`).toEqual([]);
    const reference = await ask(PROGRAMS.reference!, jobOf(one), capture);
    for (const name of ['debug', 'linear']) {
      const engine = await ask(PROGRAMS[name]!, jobOf(one), capture);
      expect(differences(reference, engine), `case ${index} of seed ${SEED}, ${name}`).toEqual([]);
      expect(vantageNotesOf(engine), `case ${index} of seed ${SEED}, ${name}`).toEqual(vantageNotesOf(reference));
    }
    for (const note of vantageNotesOf(reference))
      for (const [kind, words] of KINDS.entries()) if (note.includes(words)) met[kind]!++;
  }
  for (const times of met) expect(times).toBeGreaterThan(0);
});
