/** Several engines that share a capture say together what one engine says alone; where they cannot, they know it. */

import { describe, expect, test } from 'vitest';
import { compile } from '../../src/compile/index.ts';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import { captureOf, type FuzzCase } from '../../src/fuzz/case.ts';
import { jobOf } from '../../src/fuzz/differential.ts';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { sharedSession } from '../../src/replay/engine-replay.ts';
import { engineModule, engineSession } from '../../src/replay/engine-session.ts';
import { mergeConnections, mergeResults } from '../../src/replay/merge.ts';
import type { Session } from '../../src/replay/session.ts';
import { whyNotShared } from '../../src/replay/shares.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { SEED } from '../seed.ts';

const CASES = 150;
const PACKETS = 120;
/** What keeps no state, and conntrack. */
const ONLY = [
  'conntrack',
  'state',
  'tcp',
  'udp',
  'icmp',
  'icmp6',
  'mark',
  'MARK',
  'multiport',
  'CT',
  'NOTRACK',
  'REJECT',
  'iprange',
];

function replayed<S extends Session>(session: S, capture: Uint8Array): S {
  session.startCapture('memory');
  session.feed(capture);
  session.endCapture();
  return session;
}

async function shares(fuzzCase: FuzzCase, of: number) {
  const [job, capture, wasm] = [jobOf(fuzzCase), captureOf(fuzzCase), await engineModule()];
  const image = compile(job, { tree: false });
  const sessions = [];
  const hashKey = hashKeyOf(job);
  for (let index = 0; index < of; index++)
    sessions.push(replayed(await sharedSession(image, wasm, { index, of }, { hashKey }), capture));
  return {
    exact: sessions.every((session) => session.shareIsExact()),
    result: mergeResults(sessions.map((session) => session.result())),
    connections: mergeConnections(sessions.map((session) => session.connections())),
    judged: sessions.map((session) => session.result().bytes),
  };
}

describe('shares of a capture', () => {
  test(`add up to what one engine says (seed ${SEED})`, { timeout: 120_000 }, async () => {
    let [asked, exact, spread] = [0, 0, 0];
    for (const [number, fuzzCase] of casesOf({ packets: PACKETS, judge: 'software', only: ONLY }, SEED, CASES).entries()) {
      // The command line shares none of those: helpers expect connections between other ends, a limit counts all.
      if (whyNotShared({ [fuzzCase.family]: fuzzCase.ruleset }, fuzzCase.profile) !== undefined) continue;
      asked++;
      const job = jobOf(fuzzCase);
      const alone = replayed(await engineSession(job, { tree: false, hashKey: hashKeyOf(job) }), captureOf(fuzzCase));
      const shared = await shares(fuzzCase, 2 + (number % 3));
      if (!shared.exact) continue;
      exact++;
      if (shared.judged.filter((bytes) => bytes > 0).length > 1) spread++;
      expect(shared.result, `seed ${SEED} path ${number}`).toEqual(alone.result());
      expect(shared.connections, `seed ${SEED} path ${number}`).toEqual(alone.connections());
    }
    // A third of the cases have fragments, that are put together where there is conntrack.
    expect(asked).toBeGreaterThan(CASES / 3);
    expect(exact).toBeGreaterThan(asked / 3);
    expect(spread).toBeGreaterThan(asked / 4);
  });

  test.each([
    ['-A INPUT -m limit --limit 5/s -j ACCEPT', /-m limit is about more/],
    ['-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT', undefined],
    ['-A INPUT -m conntrack --ctstate NEW -j REJECT', undefined],
  ])('%s', (rule, why) => {
    const text = `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n${rule}\nCOMMIT\n`;
    const said = whyNotShared({ 4: parseSave(text, { file: 'rules', family: 4 }) }, DEFAULT_PROFILE);
    if (why === undefined) expect(said).toBeUndefined();
    else expect(said).toMatch(why);
  });

  test('a limit on all connections cannot be shared', () => {
    expect(whyNotShared({}, { ...DEFAULT_PROFILE, sysctls: { nf_conntrack_max: 5 } })).toMatch(/all connections/);
  });
});
