/** `replay --log`: the lines of LOG rules in a file or on standard output, as many as the rule counted. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { command } from './command.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-log-'));
afterAll(() => rmSync(folder, { recursive: true }));

const rules = join(folder, 'rules.v4');
writeFileSync(
  rules,
  '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A INPUT -p tcp --syn -j LOG --log-prefix "syn "\n-A OUTPUT -j ACCEPT\nCOMMIT\n',
);
const REPLAY = ['replay', '-R', rules, '-r', 'pcaps/seed/traffic.pcap', '--no-timing'];
const LINE =
  /^\w{3} [ \d]\d \d\d:\d\d:\d\d wasmtables kernel: syn IN=\S+ OUT= MAC=\S* SRC=\S+ DST=\S+ .*PROTO=TCP .* SYN URGP=0 $/;

test.each(['wasm', 'reference'])('a line each time the rule counts, in a file or on standard output (%s)', async (engine) => {
  const path = join(folder, engine);
  const args = [...REPLAY, '--engine', engine];
  const filed = await command([...args, '--log', path]);
  expect(filed).toMatchObject({ code: 0, stderr: '', stdout: (await command(args)).stdout });
  const piped = await command([...args, '--log', '-']);
  expect(piped).toMatchObject({ code: 0, stderr: filed.stdout, stdout: readFileSync(path, 'utf8') });
  const counted = /\[(\d+):\d+\] -A INPUT/.exec((await command([...args, '--format', 'iptables-save'])).stdout);
  const lines = piped.stdout.split('\n').slice(0, -1);
  expect(lines.length).toBe(Number(counted?.[1]));
  expect(lines.length).toBeGreaterThan(50);
  expect(lines.filter((line) => !LINE.test(line))).toEqual([]);
});

test.each([
  [['--log', '-', '--verdicts', '-'], /standard output/],
  [['--log', '-', '--format', 'json'], /standard output/],
  [['--log', join(folder, 'x'), '-R', rules], /--log takes one -R/],
  [['--log', join(folder, 'x'), '--jobs', '3'], /--jobs: --log/],
  [['--log', rules], /would overwrite/],
])('refused: %s', async (more, message) => {
  expect(await command([...REPLAY, ...more])).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
});
