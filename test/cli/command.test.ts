/** The command as people run it: exit codes, what goes to which stream, signals, pipes. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import type { Change, Comparison } from '../../src/report/comparison.ts';
import type { Report } from '../../src/report/report.ts';
import { concat, pcapHeader, record } from '../capture/build.ts';
import { command, ROOT, shell } from './command.ts';

const RULES = 'pcaps/seed/server-mail-web-dns.rules.v4';
const CAPTURE = 'pcaps/seed/traffic.pcap';
const folder = mkdtempSync(join(tmpdir(), 'wasmtables-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const traffic = readFileSync(new URL(`../../${CAPTURE}`, import.meta.url));
const json = (text: string) =>
  JSON.parse(text) as { packets: number; bytes: number; captures: { packets: number }[]; notes: string[]; tables: object };
const replay = (...args: string[]) => command(['replay', '-R', RULES, ...args]);

test('a clone that is not built says what builds it', async () => {
  const bin = join(folder, 'bin');
  cpSync(`${ROOT}bin`, bin, { recursive: true });
  expect(await shell(`"${process.execPath}" "${join(bin, 'wasmtables.js')}" replay`)).toMatchObject({
    code: 4,
    stdout: '',
    stderr: expect.stringContaining('npm start'),
  });
});

test('version', async () => {
  expect(await command(['--version'])).toMatchObject({ code: 0, stdout: '0.1.0\n' });
});

test('a report on standard output, nothing on standard error', async () => {
  const { code, stdout, stderr } = await replay('-r', CAPTURE);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/Verdicts +ACCEPT 3,210/);
  expect(stdout).not.toContain('\u001b');
  expect(
    (await command(['replay', '-R', RULES, '-r', CAPTURE], { env: { FORCE_COLOR: '', NO_COLOR: '1' } })).stdout,
  ).not.toContain('\u001b');
});

test.each([
  [['frobnicate'], /unknown command/],
  [['replay'], /--rules/],
  [['replay', '-R', RULES], /--read/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--no-such'], /unknown option/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--format', 'xml'], /Allowed choices/],
  [['replay', '-R', RULES, '-r', CAPTURE, '-c', '0'], /-c wants/],
  [['replay', '-R', RULES, '-r', CAPTURE, '-c', '1e3'], /-c wants/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--hz', 'fast'], /--hz wants/],
  [['replay', '-R', RULES, '-r', CAPTURE, '-4', '-6'], /exclude/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--sysctl', 'nf_conntrack_frob=1'], /--sysctl wants/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--sysctl', 'nf_conntrack_tcp_loose'], /--sysctl wants/],
  [
    ['replay', '-R', RULES, '-r', CAPTURE, '--sysctl', 'nf_conntrack_tcp_loose=no'],
    /--sysctl nf_conntrack_tcp_loose wants a number from 0 to 1, .* got "no"/,
  ],
  [['replay', '-R', RULES, '-r', CAPTURE, '--sysctl', 'toString=1'], /--sysctl wants/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--sysctl', 'net.ipv4.conf.eth0.forwarding=1'], /--sysctl wants.*did you mean net\./],
  [['replay', '-R', RULES, '-r', CAPTURE, '--local', '10.0.0.300'], /10\.0\.0\.300/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--local', ','], /--local/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--in', 'a/b'], /--in wants/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--addr', RULES], /not JSON/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--addr', 'package.json'], /addr/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--path'], /--path goes with/],
  [['replay', '-R', RULES, '-R', RULES, '-r', CAPTURE, '--path', '--verdicts', 'x'], /--path takes one -R/],
  [['replay', '-R', RULES, '-R', RULES, '-r', '-'], /standard input/],
  [['replay', '-R', '-', '-r', '-'], /standard input/],
  [['replay', '-R', RULES, '-R', RULES, '-r', CAPTURE, '--format', 'iptables-save'], /one -R/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--verdicts', '-', '--format', 'json'], /standard output/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--dump-conntrack', '-', '--format', 'json'], /standard output/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--dump-conntrack', '-', '--verdicts', '-'], /standard output/],
  [['replay', '-R', RULES, '-R', RULES, '-r', CAPTURE, '--dump-conntrack', '-'], /takes one -R/],
  [['replay', '-R', RULES, '-R', RULES, '-r', CAPTURE, '--dump-expect', '-'], /takes one -R/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--dump-conntrack', '-', '--dump-expect', '-'], /standard output/],
  [['replay', '-R', RULES, '-r', CAPTURE, '--dump-hashlimit', ''], /--dump-hashlimit wants the name of a file/],
  [['replay', '-R', RULES, '-r', CAPTURE, ''], /--read wants the name of a file/],
  [['trace', '-R', '', '-r', CAPTURE, '--packet', '1'], /--rules wants the name of a file/],
  [['trace', '-R', RULES, '-r', CAPTURE, '--packet', '99999'], /3,212 packets/],
  [['trace', '-R', RULES, '-r', CAPTURE], /--packet/],
])('wrong usage is 2 and says why: %j', async (args, why) => {
  const { code, stdout, stderr } = await command(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(why);
  expect(stderr).not.toContain('    at ');
});

test('rules with errors: every one with its place, line and caret', async () => {
  const rules = file(
    'bad.v4',
    '*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 99999 -j ACCEPT\n-A INPUT -j NOWHERE\nCOMMIT\n',
  );
  const { code, stdout, stderr } = await command(['replay', '-R', rules, '-r', CAPTURE]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/bad\.v4:3:17: .*99999/);
  expect(stderr).toMatch(/bad\.v4:4:13: .*NOWHERE/);
  expect(stderr).toContain(`  -A INPUT -p tcp --dport 99999 -j ACCEPT\n  ${' '.repeat(16)}^`);
});

test.each([
  [['replay', '-R', RULES, '-r', CAPTURE, '--route', 'no-such-file'], /no-such-file: no such file/],
  [['replay', '-R', 'no-such-rules', '-r', CAPTURE], /no-such-rules: no such file/],
  [['replay', '-R', 'pcaps', '-r', CAPTURE], /pcaps: this is a folder/],
])('rules and hosts that cannot be opened are 4 too: %j', async (args, why) => {
  const { code, stdout, stderr } = await command(args);
  expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
  expect(stderr).toMatch(why);
});

test.each([
  [['-r', 'no-such-capture.pcap'], /no-such-capture/],
  [['-r', join(folder)], /no captures/],
  [['-r', 'pcaps/*/nothing-*.pcap'], /no such/],
  [['-r', CAPTURE, '--verdicts', '/no/such/folder/verdicts'], /no\/such/],
  [['-r', CAPTURE, '--verdicts', folder], /: this is a folder, not a file/],
  // It can be opened, not read. Beside captures that can be: unread.test.ts.
  [['-r', '/proc/self/mem', '--local', '10.0.0.2'], /mem: i\/o error/],
  [['-r', '/proc/self/mem', '--local', '10.0.0.2', '--jobs', '2'], /mem: i\/o error/],
])('what cannot be opened is 4: %j', async (args, why) => {
  const { code, stdout, stderr } = await replay(...args);
  expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
  expect(stderr).toMatch(why);
  expect(stderr.split('\n').length).toBe(2);
});

