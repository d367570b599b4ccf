/** What newcomers stumbled on: each is answered in one line that says what was wrong, or works. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { command } from './command.ts';

const RULES = 'pcaps/seed/server-mail-web-dns.rules.v4';
const CAPTURE = 'pcaps/seed/traffic.pcap';
const folder = mkdtempSync(join(tmpdir(), 'wasmtables-newcomers-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const replay = (...args: string[]) => command(['replay', '-R', RULES, '-r', CAPTURE, '-q', '--no-timing', ...args]);

test('a file that is no capture: one line, no report', async () => {
  for (const more of [[], ['-R', RULES], ['--format', 'json']]) {
    const { code, stdout, stderr } = await command(['replay', '-R', RULES, '-r', RULES, ...more]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toBe(`wasmtables: ${RULES}: not a pcap or pcapng file; captures go with -r, rules with -R\n`);
  }
  // Beside a capture it is damage like any other.
  const { code, stdout } = await command(['replay', '-R', RULES, '-r', RULES, CAPTURE, '-q']);
  expect(code).toBe(3);
  expect(stdout).toMatch(/damaged at offset 0: not a pcap/);
  expect(stdout).toMatch(/ACCEPT 3,210/);
});

test('a text without rules: its first line, and what may help', async () => {
  const garbage = file('garbage.txt', '\n# nothing\nhello world\nfoo bar\n');
  const { code, stderr } = await command(['replay', '-R', garbage, '-r', CAPTURE]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/garbage\.txt:3: no rules in it: "hello world" is none, .*--repair\n$/);
  const repaired = await command(['replay', '-R', garbage, '--repair', '-r', CAPTURE]);
  expect(repaired.stderr).toMatch(/garbage\.txt:3: no rules in it: "hello world" is none, and nothing behind it\n$/);
});

test('sysctls as in /proc/sys, and slips', async () => {
  for (const name of [
    'net/netfilter/nf_conntrack_acct',
    '/proc/sys/net/netfilter/nf_conntrack_acct',
    'net.netfilter.nf_conntrack_acct',
  ])
    expect(JSON.parse((await replay('--sysctl', `${name}=1`, '--format', 'json')).stdout)).toMatchObject({
      profile: { sysctls: { nf_conntrack_acct: 1 } },
    });
  const { code, stderr } = await replay('--sysctl', 'net/netfilter/nf_conntrack_tcp_lose=0');
  expect(code).toBe(2);
  expect(stderr).toMatch(/^wasmtables: --sysctl wants NAME=NUMBER, got ".*_lose=0"; did you mean nf_conntrack_tcp_loose\?\n$/);
});

test('a device with a dot in its name', async () => {
  const { stdout } = await replay('--sysctl', 'net/ipv4/conf/eth0.7/rp_filter=1', '--format', 'json');
  expect(JSON.parse(stdout)).toMatchObject({ profile: { sysctls: { 'net.ipv4.conf.eth0.7.rp_filter': 1 } } });
});

test('--local wants whole addresses', async () => {
  const { code, stderr } = await replay('--local', '1.2.3');
  expect(code).toBe(2);
  expect(stderr).toMatch(/--local wants ADDRESS.*"1\.2\.3"/);
});

test('several devices and no routes: the report says where the rest goes', async () => {
  const { stdout } = await replay('--local', '10.0.0.2/24@lan0,192.0.2.1/24@wan0');
  expect(stdout).toMatch(/host: --route was not given: what is for no network of wan0 leaves by lan0; --out or --route/);
  expect((await replay('--local', '10.0.0.2/24@lan0,192.0.2.1/24@wan0', '--out', 'wan0')).stdout).not.toMatch(/host:/);
  expect((await replay('--local', '10.0.0.2/24')).stdout).not.toMatch(/host:/);
});

test('annotations of packets that are not there', async () => {
  const notes = file('notes.ndjson', '{"packet": 3212, "uid": 0}\n{"packet": 4000, "uid": 0}\n{"packet": 3213, "uid": 0}\n');
  expect((await replay('--annotate', notes)).stdout).toMatch(
    /note: --annotate tells of 2 packets \(the first: 3213\), but the captures end with packet 3212\n/,
  );
  expect((await replay('--annotate', notes, '-c', '5')).stdout).not.toMatch(/--annotate/);
});
