/** Where a capture of translated connections was taken: random rules and packets, by reference and engine, and what they say of it. */
import { expect, test } from 'vitest';
import { CaptureReader } from '../../../src/capture/frames.ts';
import { casesOf } from '../../../src/fuzz/arbitrary.ts';
import { captureOf } from '../../../src/fuzz/case.ts';
import { type Answer, ask, differences, jobOf } from '../../../src/fuzz/differential.ts';
import { PROGRAMS } from '../../../src/fuzz/witness.ts';
import type { Frame } from '../../../src/model/witness.ts';
import { lookAtVantage } from '../../../src/replay/vantage.ts';
import { SEED } from '../../seed.ts';

const KINDS = ['that these rules translate, but ha', 'captured before and behind the translation'] as const;

/** Behind an Ethernet header. */
const LINK = 14;

/** A packet that is another one a hop further on, by accident: nothing but the TTL, one lower, and IPv4's checksum differs behind the link's header. */
function holdsCopies(frames: readonly Frame[]): boolean {
  return frames.some(({ bytes }, index) =>
    frames.slice(0, index).some(({ bytes: before }) => {
      if (before.length !== bytes.length) return false;
      const places = [...bytes.keys()].filter((at) => at >= LINK && bytes[at] !== before[at]);
      const [ttl = 0] = places;
      return places.length > 0 && places.length <= 3 && bytes[ttl] === before[ttl]! - 1;
    }),
  );
}

function framesOf(capture: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  new CaptureReader((frame) => frames.push(frame)).push(capture);
  return frames;
}

const vantageNotesOf = ({ result }: Answer): string[] =>
  result.notes.filter((note) => KINDS.some((words) => note.includes(words)));

/** Cases a turn, and turns at most: until both kinds were seen. */
const CASES = 16;
const TURNS = 10;

test(`reference and engine see the same packets on the wrong side of a translation (seed ${SEED})`, {
  timeout: 300_000,
}, async () => {
  const only = ['DNAT', 'SNAT', 'MASQUERADE', 'REDIRECT', 'NETMAP', 'CT'];
  const met = new Set<string>();
  for (let turn = 0; turn < TURNS && met.size < KINDS.length; turn++) {
    for (const [index, one] of casesOf({ packets: 120, judge: 'software', only }, SEED + turn, CASES).entries()) {
      const where = `case ${index} of seed ${SEED + turn}`;
      const capture = captureOf(one);
      const frames = framesOf(capture);
      const { notes: told } = lookAtVantage(frames, [one.ruleset], one.host);
      // None is forwarded, and only copies are called so.
      expect(
        told.filter((note) => !note.includes('a TTL one lower')),
        where,
      ).toEqual([]);
      if (!holdsCopies(frames)) expect(told, where).toEqual([]);
      const reference = await ask(PROGRAMS.reference!, jobOf(one), capture);
      for (const name of ['debug', 'linear']) {
        const engine = await ask(PROGRAMS[name]!, jobOf(one), capture);
        expect(differences(reference, engine), `${where}, ${name}`).toEqual([]);
        expect(vantageNotesOf(engine), `${where}, ${name}`).toEqual(vantageNotesOf(reference));
      }
      for (const note of vantageNotesOf(reference)) for (const words of KINDS) if (note.includes(words)) met.add(words);
    }
  }
  expect([...met].sort()).toEqual([...KINDS].sort());
});