test('damaged captures are 3, and what stands before counts', async () => {
  const cut = file('cut.pcap', traffic.subarray(0, 100_000));
  for (const engine of ['wasm', 'reference']) {
    const { code, stdout } = await replay('-r', cut, '--engine', engine, '--format', 'json');
    expect(code).toBe(3);
    expect(json(stdout).captures[0]).toMatchObject({ damage: { reason: 'the file ends inside a record or block' } });
    expect(json(stdout).packets).toBeGreaterThan(800);
  }
  const text = await replay('-r', cut);
  expect(text.stdout).toMatch(/damaged at offset \d+: the file ends inside/);
  expect((await replay('-r', file('empty', ''))).code).toBe(3);
  expect((await replay('-r', file('cut.gz', gzipSync(traffic).subarray(0, 5000)))).code).toBe(3);
});

test('captures without anything to judge', async () => {
  const none = await replay('-r', file('none.pcap', pcapHeader()));
  expect(none).toMatchObject({ code: 3, stderr: 'wasmtables: nothing was judged: there are no packets\n' });
  expect(none.stdout).toMatch(/0 packets/);
  const arp = concat(Uint8Array.of(255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6), new Uint8Array(28));
  const only = await replay('-r', file('arp.pcap', concat(pcapHeader(), record(arp), record(arp))), '--format', 'json');
  expect(only.code).toBe(3);
  expect(JSON.parse(only.stdout)).toMatchObject({ packets: 2, unseen: { 'not IP': 2 }, evaluations: 0 });
});

