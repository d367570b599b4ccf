/** The engine's session: a module without imports, captures whole and cut, limits, calls out of order. */
import { beforeAll, describe, expect, test } from 'vitest';
import { RECORD_MAXIMUM } from '../../../src/abi/capture.ts';
import { writePcap } from '../../../src/capture/writer.ts';
import { createEngine, EngineError, type EngineSession } from '../../../src/engine/index.ts';
import { buildHost } from '../../../src/model/host-build.ts';
import type { PacketOutcome } from '../../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { SEED } from '../../seed.ts';
import { tcpTraffic } from './traffic.ts';
import { engineModule, engineWasm, TARGETS, type Target } from './wasm.ts';

const SERVER = 0xc0a80101;
const HASH_KEY = [SEED, 0x5eed] as const;
const modules = {} as Record<Target, object>;

beforeAll(() => {
  for (const target of TARGETS) modules[target] = engineModule(target);
});

function job(rules: string, path = true): Job {
  return {
    rules: { 4: parseSave(rules, { file: 'test', family: 4 }) },
    host: buildHost({ local: ['192.168.1.1/24'], in: 'eth0' }),
    profile: DEFAULT_PROFILE,
    packets: { path },
  };
}

async function play(
  rules: string,
  capture: Uint8Array,
  target: Target,
  tree: boolean,
): Promise<{ session: EngineSession; outcomes: PacketOutcome[] }> {
  const outcomes: PacketOutcome[] = [];
  const session = await createEngine(job(rules), {
    wasm: modules[target],
    hashKey: HASH_KEY,
    tree,
    onPacket: (outcome) => outcomes.push(outcome),
  });
  session.startCapture('test.pcap');
  session.feed(capture);
  session.endCapture();
  return { session, outcomes };
}

const WEB = `*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -p udp -j NOTRACK
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:log - [0:0]
:web - [0:0]
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A INPUT -p tcp -j web
-A INPUT -p tcp --dport 81 -j log
-A log
-A log -j RETURN
-A web -p tcp --dport 80 -j ACCEPT
-A web -p tcp --dport 82 -j RETURN
-A web -p tcp --dport 83 -j DROP
COMMIT
`;

describe('the module', () => {
  test.each(TARGETS)('%s has no imports', (target) => {
    const { Module } = Reflect.get(globalThis, 'WebAssembly') as {
      Module: { imports(module: object): unknown[]; new (bytes: Uint8Array): object };
    };
    expect(Module.imports(new Module(engineWasm(target)))).toEqual([]);
  });
});

