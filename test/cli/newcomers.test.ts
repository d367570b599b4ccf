/** What newcomers stumbled on: each is answered in one line that says what was wrong, or works. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, test } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { rejection } from '../../src/fuzz/rejection.ts';
import { describeKernel } from '../kernel/machine.ts';
import { ACK, RST, SYN, tcp } from '../kernel/packets.ts';
import { command, shell } from './command.ts';

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

const DUMP = '*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n';

describeKernel('a byte order mark', () => {
  it.each(['legacy', 'nft'])('stops iptables-%s-restore at the first line', (backend) => {
    const restore = (input: string) =>
      spawnSync('unshare', ['-n', `iptables-${backend}-restore`, '--test'], { input, encoding: 'utf8' });
    expect(restore(DUMP)).toMatchObject({ status: 0 });
    expect(restore(`\ufeff${DUMP}`)).toMatchObject({ status: 1, stderr: expect.stringContaining('line 1 failed') });
  });
});

test('a byte order mark: refused, as by both iptables-restore and the shell; --repair leaves it out, and says so once', async () => {
  for (const [name, text] of Object.entries({ dump: DUMP, script: 'iptables -A INPUT -j DROP\n', bare: '-A INPUT -j DROP\n' })) {
    const marked = file(name, `\ufeff${text}`);
    const refused = await command(['replay', '-R', marked, '-r', CAPTURE]);
    const [line] = text.split('\n');
    expect(refused).toMatchObject({
      code: 2,
      stderr: `${marked}:1:1: a byte order mark\n  \ufeff${line}\n  ^\n  hint: save the file without it (--repair does it)\n`,
    });
    const repaired = await command(['replay', '-R', marked, '--repair', '-r', CAPTURE, '-q', '--no-timing']);
    const bare = await command(['replay', '-R', file(name, text), '-r', CAPTURE, '-q', '--no-timing']);
    const [note, ...others] = repaired.stdout.split('\n').filter((one) => one.includes(': repaired: '));
    expect(note).toMatch(/:1:1: repaired: a byte order mark/);
    expect(others).toEqual([]);
    expect(repaired.stdout.split('\n').filter((one) => one !== note)).toEqual(bare.stdout.split('\n'));
  }
});

test.each([
  ['-w /dev/full', '--write: /dev/full'],
  ['--verdicts /dev/full', '--verdicts: /dev/full'],
  ['--dump-conntrack /dev/full', '--dump-conntrack: /dev/full'],
  ['--dump-conntrack - > /dev/full', '--dump-conntrack: standard output'],
  ['> /dev/full', 'standard output'],
  ['-w - > /dev/full', '--write: standard output'],
  ['--format json > /dev/full', 'standard output'],
])('an output that is full is named: %s', async (output, name) => {
  const { code, stderr } = await shell(`wasmtables replay -R ${RULES} -r ${CAPTURE} ${output}`);
  expect({ code, stderr }).toEqual({ code: 4, stderr: `wasmtables: ${name}: no room left on the device\n` });
});

test('what a report says beside its figures is on standard error where rules are printed: tools read them on', async () => {
  const args = ['replay', '-R', RULES, '-r', CAPTURE, '--forward', '--no-timing'];
  const text = (await command(args)).stdout.split('\n').filter((line) => /^(host|note): /.test(line));
  const saved = await command([...args, '--format', 'iptables-save']);
  expect(text.length).toBeGreaterThan(0);
  expect(
    saved.stderr
      .split('\n')
      .filter((line) => line !== '')
      .sort(),
  ).toEqual(text.sort());
  expect(saved.stdout).not.toMatch(/note: |host: /);
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
    /note: --annotate tells of 2 packets \(the first: 3,213\), but the captures end with packet 3,212\n/,
  );
  expect((await replay('--annotate', notes, '-c', '5')).stdout).not.toMatch(/--annotate/);
});

test('an option with one value is given once; those that collect may come again', async () => {
  const twice = await replay('--backend', 'nft', '--backend', 'legacy');
  expect(twice).toMatchObject({ code: 2, stdout: '' });
  expect(twice.stderr).toMatch(/^wasmtables: --backend is given twice, with "nft" and "legacy": give it once\n$/);
  expect((await replay('--ipset', 'a', '--ipset', 'b')).stderr).toMatch(/--ipset is given twice/);
  expect((await replay('-c', '5', '--count', '6')).stderr).toMatch(/--count is given twice/);
  expect((await command(['trace', '-R', RULES, '-r', CAPTURE, '--packet', '1', '--packet', '2'])).stderr).toMatch(
    /--packet is given twice/,
  );
  expect((await command(['fuzz', '--seed', '1', '--seed', '2'])).stderr).toMatch(/--seed is given twice/);
  const apart = await replay('--local', '10.0.0.2/24@lan0', '--local', '192.0.2.1/24@wan0', '--format', 'json', '-q', '-q');
  const together = await replay('--local', '10.0.0.2/24@lan0,192.0.2.1/24@wan0', '--format', 'json');
  expect(apart).toEqual(together);
  expect(apart.code).toBe(0);
});

/** A capture of frames of one link type. */
function captureOf(name: string, linktype: number, frames: readonly Uint8Array[]): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    writePcap(
      frames.map((bytes) => ({ time: 1_700_000_000_000_000_000n, bytes })),
      linktype,
    ),
  );
  return path;
}