test('verdicts that differ are 1', async () => {
  const args = (second: string) => ['replay', '-R', RULES, '-R', second, '-r', CAPTURE, '-q'];
  expect((await command(args('pcaps/seed/server-dns-web-mail.rules.v4'))).code).toBe(0);
  const open = file('open.v4', '*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n');
  const { code, stdout } = await command(args(open));
  expect(code).toBe(1);
  expect(stdout).toMatch(/1,701 packets of .* flows change their verdict/);
});

test('a comparison says which packets change, by which rules; --verdicts writes all of them', async () => {
  const open = file('closed.v4', '*filter\n:INPUT DROP [0:0]\nCOMMIT\n');
  const args = ['replay', '-R', RULES, '-R', open, '-r', CAPTURE, '--no-timing'];
  const lines = join(folder, 'changes.ndjson');
  const { code, stdout } = await command([...args, '--format', 'json', '--verdicts', lines]);
  expect(code).toBe(1);
  const { changed, changes, changesLeftOut } = JSON.parse(stdout) as Comparison;
  expect(changes.length + changesLeftOut).toBe(changed.flows);
  const all = readFileSync(lines, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Change);
  expect(all.length).toBe(changed.packets);
  expect(all[0]).toEqual(changes[0]?.first);
  expect(all[0]).toMatchObject({ outcomes: [{ verdict: 'ACCEPT' }, { verdict: 'DROP', rule: 'filter:INPUT:policy:1' }] });
  // What each rule set by itself says of the same packets.
  for (const [index, rules] of [RULES, open].entries()) {
    const alone = await command(['replay', '-R', rules, '-r', CAPTURE, '--verdicts', '-']);
    const told = new Map(
      alone.stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => [JSON.parse(line).packet, JSON.parse(line)]),
    );
    for (const change of all) expect(told.get(change.packet)).toMatchObject({ time: change.time, ...change.outcomes[index] });
  }
  const text = await command([...args, '-q']);
  expect(text.stdout).toContain('What changes (the first packet of each flow)');
  expect(text.stdout).toMatch(/ACCEPT by filter:INPUT:rule:\d -> DROP by filter:INPUT:policy:1/);
  const piped = await command([...args, '-q', '--verdicts', '-']);
  expect(piped.stdout).toBe(readFileSync(lines, 'utf8'));
  expect(piped.stderr).toBe(text.stdout);
});

test('both families as iptables-save prints them: each between its own comments, read back as both', async () => {
  const dual = ['-R', 'pcaps/web/rules.v4', '--rules6', 'pcaps/web/rules.v6', '-r', 'pcaps/web'];
  const saved = await command(['replay', ...dual, '--format', 'iptables-save']);
  expect(saved.stderr).toMatch(/^host: guessed 10\.0\.0\.2 to be .*\nhost: guessed 2001:db8:0:1::2 to be .*\n$/);
  const comments = saved.stdout.split('\n').filter((line) => line.startsWith('#'));
  expect(comments.map((line) => line.split(' ').slice(0, 4).join(' '))).toEqual([
    '# Generated by iptables-save',
    '# Completed',
    '# Generated by ip6tables-save',
    '# Completed',
  ]);
  const both = file('both.save', saved.stdout);
  const counters = async (...rules: string[]) => {
    const { stdout } = await command(['replay', ...rules, '-r', 'pcaps/web', '--format', 'json']);
    const { tables, tables6 } = JSON.parse(stdout) as Report;
    return { tables, tables6 };
  };
  expect(await counters('-R', both)).toEqual(await counters(...dual.slice(0, 4)));
  const one = await command(['replay', '-R', 'pcaps/web/rules.v4', '-r', 'pcaps/web', '--format', 'iptables-save']);
  expect(saved.stdout).toContain(one.stdout);
  expect(one.stdout).not.toContain('#');
});

