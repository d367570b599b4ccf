/** Several engines that share a capture say together what one engine says alone; where they cannot, they know it. */

import { describe, expect, test } from 'vitest';
import { SERVER, tcpTraffic } from '../../bench/traffic.ts';
import { writePcap } from '../../src/capture/writer.ts';
import { compile } from '../../src/compile/index.ts';
import { loadEngine } from '../../src/engine/loader.ts';
import { EngineSession } from '../../src/engine/session.ts';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import { captureOf, type FuzzCase } from '../../src/fuzz/case.ts';
import { jobOf } from '../../src/fuzz/differential.ts';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Family } from '../../src/model/ruleset.ts';
import type { Job } from '../../src/model/witness.ts';
import { sharedSession } from '../../src/replay/engine-replay.ts';
import { engineModule, engineSession } from '../../src/replay/engine-session.ts';
import { mergeConnections, mergeResults } from '../../src/replay/merge.ts';
import { whyNotShared } from '../../src/replay/shares.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { icmp, join, udp } from '../reference/build.ts';
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

/** What captures go into. */
interface Fed {
  startCapture(file: string): void;
  feed(chunk: Uint8Array): unknown;
  endCapture(): unknown;
}

function replayed<S extends Fed>(session: S, capture: Uint8Array): S {
  session.startCapture('memory');
  session.feed(capture);
  session.endCapture();
  return session;
}

const FIREWALL = {
  rules: {
    4: parseSave(
      '*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 22:80 -j ACCEPT\nCOMMIT\n',
      { file: 'rules', family: 4 },
    ),
  },
  host: buildHost({ local: [SERVER], in: 'eth0' }),
  profile: DEFAULT_PROFILE,
};

/** Where the records of a pcap file begin. */
function recordsOf(capture: Uint8Array): number[] {
  const view = new DataView(capture.buffer, capture.byteOffset);
  const places: number[] = [];
  for (let at = 24; at < capture.length; at += 16 + view.getUint32(at + 8, true)) places.push(at);
  return places;
}

/** What stops the pass over plain frames, at some of the records. */
const UNUSUAL: Record<string, (view: DataView, records: readonly number[]) => void> = {
  nothing: () => {},
  'nanoseconds in the whole file': (view) => view.setUint32(0, 0xa1b23c4d, true),
  'big-endian words in the whole file': (view, records) => {
    for (const at of [0, 16, 20, ...records.flatMap((record) => [record, record + 4, record + 8, record + 12])])
      view.setUint32(at, view.getUint32(at, true), false);
    for (const at of [4, 6]) view.setUint16(at, view.getUint16(at, true), false);
  },
  'times that go back': (view, records) => {
    for (let index = 5; index < records.length; index += 37)
      view.setUint32(records[index]!, view.getUint32(records[index]!, true) - 3, true);
  },
  'no time': (view, records) => {
    for (const index of [0, 70, 71, 2000]) view.setBigUint64(records[index]!, 0n, true);
  },
  'fractions beyond a second': (view, records) => {
    for (let index = 3; index < records.length; index += 50) view.setUint32(records[index]! + 4, 2_500_000, true);
  },
  'frames of another protocol': (view, records) => {
    for (let index = 0; index < records.length; index += 9) view.setUint16(records[index]! + 16 + 12, 0x0806);
  },
  'ICMP, options and fragments that are no IP': (view, records) => {
    for (let index = 1; index < records.length; index += 30) view.setUint8(records[index]! + 16 + 23, 1);
    for (let index = 2; index < records.length; index += 30) view.setUint8(records[index]! + 16 + 14, 0x46);
    for (let index = 3; index < records.length; index += 30) view.setUint8(records[index]! + 16 + 14, 0x15);
  },
  'an impossible length': (view, records) => view.setUint32(records[3000]! + 8, 0x7fffffff, true),
  'a capture that is cut': (view, records) => view.setUint32(records.at(-1)! + 8, 61, true),
};

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