describe.each(TARGETS.flatMap((target) => [true, false].map((tree) => ({ target, tree }))))(
  '$target, tree $tree',
  ({ target, tree }) => {
    const capture = (ports: readonly number[]): Uint8Array =>
      tcpTraffic({ packets: ports.length * 3, flows: ports.length, ports, length: 40, server: SERVER });

    test("paths in the kernel's words", async () => {
      const { outcomes } = await play(WEB, capture([80, 81, 82, 83]), target, tree);
      const raw = 'raw:PREROUTING:policy:2';
      expect(outcomes.slice(0, 4).map(({ path }) => path)).toEqual([
        [raw, 'filter:INPUT:rule:2', 'filter:web:rule:1'],
        // An unconditional RETURN prints as the end of a chain does (get_chainname_rulenum).
        [
          raw,
          'filter:INPUT:rule:2',
          'filter:web:return:4',
          'filter:INPUT:rule:3',
          'filter:log:rule:1',
          'filter:log:return:2',
          'filter:INPUT:policy:4',
        ],
        [raw, 'filter:INPUT:rule:2', 'filter:web:rule:2', 'filter:INPUT:policy:4'],
        [raw, 'filter:INPUT:rule:2', 'filter:web:rule:3'],
      ]);
      expect(outcomes.slice(0, 4).map(({ rule, verdict, ctstate, hook }) => [hook, verdict, rule, ctstate])).toEqual([
        ['INPUT', 'ACCEPT', 'filter:web:rule:1', 'NEW'],
        ['INPUT', 'DROP', 'filter:INPUT:policy:4', 'NEW'],
        ['INPUT', 'DROP', 'filter:INPUT:policy:4', 'NEW'],
        ['INPUT', 'DROP', 'filter:web:rule:3', 'NEW'],
      ]);
      expect(outcomes.slice(4, 8).map(({ hook, verdict, rule, ctstate }) => [hook, verdict, rule, ctstate])).toEqual([
        ['OUTPUT', 'ACCEPT', 'filter:OUTPUT:policy:1', 'ESTABLISHED'],
        // The dropped SYN left no connection; its SYN/ACK cannot open one.
        ...[0, 1, 2].map(() => ['OUTPUT', 'ACCEPT', 'filter:OUTPUT:policy:1', 'INVALID']),
      ]);
      expect(outcomes[8]).toMatchObject({
        hook: 'INPUT',
        verdict: 'ACCEPT',
        rule: 'filter:INPUT:rule:1',
        ctstate: 'ESTABLISHED',
      });
      expect(outcomes.map(({ packet }) => packet)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
    });

    test('counters, totals and evaluations agree with the paths', async () => {
      const ports = [80, 81, 82, 83, 84, 80, 80];
      const { session, outcomes } = await play(WEB, capture(ports), target, tree);
      const result = session.result();
      const lines = new Map<string, number>();
      for (const line of outcomes.flatMap(({ path }) => path ?? [])) lines.set(line, (lines.get(line) ?? 0) + 1);
      for (const [table, chains] of Object.entries(result.counters[4]!)) {
        for (const [chain, counted] of Object.entries(chains)) {
          for (const [index, rule] of counted.rules.entries()) {
            const seen = ['rule', 'return', 'policy'].map((word) => lines.get(`${table}:${chain}:${word}:${index + 1}`) ?? 0);
            expect(rule.packets, `${table} ${chain} ${index + 1}`).toBe(seen.reduce((sum, number) => sum + number, 0));
            expect(rule.bytes).toBe(rule.packets * 40);
          }
          if (counted.policy !== null)
            expect(counted.packets).toBe(lines.get(`${table}:${chain}:policy:${counted.rules.length + 1}`) ?? 0);
          else expect(counted.packets).toBe(0);
        }
      }
      expect(result.packets).toBe(21);
      expect(result.bytes).toBe(21 * 40);
      expect(Object.values(result.verdicts).reduce((sum, number) => sum + number)).toBe(21);
      expect(result.hooks).toEqual({ INPUT: 14, OUTPUT: 7, FORWARD: 0 });
      expect(result.connections).toBe(3);
    });

    test('chunks of any size give the same', async () => {
      const bytes = capture([80, 81, 83]);
      const whole = (await play(WEB, bytes, target, tree)).session.result();
      for (const size of [1, 7, 64, 100]) {
        const session = await createEngine(job(WEB), { wasm: modules[target], hashKey: HASH_KEY, tree });
        session.startCapture('test.pcap');
        for (let at = 0; at < bytes.length; at += size) session.feed(bytes.subarray(at, at + size));
        session.endCapture();
        expect(session.result()).toEqual(whole);
      }
    });
  },
);

describe('captures', () => {
  const bytes = tcpTraffic({ packets: 10, flows: 2, ports: [80], length: 40, server: SERVER });

  test('a cut file gives what came before, and where it is cut', async () => {
    const session = await createEngine(job(WEB), { wasm: modules.release, hashKey: HASH_KEY });
    session.startCapture('cut.pcap');
    session.feed(bytes.subarray(0, bytes.length - 5));
    const info = session.endCapture();
    expect(info).toMatchObject({ file: 'cut.pcap', packets: 9, linktypes: [1] });
    expect(info.damage).toEqual({ offset: bytes.length - 70, reason: 'the file ends inside a record or block' });
    expect(session.result().packets).toBe(9);
  });

  test('several captures, a limit, reading given up', async () => {
    const session = await createEngine(job(WEB), { wasm: modules.release, hashKey: HASH_KEY, limit: 14 });
    session.startCapture('one.pcap');
    session.feed(bytes);
    expect(session.done()).toBe(false);
    expect(session.endCapture().packets).toBe(10);
    session.startCapture('two.pcap');
    session.feed(bytes.subarray(0, bytes.length - 5));
    expect(session.done()).toBe(true);
    const second = session.endCapture({ stopped: true });
    expect(second.packets).toBe(4);
    expect(second.damage).toBeUndefined();
    expect(session.result().captures.map(({ file }) => file)).toEqual(['one.pcap', 'two.pcap']);
  });

  test('new bytes go to where a cache line begins, whatever is held of records, the largest too', async () => {
    const large = new Uint8Array(RECORD_MAXIMUM);
    const file = writePcap(
      [large, bytes.subarray(40, 100), large, large.subarray(1), large].map((frame, index) => ({
        bytes: frame,
        wire: frame.length,
        time: BigInt(index) * 1000n,
      })),
      1,
    );
    const results = [];
    for (const size of [1 << 18, 100_001, 4099]) {
      const session = await createEngine(job(WEB), { wasm: modules.release, hashKey: HASH_KEY });
      session.startCapture('large');
      for (let at = 0; at < file.length; at += size) {
        const part = file.subarray(at, at + size);
        const buffer = session.inputBuffer();
        expect(buffer.byteOffset % 64).toBe(0);
        buffer.set(part);
        expect(session.advance(part.length)).toBe(true);
      }
      expect(session.endCapture()).toMatchObject({ packets: 5 });
      results.push(session.result());
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  test('what is no capture is damage at 0; calls out of order are errors', async () => {
    const session = await createEngine(job(WEB), { wasm: modules.release, hashKey: HASH_KEY });
    expect(() => session.advance(1)).toThrow(EngineError);
    session.startCapture('x');
    expect(session.feed(new TextEncoder().encode('this is not a capture'))).toBe(false);
    expect(session.endCapture().damage).toEqual({ offset: 0, reason: 'not a pcap or pcapng file' });
  });

  test('a hundred thousand packets in more than a mebibyte, with records', async () => {
    let seen = 0;
    const session = await createEngine(job(WEB, false), {
      wasm: modules.release,
      hashKey: HASH_KEY,
      onPacket: ({ path }) => {
        seen += path === undefined ? 1 : 0;
      },
    });
    session.startCapture('large');
    session.feed(tcpTraffic({ packets: 100_000, flows: 5000, ports: [80, 443], length: 60, server: SERVER }));
    expect(session.endCapture().packets).toBe(100_000);
    expect(seen).toBe(100_000);
    // Half of the SYNs are dropped, but the server's data opens those connections in the middle (nf_conntrack_tcp_loose).
    expect(session.result().connections).toBe(5000);
  });
});
