/** Random cases behind random link headers: the reference, every build of the engine, and engines that share a capture, answer alike. */
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/compile/index.ts';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import type { CaseOptions, FuzzCase } from '../../src/fuzz/case.ts';
import { ask, differences, jobOf } from '../../src/fuzz/differential.ts';
import { seededDraw } from '../../src/fuzz/draw.ts';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import type { Job, ReplayResult } from '../../src/model/witness.ts';
import { sharedSession } from '../../src/replay/engine-replay.ts';
import { engineModule } from '../../src/replay/engine-session.ts';
import { mergeConnections, mergeResults } from '../../src/replay/merge.ts';
import { whyNotShared } from '../../src/replay/shares.ts';
import { SEED } from '../seed.ts';
import { drawHost, recast } from './link-headers.ts';

const CASES = 64;
/** So few that a case can be read, so many that batches of the engine are full. */
const OPTIONS: CaseOptions = { packets: 50, judge: 'software' };
const ENGINES = ['engine', 'silent', 'debug', 'scalar'].map((name) => PROGRAMS[name]!);

/** What several engines that share a capture say together; undefined: one pair of addresses does not decide all. */
async function shared(job: Job, capture: Uint8Array, of: number) {
  const image = compile(job, { tree: false });
  const sessions = [];
  for (let index = 0; index < of; index++) {
    const session = await sharedSession(image, await engineModule(), { index, of }, { hashKey: hashKeyOf(job) });
    session.startCapture('capture.pcap');
    session.feed(capture);
    session.endCapture();
    sessions.push(session);
  }
  if (!sessions.every((session) => session.shareIsExact())) return undefined;
  return {
    result: mergeResults(sessions.map((session) => session.result())),
    connections: mergeConnections(sessions.map((session) => session.connections())),
  };
}

/** What is compared of a result: each witness words its own notes. */
const comparable = ({ notes: _notes, ...rest }: ReplayResult) => rest;

function recastOf(fuzzCase: FuzzCase, number: number): { job: Job; capture: Uint8Array } {
  const draw = seededDraw(SEED * CASES + number);
  const host = drawHost(draw, fuzzCase.family, fuzzCase.host);
  // What is logged of a device that nobody but the capture names the engine cannot tell (docs/kernel-differences.md, LOG).
  const stranger = /LOG/.test(fuzzCase.rules) ? 'eth1' : 'wlan7';
  return { job: jobOf({ ...fuzzCase, host }), capture: recast(draw, fuzzCase.packets, stranger) };
}

const count = (into: Map<string, number>, words: Readonly<Record<string, number>>): void => {
  for (const [word, packets] of Object.entries(words)) into.set(word, (into.get(word) ?? 0) + packets);
};

describe('random link headers', () => {
  it(`reference, engines and shares agree (seed ${SEED})`, { timeout: 600_000 }, async () => {
    const found: string[] = [];
    const [hooks, unseen] = [new Map<string, number>(), new Map<string, number>()];
    let [asked, exact] = [0, 0];
    for (const [number, fuzzCase] of casesOf(OPTIONS, SEED, CASES).entries()) {
      const { job, capture } = recastOf(fuzzCase, number);
      const expected = await ask(PROGRAMS.reference!, job, capture);
      count(hooks, expected.result.hooks);
      count(unseen, expected.result.unseen);
      for (const engine of ENGINES) {
        const lines = differences(expected, await ask(engine, job, capture));
        if (lines.length > 0) found.push(`case ${number}\n${lines.join('\n')}`);
      }
      if (whyNotShared(job.rules, job.profile) !== undefined) continue;
      asked++;
      const { packets: _, ...silent } = job;
      const together = await shared(silent, capture, 2 + (number % 3));
      if (together === undefined) continue;
      exact++;
      expect(comparable(together.result), `case ${number}, shares`).toEqual(comparable(expected.result));
      expect(together.connections, `case ${number}, shares`).toEqual(expected.connections());
    }
    expect(found.slice(0, 3)).toEqual([]);
    // Every hook, and every reason that a frame alone can give.
    for (const hook of ['INPUT', 'FORWARD', 'OUTPUT']) expect(hooks.get(hook), hook).toBeGreaterThan(CASES);
    const reasons = ['not IP', 'link header truncated', 'for another host', 'shorter than an IP header', 'bad IP version'];
    for (const reason of [...reasons, 'outgoing copy of a forwarded packet', 'copy at a port of a bridge or bond'])
      expect(unseen.get(reason), reason).toBeGreaterThan(CASES / 10);
    expect(asked).toBeGreaterThan(CASES / 20);
    expect(exact).toBeGreaterThan(asked / 4);
  });
});