/** The host's errors about packets of many peers that go no further, each behind its packet and cut behind the ICMP header: only the order tells what they are about. */
function cutErrors(family: Family, type: number, more: { ttl?: number }): { job: Job; capture: Uint8Array } {
  const [net, far] = family === 4 ? ['10.9.0.', '10.1.0.3'] : ['2001:db8:9::', '2001:db8:1::3'];
  const packets = Array.from({ length: 12 }, (_, index) => {
    const peer = `${net}${index + 10}`;
    const lost = udp(`${peer} 5000`, `${far} 53`, more);
    const error = icmp(`${net}1`, peer, type, 0, join([0, 0, 0, 0], lost));
    return [
      { bytes: lost, wire: lost.length },
      { bytes: error.subarray(0, family === 4 ? 28 : 48), wire: error.length },
    ];
  });
  const rules = ['*filter', '-A FORWARD -p udp -m conntrack --ctstate NEW -j REJECT', '-A OUTPUT -m conntrack --ctstate RELATED'];
  const job = {
    rules: { [family]: parseSave([...rules, 'COMMIT', ''].join('\n'), { file: 'rules', family }) },
    host: buildHost({ local: [`${net}1`], in: 'eth0' }),
    // What the capture cut is taken for right.
    profile: { ...DEFAULT_PROFILE, prestack: 'lenient' as const },
  };
  return {
    job,
    capture: writePcap(
      packets.flat().map((one, index) => ({ ...one, time: BigInt(index) * 1000n })),
      101,
    ),
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

  test.each(Object.keys(UNUSUAL))('frames that are plain, in one pass, and between them %s', async (what) => {
    const capture = tcpTraffic(4000, 60);
    UNUSUAL[what]!(new DataView(capture.buffer, capture.byteOffset), recordsOf(capture));
    for (const of of [2, 3]) {
      for (const limit of [undefined, 1, 65, 3999]) {
        const options = { hashKey: [1, 2] as const, ...(limit !== undefined && { limit }) };
        const alone = replayed(await engineSession(FIREWALL, options), capture);
        const image = compile(FIREWALL, { tree: true });
        const sessions = [];
        for (let index = 0; index < of; index++)
          sessions.push(replayed(await sharedSession(image, await engineModule(), { index, of }, options), capture));
        expect(mergeResults(sessions.map((session) => session.result()))).toEqual(alone.result());
        expect(mergeConnections(sessions.map((session) => session.connections()))).toEqual(alone.connections());
        const judged = sessions.map((session) => session.result().bytes);
        if (limit === undefined) expect(Math.min(...judged)).toBeGreaterThan(0);
      }
    }
  });

  test.each([2, 3])('of %i each steps over the others once, in one pass over plain frames', async (of) => {
    const image = compile(FIREWALL, { tree: false });
    let stepped = 0;
    for (let index = 0; index < of; index++) {
      const debug = await loadEngine(await engineModule('debug'));
      replayed(new EngineSession(debug, image, { path: false, share: { index, of } }), tcpTraffic(4000, 60));
      // All but the first batch, a small one, which tells what the capture is.
      expect(debug.sharedPassed()).toBe(4000 - 8);
      stepped += debug.steppedOver();
    }
    expect(stepped).toBe((of - 1) * (4000 - 8));
  });

  test.each<[string, Family, number, { ttl?: number }]>([
    ['unreachable', 4, 3, {}],
    ['time exceeded', 4, 11, { ttl: 1 }],
    ['unreachable', 6, 1, {}],
    ['time exceeded', 6, 3, { ttl: 1 }],
  ])('of errors (%s, IPv%i) that are cut before they say about whom, none knows all', async (_, family, type, more) => {
    const { job, capture } = cutErrors(family, type, more);
    expect(replayed(await engineSession(job), capture).result().answers).toBe(12);
    const image = compile(job);
    for (const index of [0, 1]) {
      const session = replayed(await sharedSession(image, await engineModule(), { index, of: 2 }), capture);
      expect(session.shareIsExact()).toBe(false);
    }
  });

  test.each([2, 3, 4])('%i of them are about as large as each other, where many clients talk to one server', async (of) => {
    const capture = tcpTraffic(8000, 8000);
    const image = compile(FIREWALL, { tree: false });
    for (let index = 0; index < of; index++) {
      const { bytes } = replayed(await sharedSession(image, await engineModule(), { index, of }), capture).result();
      expect(Math.abs((bytes * of) / (8000 * 40) - 1)).toBeLessThan(0.15);
    }
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
