/** Two rule sets whose verdicts are the same, but not what becomes of the packets. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Comparison } from '../../src/report/comparison.ts';
import { command, ROOT } from './command.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-compare-'));
afterAll(() => rmSync(folder, { recursive: true }));

const CAPTURE = join(ROOT, 'test/replay/nat-host/in.pcap');
const RULES = join(ROOT, 'test/replay/nat-host/rules.v4');
const HOST = ['--local', '192.168.7.1/24@lan0,203.0.113.1/24@wan0'];

/** The rules with something else in them, beside the rules. */
function changed(from: string, to: string): Promise<{ code: number | null; stdout: string }> {
  const text = readFileSync(RULES, 'utf8');
  expect(text).toContain(from);
  const other = join(folder, 'other.v4');
  writeFileSync(other, text.replace(from, to));
  return command(['replay', '-R', RULES, '-R', other, '-r', CAPTURE, ...HOST, '--format', 'json', '--no-timing']);
}

test('another destination', async () => {
  const { code, stdout } = await changed('192.168.7.10:80', '192.168.7.11:80');
  const { changed: verdicts, elsewhere } = JSON.parse(stdout) as Comparison;
  // In the capture the first server answers: its packets, and the client's behind the first, belong to no connection now. By their addresses they are two flows.
  expect(code).toBe(1);
  expect(verdicts.flows).toBe(2);
  // The server's data is taken for the middle of a connection from the LAN, and leaves from another port.
  expect(elsewhere).toMatchObject({ flows: 2, changesLeftOut: 0 });
  const [{ first } = { first: undefined }] = elsewhere!.changes;
  expect(first).toMatchObject({ source: '203.0.113.10', destination: '203.0.113.1', destinationPort: 8080 });
  expect(first!.outcomes.map(({ hook, verdict }) => `${hook} ${verdict}`)).toEqual(['FORWARD ACCEPT', 'FORWARD ACCEPT']);
  expect(first!.outcomes.map(({ ends }) => ends!.split(' > ')[1])).toEqual(['192.168.7.10:80', '192.168.7.11:80']);
});

test('another source: the same verdicts, and the report says what differs', async () => {
  const { code, stdout } = await changed('-o wan0 -j MASQUERADE', '-o wan0 -p udp -j SNAT --to-source 203.0.113.77');
  const { elsewhere } = JSON.parse(stdout) as Comparison;
  expect(code).toBe(1);
  expect(elsewhere!.changes[0]!.first.outcomes[1]!.ends).toMatch(/^203\.0\.113\.77:\d+ > 203\.0\.113\.10:53$/);
  const text = await command(['replay', '-R', RULES, '-R', join(folder, 'other.v4'), '-r', CAPTURE, ...HOST, '-q']);
  expect(text.stdout).toMatch(/What goes elsewhere with the same verdict/);
  expect(text.stdout).toMatch(/FORWARD as 203\.0\.113\.1:\d+ > 203\.0\.113\.10:53 -> FORWARD as 203\.0\.113\.77:/);
  expect(text.stdout).toMatch(/\d+ packets? of \d+ flows? with the same verdict go(es)? elsewhere\./);
});

test('what is the same is not elsewhere', async () => {
  const { code, stdout } = await changed('--ctstate RELATED,ESTABLISHED', '--ctstate ESTABLISHED');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).not.toHaveProperty('elsewhere');
});