test('nothing that could be judged: exit 3, and why', async () => {
  const arp = new Uint8Array(60);
  arp.set([8, 6], 12);
  for (const [capture, why] of [
    [
      captureOf('wifi.pcap', 127, [new Uint8Array(40)]),
      '1 packet could not be judged: nobody here reads link type 127 (LINKTYPE_ numbers of tcpdump.org)',
    ],
    [captureOf('arp.pcap', 1, [arp, arp]), 'nothing was judged: of 2 packets none reached netfilter (2 not IP)'],
    [captureOf('empty.pcap', 1, []), 'nothing was judged: there are no packets'],
  ] as const)
    for (const more of [[], ['-R', RULES]]) {
      const { code, stdout, stderr } = await command(['replay', '-R', RULES, '-r', capture, '--no-timing', ...more]);
      expect({ code, stderr }).toEqual({ code: 3, stderr: `wasmtables: ${why}\n` });
      expect(stdout).toMatch(/Verdicts/);
    }
});

test('a folder that is not there is named', async () => {
  const { code, stderr } = await replay('--verdicts', '/nope/x');
  expect({ code, stderr }).toEqual({ code: 4, stderr: 'wasmtables: --verdicts: /nope/x: there is no folder /nope\n' });
  expect((await replay('--addr', join(folder, 'none.json'))).stderr).toMatch(/none\.json: no such file\n$/);
});

test('nobody reads standard output: as SIGPIPE has it, and without a word', async () => {
  const line = `wasmtables replay -R ${RULES} -r ${CAPTURE} --verdicts - --path -q 2>/dev/null | head -1 >/dev/null; echo \${PIPESTATUS[0]}`;
  expect((await shell(line)).stdout).toBe('141\n');
  const report = `{ sleep 0.2; wasmtables replay -R ${RULES} -r ${CAPTURE} -v; echo $? >&2; } | true`;
  expect((await shell(report)).stderr).toBe('141\n');
});

test('sysctls take what the kernel takes', async () => {
  for (const given of [
    'nf_conntrack_tcp_loose=1',
    'nf_conntrack_tcp_max_retrans=255',
    'nf_conntrack_udp_timeout=8589934',
    'net.ipv4.ip_forward=2',
  ])
    expect((await replay('--sysctl', given)).code).toBe(0);
  for (const [given, most] of [
    ['nf_conntrack_tcp_loose=2', 1],
    ['nf_conntrack_acct=7', 1],
    ['nf_conntrack_tcp_max_retrans=256', 255],
    ['nf_conntrack_udp_timeout=8589935', 8589934],
    ['net.ipv4.ipfrag_time=8589935', 8589934],
    ['net.ipv4.ip_forward=2147483648', 2147483647],
    ['nf_conntrack_tcp_loose=-1', 1],
    ['nf_conntrack_tcp_loose=', 1],
  ] as const) {
    const { code, stderr } = await replay('--sysctl', given);
    const [name, value] = given.split('=');
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `wasmtables: --sysctl ${name} wants a number from 0 to ${most}, as the kernel does; got "${value}"\n`,
    });
  }
  const near = await replay('--sysctl', 'net.netfilter.nf_conntrack_timeout_established=5');
  expect(near.stderr).toMatch(/did you mean nf_conntrack_tcp_timeout_established or nf_conntrack_sctp_timeout_established\?\n$/);
  expect((await replay('--sysctl', 'vm.swappiness=5')).stderr).toMatch(
    /got "vm\.swappiness=5"; nothing here depends on that name\n$/,
  );
  expect((await replay('--sysctl', 'nf_conntrack_acct')).stderr).toMatch(
    /--sysctl wants NAME=NUMBER, got "nf_conntrack_acct"\n$/,
  );
});

const table = (lines: string): string => `*filter\n:INPUT ACCEPT\nCOMMIT\n*nat\n:POSTROUTING ACCEPT\n${lines}COMMIT\n`;

