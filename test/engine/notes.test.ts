/** Notes of a result: engine and reference tell the same, in the same order, whatever was met first. */
import { expect, test } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { compile } from '../../src/compile/index.ts';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import { captureOf } from '../../src/fuzz/case.ts';
import { jobOf } from '../../src/fuzz/differential.ts';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { count, plural } from '../../src/model/count.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { NAT_NOTES } from '../../src/model/nat.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Job } from '../../src/model/witness.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import type { Session } from '../../src/replay/session.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { udp } from '../reference/build.ts';
import { SEED } from '../seed.ts';

function notesOf(session: Session, capture: Uint8Array): string[] {
  session.startCapture('memory');
  session.feed(capture);
  session.endCapture();
  return session.result().notes;
}

async function both(job: Job, capture: Uint8Array): Promise<[engine: string[], reference: string[]]> {
  const image = compile(job);
  const engine = notesOf(await engineSession(job, { image, hashKey: hashKeyOf(job), onPacket: () => {} }), capture);
  return [engine, notesOf(referenceSession(job), capture)];
}

test(`of random cases (seed ${SEED})`, { timeout: 120_000 }, async () => {
  const told = new Set<string>();
  for (const [number, fuzzCase] of casesOf({ packets: 60, judge: 'software' }, SEED, 80).entries()) {
    const job = jobOf(fuzzCase);
    const [engine, reference] = await both(job, captureOf(fuzzCase));
    const rules = compile(job).notes.filter((note) => !reference.includes(note));
    expect(
      engine.filter((note) => !rules.includes(note)),
      `seed ${SEED} path ${number}`,
    ).toEqual(reference);
    for (const note of reference) told.add(note.replace(/\d+/g, 'n'));
  }
  expect(told.size).toBeGreaterThan(3);
});

/** A redirection without an address, and a port that is drawn, in either order, of packets that come late. */
test.each([[[53, 54]], [[54, 53]]])('a redirection without an address and a drawn port (ports %j)', async (ports) => {
  const text = [
    '*nat',
    '-A PREROUTING -p udp -m udp --dport 53 -j REDIRECT --to-ports 5353',
    '-A PREROUTING -p udp -m udp --dport 54 -j DNAT --to-destination 10.0.0.9:6000-6001 --random',
    'COMMIT',
    '',
  ].join('\n');
  const job: Job = {
    rules: { 4: parseSave(text, { file: 'rules', family: 4 }) },
    host: buildHost({ forward: true, in: 'eth0', out: 'eth1' }),
    profile: DEFAULT_PROFILE,
  };
  const packets = ports.map((port, index) => ({
    bytes: udp(`192.0.2.${index + 1} 4000`, `198.51.100.1 ${port}`),
    time: 10_000_000_000n - BigInt(index) * 5_000_000_000n,
  }));
  const capture = writePcap(
    packets.map((one) => ({ ...one, wire: one.bytes.length })),
    101,
  );
  const [engine, reference] = await both(job, capture);
  expect(engine).toEqual([NAT_NOTES.drawn, NAT_NOTES.redirect, expect.stringMatching(/^1 packet has an earlier time/)]);
  expect(reference).toEqual(engine);
});

test('numbers are told in one form', () => {
  expect([0, 999, 1000, 12_345, 1_234_567].map(count)).toEqual(['0', '999', '1,000', '12,345', '1,234,567']);
  expect(count(98_765_432_109n)).toBe('98,765,432,109');
  expect([plural(1, 'packet'), plural(2000, 'packet')]).toEqual(['1 packet', '2,000 packets']);
});
