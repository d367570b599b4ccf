/** `trace`: the seed scenario and the scans, assumed rules, packets that never reach netfilter, JSON; and its outcome is that of a replay. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { command } from './command.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-trace-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SEED = ['-R', 'pcaps/seed/server-mail-web-dns.rules.v4', '-r', 'pcaps/seed/traffic.pcap'];
const SCAN = ['-R', 'pcaps/scan/rules.v4', '--rules6', 'pcaps/scan/rules.v6', '-r', 'pcaps/scan/capture.pcap.gz'];

test('the way of a question to the name server, by hand', async () => {
  const { code, stdout, stderr } = await command(['trace', ...SEED, '--packet', '3']);
  expect(code).toBe(0);
  expect(stderr).toMatch(/^host: guessed 10\.0\.0\.2/);
  // Why a rule missed is said in the reference's words; the rest is a page by hand.
  expect(
    stdout.replaceAll(/^( {12}no): .+$/gm, '$1'),
  ).toBe(`packet 3  2026-11-22T17:55:38.239549000Z  10.0.0.1 > 10.0.0.2, udp 20000 > 53, 73 bytes
arrives at eth0
PREROUTING  (in eth0, ttl 64)
  conntrack: NEW, udp 10.0.0.1 > 10.0.0.2 20000 > 53, original direction
routing: for this host
INPUT  (in eth0, ttl 64)
  filter:INPUT
       1  -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
            no
       2  -p tcp -m tcp --dport 25 -m conntrack --ctstate NEW -m comment --comment "mail" -j ACCEPT
            no
       3  -p tcp -m tcp --dport 80 -m conntrack --ctstate NEW -m comment --comment "web" -j ACCEPT
            no
       4  -p udp -m udp --dport 53 -m conntrack --ctstate NEW -m comment --comment "dns" -j ACCEPT
            match: ACCEPT
  the connection is confirmed
verdict ACCEPT by filter:INPUT:rule:4 in INPUT, state NEW
`);
  expect(stdout.match(/no: -p: protocol is udp/g)?.length).toBe(2);
});

test('a packet that never reaches netfilter says why', async () => {
  const { code, stdout } = await command(['trace', ...SEED, '--packet', '1']);
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: 'packet 1  2026-11-22T17:55:38.239531000Z  a frame without a readable IP packet\nnever reached netfilter: not IP\n',
  });
});

test('a fragment waits, and another completes it', async () => {
  const ping = ['-R', 'pcaps/ping/rules.v4', '-r', 'pcaps/ping/capture.pcap', '--in', 'eth0', '--local', '10.0.0.1'];
  const lines = async (packet: number) => (await command(['trace', ...ping, '--packet', `${packet}`])).stdout.split('\n');
  const [head, ...rest] = await lines(30);
  expect(head).toMatch(/^packet 30 .* bytes$/);
  expect(rest).toEqual([
    'arrives at eth0',
    '  defragmentation: waits; packet 32 completes it (packets 30, 31, 32)',
    'no verdict: fragment kept for reassembly',
    '',
  ]);
  // 3,000 bytes of data behind the headers of ICMP and IPv4.
  const whole = await lines(32);
  expect(whole[0]).toMatch(/ 3028 bytes$/);
  expect(whole[2]).toBe('  defragmentation: complete, put together from packets 30, 31, 32');
});

test('the outcome is that of a replay, for every tenth packet of the scans', async () => {
  const lines = (await command(['replay', ...SCAN, '--verdicts', '-', '--path'])).stdout.trimEnd().split('\n');
  for (let packet = 5; packet <= lines.length; packet += Math.ceil(lines.length / 10)) {
    const { code, stdout, stderr } = await command(['trace', ...SCAN, '--format', 'json', '--packet', `${packet}`]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const document = JSON.parse(stdout) as { schema: string; outcome: object };
    expect(document.schema).toBe('wasmtables/trace/1');
    expect(document.outcome).toEqual(JSON.parse(lines[packet - 1]!));
  }
});

test('assumed rules are called so', async () => {
  const rules = join(folder, 'assumed.v4');
  writeFileSync(
    rules,
    '*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -m geoip --src-cc DE -j REJECT\nCOMMIT\n',
  );
  const args = ['trace', '-R', rules, '-r', 'pcaps/seed/traffic.pcap', '--packet', '3'];
  expect(await command(args)).toMatchObject({ code: 2, stdout: '' });
  const hit = await command([...args, '--unsupported', 'assume-hit']);
  expect(hit.stdout).toMatch(/geoip .*\n +assumed: REJECT/);
  expect(hit.stdout).toMatch(/verdict REJECT by filter:INPUT:rule:1/);
  const miss = await command([...args, '--unsupported', 'assume-miss']);
  expect(miss.stdout).toMatch(/verdict DROP by filter:INPUT:policy:2/);
});

test('the heading is the packet as it came, whatever the rules made of it', async () => {
  const rules = join(folder, 'nat.v4');
  writeFileSync(
    rules,
    '*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -m udp --dport 53 -j REDIRECT --to-ports 5353\nCOMMIT\n',
  );
  const { stdout } = await command([
    'trace',
    '-R',
    rules,
    '-r',
    'pcaps/seed/traffic.pcap',
    '--local',
    '10.0.0.2',
    '--packet',
    '3',
  ]);
  expect(stdout.split('\n')[0]).toMatch(/10\.0\.0\.1 > 10\.0\.0\.2, udp 20000 > 53, 73 bytes$/);
});