test.each(['wasm', 'reference'])(
  '--dump-conntrack: the connections at the end, as conntrack prints them (%s)',
  async (engine) => {
    const path = join(folder, `table-${engine}`);
    const args = ['-r', CAPTURE, '--engine', engine, '--no-timing'];
    const filed = await replay(...args, '--dump-conntrack', path);
    expect(filed).toMatchObject({ code: 0, stderr: '', stdout: (await replay(...args)).stdout });
    const piped = await replay(...args, '--dump-conntrack', '-');
    expect(piped).toMatchObject({ code: 0, stderr: filed.stdout, stdout: readFileSync(path, 'utf8') });
    const lines = piped.stdout.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(500);
    expect(lines.filter((line) => !/^ipv4 {5}2 (tcp {6}6|udp {6}17) \d+ ([A-Z_]+ )?src=.* mark=0 use=1$/.test(line))).toEqual([]);
    // The limit ends the replay, and the table is that of its last packet.
    const first = await replay(...args, '-c', '1', '--dump-conntrack', '-');
    expect(first.stdout.trimEnd().split('\n').length).toBe(1);
  },
);

test.each(['wasm', 'reference'])(
  '--dump-expect: what helpers wait for at the end, as conntrack prints it (%s)',
  async (engine) => {
    const rules = file('helper.v4', '*raw\n-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp\nCOMMIT\n');
    const asked = ['replay', '-R', rules, '-r', 'pcaps/ftp/capture.pcap', '--engine', engine, '--local', '10.0.0.2'];
    const expected = async (count: number) => (await command([...asked, '-c', `${count}`, '--dump-expect', '-'])).stdout;
    const mask = 'mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 dport=65535';
    // The 14th packet announces the port, the 15th comes to it.
    expect(await expected(13)).toBe('');
    expect(await expected(14)).toBe(
      `300 proto=6 src=10.0.0.1 dst=10.0.0.2 sport=0 dport=40003 ${mask} master-src=10.0.0.1 master-dst=10.0.0.2 sport=54790 dport=21 class=0 helper=ftp\n`,
    );
    expect(await expected(15)).toBe('');
  },
);

test('sysctls of a device: strict reverse path filtering drops what has no way back there', async () => {
  const routes = file('routes.json', '[{ "dst": "10.0.0.0/24", "dev": "eth1" }]');
  const args = ['--local', '10.0.0.2/32@eth0.5', '--in', 'eth0.5', '--route', routes, '--format', 'json'];
  const dropped = async (...sysctls: string[]): Promise<number> => {
    const { stdout } = await replay('-r', CAPTURE, ...args, ...sysctls.flatMap((one) => ['--sysctl', one]));
    return (JSON.parse(stdout) as Report).stack['reverse path filter'] ?? 0;
  };
  const all = await dropped('net.ipv4.conf.all.rp_filter=1');
  expect(all).toBeGreaterThan(100);
  expect(await dropped()).toBe(0);
  expect(await dropped('net.ipv4.conf.eth0/5.rp_filter=1')).toBe(all);
  expect(await dropped('net.ipv4.conf.eth1.rp_filter=1')).toBe(0);
});

test('--backend says whose restore reads the rules', async () => {
  const twice = file('twice.v4', '*filter\n:a - [0:0]\n:a DROP [0:0]\n-A INPUT -j a\nCOMMIT\n');
  const hidden = file('hidden.v4', '*filter\n-A INPUT ! -s 0/0 -j DROP\nCOMMIT\n');
  const codes = async (rules: string, backend: string) => [
    (await command(['replay', '-R', rules, '-r', CAPTURE, '--backend', backend])).code,
    (await command(['trace', '-R', rules, '-r', CAPTURE, '--packet', '1', '--backend', backend])).code,
  ];
  expect(await codes(twice, 'legacy')).toEqual([2, 2]);
  expect(await codes(twice, 'nft')).toEqual([0, 0]);
  expect(await codes(hidden, 'legacy')).toEqual([0, 0]);
  expect(await codes(hidden, 'nft')).toEqual([2, 2]);
});

