/** When a tree is grown: not where all packets are through the rules before it would stand. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tcpTraffic } from '../../bench/traffic.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { ChunkSource, run } from '../../src/replay/run.ts';
import { isTreeWorthwhile } from '../../src/replay/worthwhile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { ROOT } from '../cli/command.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-tree-'));
const [small, medium, large, packed] = ['small.pcap', 'medium.pcap', 'large.pcap', 'packed'].map((name) =>
  join(folder, name),
) as [string, string, string, string];

beforeAll(() => {
  for (const path of [small, medium, large]) writeFileSync(path, '');
  writeFileSync(packed, gzipSync(''));
  // Nothing but sizes: no byte of it is on the disk. Packets, of 76 bytes each: half a million, 2.7 millions.
  truncateSync(medium, 40 << 20);
  truncateSync(large, 200 << 20);
});

afterAll(() => rmSync(folder, { recursive: true }));

const rulesOf = (count: number) => {
  const lines = Array.from({ length: count }, (_, index) => `-A INPUT -p tcp -m tcp --dport ${index + 1} -j DROP`);
  return { 4: parseSave(['*filter', ':INPUT ACCEPT [0:0]', ...lines, 'COMMIT', ''].join('\n'), { file: 'rules', family: 4 }) };
};

test.each([
  [[small], 20, false],
  [[small, small], 0, false],
  [[small], 40, false],
  [[small], 2_000, false],
  [[medium], 20, false],
  [[medium], 80, false],
  [[medium], 100, true],
  [[medium, medium], 50, true],
  [[small, large], 2_000, true],
  [[large], 20, true],
  [[small, large], 20, true],
  [['-'], 20, true],
  [[small, packed], 20, false],
  [[join(folder, 'not there')], 20, false],
])('%j with %d rules: %s', async (captures, rules, worthwhile) => {
  expect(await isTreeWorthwhile({ captures }, rulesOf(rules))).toBe(worthwhile);
});

test('large packets are fewer, and no more are asked about than are judged', async () => {
  const path = join(folder, 'full.pcap');
  writeFileSync(path, tcpTraffic(50_000, 100, 1460));
  // 37 MB: half a million small packets, or 50,000.
  expect(await isTreeWorthwhile({ captures: [path] }, rulesOf(200))).toBe(false);
  expect(await isTreeWorthwhile({ captures: [small, path] }, rulesOf(200))).toBe(false);
  expect(await isTreeWorthwhile({ captures: [path] }, rulesOf(2_000))).toBe(true);
  expect(await isTreeWorthwhile({ captures: [path] }, rulesOf(2_000), 1000)).toBe(false);
  expect(await isTreeWorthwhile({ captures: [medium] }, rulesOf(200))).toBe(true);
});

test.each([
  ['.gz', gzipSync],
  ['.zst', (bytes: Uint8Array) => execFileSync('zstd', ['-c'], { input: bytes, maxBuffer: 1 << 28 })],
] as const)('packed captures are judged by what they hold (%s)', async (name, pack) => {
  const capture = tcpTraffic(600_000, 5000);
  const [much, little] = [`much.pcap${name}`, `little.pcap${name}`].map((one) => join(folder, one)) as [string, string];
  writeFileSync(much, pack(capture));
  writeFileSync(little, pack(capture.subarray(0, 900_000)));
  expect(await isTreeWorthwhile({ captures: [much] }, rulesOf(100))).toBe(true);
  expect(await isTreeWorthwhile({ captures: [much] }, rulesOf(50))).toBe(false);
  expect(await isTreeWorthwhile({ captures: [much, much] }, rulesOf(60))).toBe(true);
  expect(await isTreeWorthwhile({ captures: [much] }, rulesOf(100), 1000)).toBe(false);
  // 900,000 bytes: a tree of whatever rules takes longer.
  expect(await isTreeWorthwhile({ captures: [little] }, rulesOf(5000))).toBe(false);
  expect(await isTreeWorthwhile({ captures: [little, small, large] }, rulesOf(20))).toBe(true);
  const full = join(folder, `full.pcap${name}`);
  writeFileSync(full, pack(tcpTraffic(50_000, 100, 1460)));
  expect(await isTreeWorthwhile({ captures: [full] }, rulesOf(200))).toBe(false);
});

test('of a pipe that was read ahead to its end it is known, too', async () => {
  const capture = tcpTraffic(30_000, 500);
  const path = join(folder, 'piped.pcap');
  writeFileSync(path, capture);
  const ahead = { path: '-', chunks: [capture], rest: new ChunkSource(path) };
  expect(await isTreeWorthwhile({ captures: ['-'], ahead }, rulesOf(500))).toBe(true);
  while ((await ahead.rest.next()) !== 'aborted' && !ahead.rest.ended);
  expect(await isTreeWorthwhile({ captures: ['-'], ahead }, rulesOf(500))).toBe(false);
  expect(await isTreeWorthwhile({ captures: ['-'], ahead }, rulesOf(2000))).toBe(true);
});

// The story's connection goes on from file to file: only packets of one that was there before their batch take a way that is kept (assembly/classify/known.ts).
test('packed captures, one for each packet, are judged by a tree, as the kernel judges them', async () => {
  const story = `${ROOT}test/regressions/a-push-is-judged-by-its-own-length/`;
  const capture = readFileSync(`${story}capture.pcap`);
  const captures: string[] = [];
  for (let at = 24; at < capture.length; ) {
    const record = capture.subarray(at, at + 16 + capture.readUInt32LE(at + 8));
    const path = join(folder, `${captures.length}.pcap.gz`);
    writeFileSync(path, gzipSync(Buffer.concat([capture.subarray(0, 24), record])));
    captures.push(path);
    at += record.length;
  }
  expect(captures.length).toBeGreaterThan(20);
  const rules = { 4: parseSave(readFileSync(`${story}rules.v4`, 'utf8'), { file: 'rules', family: 4 }) };
  const job = { rules, host: buildHost({ local: ['10.9.0.1'], in: 'eth0' }), profile: DEFAULT_PROFILE };
  const { result } = await run(captures, await engineSession(job, { tree: true }));
  const { INPUT } = result.counters[4]!.filter!;
  expect(INPUT!.rules.map(({ packets, bytes }) => [packets, bytes])).toContainEqual([2, 121]);
  expect([INPUT!.packets, INPUT!.bytes]).toEqual([12, 1680]);
});