test('rule sets that are not about the same packets', async () => {
  const four = file('four.v4', table('-A POSTROUTING -s 10.0.0.0/8 -j ACCEPT\n'));
  const six = file('six.v6', table('-A POSTROUTING -s 2001:db8::/32 -j ACCEPT\n'));
  const refused = await command(['replay', '-R', four, '-R', six, '-r', CAPTURE]);
  expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: 2, stdout: '' });
  expect(refused.stderr).toMatch(
    /four\.v4 has IPv4 rules only and .*six\.v6 IPv6 rules only: no packet is judged by both; --rules6/,
  );
  const both = file('both.sh', 'iptables -A INPUT -s 10.0.0.0/8 -j DROP\nip6tables -A INPUT -s 2001:db8::/32 -j DROP\n');
  const noted = await command(['replay', '-R', four, '-R', both, '-r', CAPTURE, '-q', '--no-timing']);
  expect(noted.stdout).toMatch(/note: IPv6 packets are not compared: .*four\.v4 has no rules for them\n/);
});

test('rule sets that translate sources to different addresses', async () => {
  const snat = (name: string, address: string): string =>
    file(name, table(`-A POSTROUTING -o wan0 -j SNAT --to-source ${address}\n`));
  const [one, same, other] = [snat('one.v4', '203.0.113.1'), snat('same.v4', '203.0.113.1'), snat('other.v4', '203.0.113.9')];
  const compared = (...rules: string[]) =>
    command(['replay', ...rules.flatMap((path) => ['-R', path]), '-r', CAPTURE, '-q', '--no-timing', '--local', '10.0.0.2']);
  const note =
    /note: the rule sets translate sources to different addresses \(SNAT --to-source 203\.0\.113\.1 and SNAT --to-source 203\.0\.113\.9\), and the answers/;
  expect((await compared(one, other)).stdout).toMatch(note);
  expect((await compared(one, same)).stdout).not.toMatch(/different addresses/);
  expect(
    JSON.parse((await command(['replay', '-R', one, '-R', other, '-r', CAPTURE, '--format', 'json'])).stdout).reports[1].notes,
  ).toContainEqual(expect.stringMatching(/different addresses/));
});

test('answers of the host itself, which the kernel has RELATED: a note where there may be some', async () => {
  const rules = file(
    'refuses.v4',
    '*filter\n:INPUT DROP [0:0]\n:OUTPUT DROP [0:0]\n-A INPUT -p tcp -j REJECT --reject-with tcp-reset\n-A OUTPUT -m conntrack --ctstate RELATED -j ACCEPT\nCOMMIT\n',
  );
  const capture = join(folder, 'refused.pcap');
  const frames = [tcp('192.0.2.1 1000', '192.0.2.2 99', SYN), tcp('192.0.2.2 99', '192.0.2.1 1000', RST | ACK)];
  const write = (packets: readonly Uint8Array[]) =>
    writeFileSync(
      capture,
      writePcap(
        packets.map((bytes, i) => ({ time: 1_700_000_000_000_000_000n + BigInt(i), bytes })),
        101,
      ),
    );
  write(frames);
  const told = async (...files: string[]) =>
    (await command(['replay', '-R', rules, '-r', ...files, '--local', '192.0.2.2', '-q'])).stdout;
  expect(await told(capture)).toMatch(
    /note: no answer .* behind 1 of 1 packet that met REJECT: .* 1 packet of no known connection/,
  );
  write([frames[0]!]);
  expect(await told(capture)).not.toMatch(/met REJECT/);
  // The answer as the kernel makes it.
  write([frames[0]!, rejection(frames[0]!, 4, 'tcp-reset', '192.0.2.2')!]);
  const said = await told(capture);
  expect(said).not.toMatch(/met REJECT/);
  expect(JSON.parse(await told(capture, '--format', 'json')).tables.filter.OUTPUT.rules[0].packets).toBe(1);
});

test('an option that nobody knows is told before one that is missing', async () => {
  for (const args of [
    ['replay', '--foo'],
    ['trace', '--foo', '-R', RULES],
    ['replay', '--rule', RULES, '-r', CAPTURE],
  ]) {
    const { code, stderr } = await command(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(new RegExp(`^error: unknown option '${args.find((word) => /^--/.test(word))}'`));
  }
  expect((await command(['replay', '-r', CAPTURE])).stderr).toMatch(/^error: required option '-R, --rules <file>' not specified/);
});

test('that MASQUERADE makes packets come from ::1 is said of IPv6', async () => {
  const rules = file('masquerade.v4', '*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n');
  const { stdout } = await command(['replay', '-R', rules, '-r', CAPTURE, '--forward', '--no-timing']);
  expect(stdout).toMatch(/^note: MASQUERADE dropped packets \(of IPv6, or made them come from ::1\), as the kernel does/m);
});

test('--help says how many threads may be the most, which a refusal says', async () => {
  const { stdout } = await command(['replay', '--help']);
  expect(stdout.replace(/\s+/g, ' ')).toContain('two at most (3 and more are refused) where rules');
  const refused = await replay('--jobs', '3', '--verdicts', join(folder, 'verdicts'));
  expect({ code: refused.code, stderr: refused.stderr }).toEqual({
    code: 2,
    stderr: 'wasmtables: --jobs: --verdicts tells packets in their order; two threads do it (--jobs 2)\n',
  });
});