test('standard input: whole, packed, and rules from it', async () => {
  const whole = await replay('-r', CAPTURE, '--format', 'json', '--no-timing');
  const same = { ...json(whole.stdout), captures: undefined };
  for (const input of [traffic, gzipSync(traffic)]) {
    const piped = await command(['replay', '-R', RULES, '-r', '-', '--format', 'json', '--no-timing'], { input });
    expect(piped.code).toBe(0);
    expect({ ...json(piped.stdout), captures: undefined }).toEqual(same);
  }
  const rules = readFileSync(new URL(`../../${RULES}`, import.meta.url));
  const piped = await command(['replay', '-R', '-', '-r', CAPTURE, '--format', 'json', '--no-timing'], { input: rules });
  expect(json(piped.stdout).tables).toEqual(json(whole.stdout).tables);
});

test.each(['wasm', 'reference'])('-c stops after as many packets and is no damage (%s)', async (engine) => {
  const args = ['--engine', engine, '--format', 'json', '-c'];
  for (const count of [1, 31, 32, 33, 1000]) {
    const { code, stdout } = await replay('-r', CAPTURE, ...args, `${count}`);
    expect({ code, packets: json(stdout).packets }).toEqual({ code: 0, packets: count });
  }
  const two = await replay('-r', CAPTURE, CAPTURE, CAPTURE, ...args, '3300');
  expect(json(two.stdout).captures.map(({ packets }) => packets)).toEqual([3212, 88]);
  const piped = await command(['replay', '-R', RULES, '-r', '-', ...args, '7'], { input: gzipSync(traffic) });
  expect(piped).toMatchObject({ code: 0 });
  expect(json(piped.stdout).packets).toBe(7);
});

test('a limit ends a pipe that goes on for ever', async () => {
  const { code, stdout } = await command(['replay', '-R', RULES, '--local', '10.0.0.2', '-r', '-', '-c', '10', '-q'], {
    running: (child) => child.stdin?.write(traffic.subarray(0, 50_000)),
  });
  expect(code).toBe(0);
  expect(stdout).toMatch(/10 packets/);
});

test.each([[[]], [['--local', '10.0.0.2']]])('Ctrl-C on a silent pipe gives a partial report and 130 (%j)', async (host) => {
  const { code, stdout } = await command(['replay', '-R', RULES, ...host, '-r', '-', '--format', 'json'], {
    running: (child) => {
      child.stdin?.write(traffic.subarray(0, 50_000));
      setTimeout(() => child.kill('SIGINT'), 3000);
    },
  });
  expect(code).toBe(130);
  const { packets, notes } = json(stdout);
  expect(packets).toBeGreaterThan(100);
  expect(notes[0]).toBe(`interrupted behind packet ${packets} (standard input): what follows it was not judged`);
  expect(stdout).not.toContain('damage');
});

test('threads that share the packets say what one says', async () => {
  const args = ['-r', CAPTURE, '--local', '10.0.0.2', '--format', 'json', '--no-timing'];
  const [alone, shared] = [await replay(...args), await replay(...args, '--jobs', '3')];
  expect(shared).toEqual(alone);
});

test('threads nobody insists on are there where they gain, and say the same where they are not', async () => {
  const rules = readFileSync(new URL(`../../${RULES}`, import.meta.url), 'utf8');
  const never = Array.from({ length: 1600 }, (_, port) => `-A INPUT -p tcp -m tcp --sport ${port + 1} --dport 1 -j DROP\n`).join(
    '',
  );
  const many = file('many.v4', rules.replace(/COMMIT\s*$/, `${never}COMMIT\n`));
  const insists = { env: { WASMTABLES_THREADS: '' } };
  // 12,848 packets under 1,604 rules, and under 4.
  for (const one of [many, RULES]) {
    const captures = [CAPTURE, CAPTURE, CAPTURE, CAPTURE];
    const args = ['replay', '-R', one, '-r', ...captures, '--local', '10.0.0.2', '--format', 'json', '--no-timing'];
    const alone = await command(args);
    expect(alone).toMatchObject({ code: 0, stderr: '' });
    expect(await command([...args, '--jobs', '2'], insists)).toEqual(alone);
    expect(await command([...args, '--jobs', '2', '--dump-recent', join(folder, 'recent')], insists)).toEqual(alone);
  }
});

