/** When a tree is grown: not for few rules and few packets, which are judged before it would stand. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isTreeWorthwhile } from '../../src/replay/replay.ts';
import { parseSave } from '../../src/syntax/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-tree-'));
const [small, large] = [join(folder, 'small.pcap'), join(folder, 'large.pcap')];

beforeAll(() => {
  for (const path of [small, large]) writeFileSync(path, '');
  // Nothing but a size: no byte of it is on the disk.
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
  [[small], 40, true],
  [[large], 20, true],
  [[small, large], 20, true],
  [['-'], 20, true],
])('%j with %d rules: %s', (captures, rules, worthwhile) => {
  expect(isTreeWorthwhile(captures, rulesOf(rules))).toBe(worthwhile);
});
