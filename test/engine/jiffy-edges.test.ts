/** connlimit where a jiffy may begin between two packets or not: both witnesses note the same packets, and what changes with the beginning of the jiffies is noted. */
import { expect, test } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { compile } from '../../src/compile/index.ts';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Job, ReplayResult } from '../../src/model/witness.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import type { Session } from '../../src/replay/session.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { MILLISECOND, randomOf, rulesOf, traffic } from '../kernel/connlimit-cases.ts';
import type { SentPacket } from '../kernel/virtual-differential.ts';
import { SEED } from '../seed.ts';

const CASES = 24;
/** Of a jiffy of 4 ms. */
const BEGINNINGS = [0n, 1n, 2n, 3n].map((by) => by * MILLISECOND);
const NOTE = /connlimit within a jiffy/;

function resultOf(session: Session, packets: readonly SentPacket[], later: bigint): ReplayResult {
  session.startCapture('memory');
  const frames = packets.map(({ time, bytes }) => ({ time: time + later, bytes, wire: bytes.length }));
  session.feed(writePcap(frames, 101));
  session.endCapture();
  return session.result();
}

test(`of random cases (seed ${SEED})`, { timeout: 120_000 }, async () => {
  let [noted, changed] = [0, 0];
  for (let number = 0; number < CASES; number++) {
    const random = randomOf(SEED * 1000 + number);
    const family = number % 2 === 0 ? 4 : 6;
    const rules = { [family]: parseSave(rulesOf(family, random, true), { file: 'rules', family }) };
    const job: Job = { rules, host: buildHost({ forward: true, in: 'eth0', out: 'eth1' }), profile: DEFAULT_PROFILE };
    const packets = traffic(family, random, true, 0);
    const image = compile(job);
    const told = new Set<string>();
    let isNoted = false;
    for (const later of BEGINNINGS) {
      const engine = resultOf(await engineSession(job, { image, hashKey: hashKeyOf(job), onPacket: () => {} }), packets, later);
      const reference = resultOf(referenceSession(job), packets, later);
      expect(engine.notes.filter((note) => NOTE.test(note))).toEqual(reference.notes.filter((note) => NOTE.test(note)));
      expect(engine.counters, `case ${number}`).toEqual(reference.counters);
      told.add(JSON.stringify(reference.counters));
      isNoted ||= reference.notes.some((note) => NOTE.test(note));
    }
    if (told.size > 1) expect(isNoted, `case ${number}: the beginning of jiffies matters`).toBe(true);
    noted += isNoted ? 1 : 0;
    changed += told.size > 1 ? 1 : 0;
  }
  expect(noted).toBeGreaterThan(0);
  expect(changed).toBeGreaterThan(0);
});