test.each([
  ['is asked for in another way', ['--jobs=2'], 0],
  ['is the only one', ['--jobs', '1'], 0],
  ['is one that nobody asked for, in the name of a file', ['-r', `${CAPTURE} --jobs 2`], 4],
  ['is not wanted after all', ['--jobs', '2', '--help'], 0],
  ['cannot be one of so many', ['--jobs', '65'], 2],
])("a thread that loads before the program does is in nobody's way where it %s", async (_, args, expected) => {
  const plain = ['replay', '-R', RULES, '-r', CAPTURE, '--local', '10.0.0.2', '--format', 'json', '--no-timing'];
  const { code, signal, stdout } = await command([...plain, ...args]);
  expect({ code, signal }).toEqual({ code: expected, signal: null });
  if (code === 0 && !args.includes('--help')) expect(stdout).toBe((await command(plain)).stdout);
});

test('threads that share the packets stop behind the same one', async () => {
  // As often as it takes to be in the middle of it.
  const many = Array.from({ length: 15_000 }, () => CAPTURE);
  const interrupted = (after: number) =>
    command(['replay', '-R', RULES, '--local', '10.0.0.2', '--format', 'json', '--no-timing', '--jobs', '2', '-r', ...many], {
      running: (child) => setTimeout(() => child.kill('SIGINT'), after),
    });
  const all = 15_000 * json((await replay('-r', CAPTURE, '--local', '10.0.0.2', '--format', 'json')).stdout).packets;
  let code: number | null = null;
  let stdout = '';
  // Sooner on a quiet machine, which is done in a second; a busy one has not begun by then. Whatever else it says is an answer.
  for (const after of [200, 300, 450, 700, 1000, 1500, 2000, 2600, 3300, 4200, 5500, 7500, 12_000]) {
    ({ code, stdout } = await interrupted(after));
    if (code === null || (code === 130 && stdout === '')) continue;
    if (code !== 130 || (json(stdout).packets > 0 && json(stdout).packets < all)) break;
  }
  expect(code).toBe(130);
  const count = `${json(stdout).packets}`;
  const counted = await replay('--local', '10.0.0.2', '--format', 'json', '--no-timing', '-c', count, '-r', ...many);
  const said = (text: string) => ({ ...JSON.parse(text), captures: undefined, notes: undefined });
  expect(said(stdout)).toEqual(said(counted.stdout));
  expect(json(stdout).notes[0]).toMatch(
    /^interrupted behind packet [\d,]+ \(packet [\d,]+ of .*\): what follows it, and [\d,]+ more captures of 15,000, was not judged$/,
  );
});

test.each([
  [['-r', CAPTURE, '--verdicts', '-'], /--verdicts tells packets in their order/],
  [['-r', CAPTURE, '--log', '-'], /--log tells packets in their order/],
  [['-r', CAPTURE, '--sysctl', 'nf_conntrack_max=9'], /nf_conntrack_max counts all connections/],
])('more than two threads are refused with %j, which two can do', async (args, why) => {
  expect(await replay(...args, '--jobs', '3')).toMatchObject({ code: 2, stderr: expect.stringMatching(why) });
  expect(await replay(...args, '--jobs', '3')).toMatchObject({ stderr: expect.stringMatching(/two threads do it \(--jobs 2\)/) });
  // Times and rates of the report on stderr differ.
  const [one, two] = [await replay(...args, '--no-timing'), await replay(...args, '--no-timing', '--jobs', '2')];
  expect(two).toEqual(one);
  expect(two.code).toBe(0);
});

test.each([
  [['-r', '-'], /read once/],
  [['-r', CAPTURE, '--engine', 'reference'], /one thread/],
  [['-r', CAPTURE, '-R', RULES], /compared packet by packet/],
  [['-r', CAPTURE, '--write', join(folder, 'jobs.pcap')], /--write is of frames/],
  [['-r', CAPTURE, '--engine', 'reference', '--verdicts', '-'], /one thread/],
])('--jobs is refused with %j', async (args, why) => {
  for (const jobs of ['2', '3'])
    expect(await replay(...args, '--jobs', jobs)).toMatchObject({ code: 2, stderr: expect.stringMatching(why) });
});

