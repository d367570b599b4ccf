/** The first packets of a capture, for which trees of many rules are cut: where they are looked at, how they are read, and that no answer depends on it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { filterSet, iptablesRules } from '../../bench/classbench.ts';
import { random, udpTraffic } from '../../bench/traffic.ts';
import * as abi from '../../src/abi/fields.ts';
import { encodeHost } from '../../src/compile/host.ts';
import { buildInterfaces } from '../../src/compile/interfaces.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { prepare, replayOne } from '../../src/replay/replay.ts';
import { PacketSample, sampleFor } from '../../src/replay/sample.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { command } from '../cli/command.ts';
import { compile, Front } from '../engine/front/engine.ts';
import { frame, ip4, ip6, tcp } from '../engine/front/packets.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-sample-'));
afterAll(() => rmSync(folder, { recursive: true }));
const inFolder = (name: string, bytes: Uint8Array | string): string => {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
};

const ROUTER = { forward: true, in: 'eth0', out: 'eth1' } as const;
const text = iptablesRules(filterSet('fw', 1200));
const RULES = inFolder('rules.v4', text);
const dual = (lines: string) => ({ 4: parseSave(lines, { file: 'rules', family: 4 }) });
const many = dual(text);
const tracked = dual(text.replace('-A FORWARD', '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A FORWARD'));

/** 5,000 datagrams of 400 connections, to ports of few. */
const next = random(7);
const ends = Array.from({ length: 400 }, (_, index) => ({
  source: next(),
  destination: next(),
  sport: 1024 + index,
  dport: next() % 3 === 0 ? next() & 0xffff : 53,
}));
const traffic = udpTraffic(5000, ends);
const packed = inFolder('packed.pcap.gz', gzipSync(traffic));

test('looked at are captures of millions of packets, for a thousand rules', async () => {
  const [small, large] = [inFolder('small.pcap', ''), inFolder('large.pcap', '')];
  truncateSync(small, 100 << 20);
  truncateSync(large, 200 << 20);
  const few = dual(iptablesRules(filterSet('fw', 900)));
  expect(await sampleFor([large], [many])).toBeDefined();
  expect(await sampleFor([small, small], [few, many])).toBeDefined();
  expect(await sampleFor([packed], [many])).toBeUndefined();
  expect(
    await sampleFor(
      Array.from({ length: 500 }, () => packed),
      [many],
    ),
  ).toBeDefined();
  expect(await sampleFor(['-'], [many])).toBeDefined();
  expect(await sampleFor([small], [many])).toBeUndefined();
  expect(await sampleFor([large], [few])).toBeUndefined();
  expect(await sampleFor([large], [many], 1000)).toBeUndefined();
});

describe('words of a packet', () => {
  const fragment = [17, 0, 0, 9, 0, 0, 0, 5];
  const options = [60, 0, 1, 4, 0, 0, 0, 0];
  test.each([
    ['a SYN', ip4()],
    ['options, TOS, TTL', ip4({ options: [1, 1, 1, 0], tos: 0x28, ttl: 3, payload: tcp(0x18) })],
    ['a later fragment', ip4({ fragment: 0x20b9, payload: tcp(0x3f) })],
    ['a datagram of three bytes', ip4({ protocol: 17, payload: [1, 2, 3] })],
    ['one byte', ip4({ protocol: 1, payload: [8] })],
    ['ICMP, padded', [...ip4({ protocol: 1, payload: [3, 4, 0, 0, 0, 0, 5, 220] }), 9, 9, 9, 9]],
    ['IPv6', ip6({ trafficClass: 0xb8, hops: 7 })],
    [
      'IPv6, a first fragment behind options',
      ip6({ next: 0, payload: [...options.with(0, 44), 6, 0, 0, 1, 0, 0, 0, 5, ...tcp(0x12)] }),
    ],
    ['IPv6, a later fragment', ip6({ next: 44, payload: [...fragment, 1, 2, 3, 4, 5, 6, 7, 8] })],
  ])('%s: as the engine reads them', (_, packet) => {
    const front = new Front(compile('release'));
    front.host(
      encodeHost(buildHost(ROUTER), DEFAULT_PROFILE, buildInterfaces([], ['lo', 'eth0', 'eth1']), { addressTypes: false }),
    );
    const bytes = Uint8Array.from(frame(packet[0]! >> 4 === 4 ? 0x0800 : 0x86dd, packet));
    front.frame(bytes, 1);
    expect(front.decode().unseen).toBe(0);
    const sample = new PacketSample();
    sample.see({ time: 0n, linktype: 1, bytes, wire: bytes.length });
    const { words, known } = sample.trafficFor(many)!;
    for (let field = 0; field < abi.FIELD_COUNT; field++) {
      if (((known >>> field) & 1) === 1) expect(words[field], `field ${field}`).toBe(front.field(field));
    }
  });

  test('what cannot be read is left out, and where there are connections later packets of one', () => {
    const sample = new PacketSample(4);
    const see = (bytes: readonly number[]): void =>
      sample.see({ time: 0n, linktype: 101, bytes: Uint8Array.from(bytes), wire: bytes.length });
    see([0x45, 0]);
    see(ip4());
    see(ip4({ tos: 8 }));
    see(ip4({ source: 5 }));
    see(ip4({ source: 6 }));
    const packets = (rules: typeof many): number => sample.trafficFor(rules)!.words.length / abi.FIELD_COUNT;
    expect(packets(many)).toBe(3);
    expect(packets(tracked)).toBe(2);
  });
});

