/** When a tree is grown: not where all packets are through the rules before it would stand. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tcpTraffic } from '../../bench/traffic.ts';
import { isTreeWorthwhile } from '../../src/replay/worthwhile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { command, ROOT } from '../cli/command.ts';

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
  // Nobody knows how much is in it.
  [[small, packed], 20, true],
  [[join(folder, 'not there')], 20, false],
])('%j with %d rules: %s', (captures, rules, worthwhile) => {
  expect(isTreeWorthwhile(captures, rulesOf(rules))).toBe(worthwhile);
});

test('large packets are fewer, and no more are asked about than are judged', () => {
  const path = join(folder, 'full.pcap');
  writeFileSync(path, tcpTraffic(50_000, 100, 1460));
  // 37 MB: half a million small packets, or 50,000.
  expect(isTreeWorthwhile([path], rulesOf(200))).toBe(false);
  expect(isTreeWorthwhile([small, path], rulesOf(200))).toBe(false);
  expect(isTreeWorthwhile([path], rulesOf(2_000))).toBe(true);
  expect(isTreeWorthwhile([path], rulesOf(2_000), 1000)).toBe(false);
  expect(isTreeWorthwhile([medium], rulesOf(200))).toBe(true);
});

// The story's connection goes on from file to file: only packets of one that was there before their batch take a way that is kept (assembly/classify/known.ts).
test('packed captures are judged by a tree, as the kernel judges them', async () => {
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
  const words = ['replay', '-R', `${story}rules.v4`, '-r', ...captures, '--local', '10.9.0.1', '--format', 'iptables-save'];
  const { stdout } = await command(words);
  expect(stdout).toContain('[2:121] -A INPUT -p tcp');
  expect(stdout).toContain(':INPUT ACCEPT [12:1680]');
});