test('a process whose rules are refused ends, whatever thread has begun', async () => {
  expect(await command(['replay', '-R', 'no-such-rules', '-r', CAPTURE, '--jobs', '2'])).toMatchObject({ code: 4 });
});

test('what is read is not overwritten', async () => {
  const rules = file('kept.v4', readFileSync(new URL(`../../${RULES}`, import.meta.url)));
  const capture = file('kept.pcap', traffic);
  for (const [option, path] of [
    ['--verdicts', capture],
    ['--dump-conntrack', rules],
    ['--verdicts', join(folder, '.', 'kept.v4')],
  ] as const) {
    const { code, stderr } = await command(['replay', '-R', rules, '-r', capture, option, path]);
    expect(code).toBe(2);
    expect(stderr).toContain('would overwrite');
  }
  expect(readFileSync(capture).equals(traffic)).toBe(true);
  const twice = join(folder, 'twice');
  const both = await command(['replay', '-R', rules, '-r', capture, '--verdicts', twice, '--dump-conntrack', twice]);
  expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('both want to write') });
});

test('one Ctrl-C ends the wait for the writer of a named pipe', async () => {
  const pipe = join(folder, 'nobody-writes');
  execFileSync('mkfifo', [pipe]);
  const { code, stdout } = await command(['replay', '-R', RULES, '--local', '10.0.0.2', '-r', pipe, '--format', 'json'], {
    running: (child) => setTimeout(() => child.kill('SIGINT'), 1500),
  });
  expect(code).toBe(130);
  expect(json(stdout).packets).toBe(0);
});

test('Ctrl-C in the middle of a feed that does not end', async () => {
  const records = traffic.subarray(24);
  const { code, stdout } = await command(['replay', '-R', RULES, '--local', '10.0.0.2', '-r', '-', '--format', 'json'], {
    running: (child) => {
      child.stdin?.write(traffic.subarray(0, 24));
      const more = (): void => {
        if (child.exitCode === null) child.stdin?.write(records, () => setTimeout(more, 5));
      };
      more();
      setTimeout(() => child.kill('SIGINT'), 1500);
    },
  });
  expect(code).toBe(130);
  expect(json(stdout).packets).toBeGreaterThan(1000);
});

test('a reader that goes away ends the command as SIGPIPE would, without a word', async () => {
  const report = `wasmtables replay -R ${RULES} -r ${CAPTURE} -v | head -1; echo "\${PIPESTATUS[0]}"`;
  const text = await shell(report);
  expect(text.stderr).toBe('');
  expect(text.stdout).toMatch(/^pcaps.*\n(0|141)\n$/);
  const many = `${CAPTURE} `.repeat(20);
  const lines = await shell(`wasmtables replay -R ${RULES} -r ${many} --verdicts - -q | head -1; echo "\${PIPESTATUS[0]}"`);
  expect(lines.stdout).toMatch(/^\{"packet":1,.*\n141\n$/);
  expect(lines.stderr).toBe('');
  const packets = await shell(`wasmtables replay -R ${RULES} -r ${many} -w - | head -c 24 | wc -c; echo "\${PIPESTATUS[0]}"`);
  expect(packets).toMatchObject({ stdout: '24\n141\n', stderr: '' });
  // A reader of something else: what goes to standard output is read.
  const beside = await shell(`wasmtables replay -R ${RULES} -r ${many} -q --verdicts >(head -1 > /dev/null)`);
  expect(beside).toMatchObject({ code: 141, stdout: expect.stringMatching(/^Verdicts/m), stderr: '' });
});

test('--verdicts: lines to a file or to standard output, the report then beside it', async () => {
  const path = join(folder, 'verdicts.ndjson');
  const first = await replay('-r', CAPTURE, '--verdicts', path, '--path');
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(first.stdout).toMatch(/Verdicts/);
  const second = await replay('-r', CAPTURE, '--verdicts', '-', '--path');
  expect(second.stdout).toBe(readFileSync(path, 'utf8'));
  expect(second.stderr).toMatch(/Verdicts/);
  const lines = second.stdout.trimEnd().split('\n');
  expect(lines.length).toBe(3212);
  expect(lines.map((line) => (JSON.parse(line) as { packet: number }).packet)).toEqual(lines.map((_, index) => index + 1));
});