test('counters, verdicts and paths are those of a tree that was cut for nobody', async () => {
  const capture = inFolder('plain.pcap', traffic);
  for (const rules of [many, tracked]) {
    const judged = async (sample: PacketSample | undefined) => {
      const fates: unknown[] = [];
      const prepared = await prepare([capture], [rules], ROUTER, undefined, sample);
      const job = { rules, host: prepared.host, profile: DEFAULT_PROFILE, packets: { path: true } };
      const onPacket = (fate: unknown) => void fates.push(structuredClone(fate));
      const { result, sampled } = await replayOne(prepared, job, { engine: 'wasm', tree: true, onPacket });
      return { result, sampled, fates };
    };
    const [plain, weighted] = [await judged(undefined), await judged(new PacketSample())];
    expect(plain.sampled).toBeUndefined();
    expect(weighted.sampled).toBe(rules === many ? 2000 : 400);
    expect(weighted.fates.length).toBe(5000);
    expect(weighted.fates).toEqual(plain.fates);
    expect(weighted.result).toEqual(plain.result);
  }
});

describe('the command', () => {
  const words = ['replay', '-R', RULES, '--format', 'json', '-r'];
  // Two millions of packets, by what the largest of the packed files says of the others, in which there are few: the command need not judge as many.
  const some = traffic.subarray(0, 24 + 400 * 76);
  const speaker = Buffer.concat([some, ...Array.from({ length: 99 }, () => some.subarray(24))]);
  const dense = inFolder('dense.pcap.gz', gzipSync(speaker, { level: 9 }));
  const loose = inFolder('loose.pcap.gz', gzipSync(some, { level: 0 }));
  const manyPacked = [dense, ...Array.from({ length: 80 }, () => loose)];
  // More than is read ahead of a pipe.
  const piped = Buffer.concat([traffic, ...Array.from({ length: 19 }, () => traffic.subarray(24))]);
  const report = async (args: readonly string[], input?: Uint8Array) => {
    const { stdout, stderr, code } = await command([...words, ...args], input === undefined ? {} : { input });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const { speed, captures, ...rest } = JSON.parse(stdout);
    return { sampled: speed.sampled, packets: captures[0].packets, rest };
  };

  test.each([
    ['packed captures', [...manyPacked, '--forward'], 2000],
    ['packed captures, the host guessed', manyPacked, 2000],
    ['packed captures, two threads', [...manyPacked, '--forward', '--jobs', '2'], 2000],
    ['standard input, the host guessed', ['-'], 2000],
    // As many as come in half a second.
    ['standard input', ['-', '--forward'], undefined],
  ] as [string, string[], number | undefined][])(
    '%s: every packet is judged, and the report tells for how many the tree was cut',
    async (_, args, packets) => {
      const input = args[0] === '-' ? piped : undefined;
      const weighted = await report(args, input);
      const plain = await report([...args, '--no-sample'], input);
      expect(weighted).toEqual({ ...plain, sampled: packets ?? weighted.sampled });
      expect(plain.sampled).toBeUndefined();
      expect(plain.packets).toBe(input === undefined ? 40_000 : 100_000);
    },
  );
});

test('a pipe that falls silent is not waited for, and nothing of it is lost', async () => {
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const pipe = await open(path, 'r+');
  await pipe.write(traffic.subarray(0, 30_000));
  const sample = new PacketSample();
  const prepared = await prepare([path], [many], ROUTER, undefined, sample);
  const seen = sample.trafficFor(many)!.words.length / abi.FIELD_COUNT;
  expect(seen).toBeGreaterThan(300);
  expect(seen).toBeLessThan(1000);
  const job = { rules: many, host: prepared.host, profile: DEFAULT_PROFILE };
  const replayed = replayOne(prepared, job, { engine: 'wasm', tree: true });
  await pipe.write(traffic.subarray(30_000));
  await pipe.close();
  const { result, sampled } = await replayed;
  expect(result.packets).toBe(5000);
  expect(sampled).toBe(seen);
});
