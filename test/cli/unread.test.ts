/** What is told of captures and rules that hold nothing, or are packed as nobody here reads them, and of what the guess of the host has seen. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { interruptedNote } from '../../src/cli/unread.ts';
import { command, shell } from './command.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-unread-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

const WEB = readFileSync(new URL('../../pcaps/web/capture.pcap', import.meta.url));
const web = file('web.pcap', WEB);
const empty = file('empty.pcap', WEB.subarray(0, 24));
const rules = file('rules.v4', '*filter\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n');

interface Told {
  notes: string[];
  host: { notes: string[] };
}

/** The report of a replay. */
async function told(...args: string[]): Promise<Told> {
  const { stdout } = await command(['replay', '--format', 'json', ...args]);
  return JSON.parse(stdout) as Told;
}

test('captures without packets', async () => {
  expect((await told('-R', rules, '-r', web, empty)).notes).toEqual([`${empty} has no packets`]);
  expect((await told('-R', rules, '-r', web)).notes).toEqual([]);
  // What was not read may have some.
  expect((await told('-R', rules, '-c', '5', '-r', web, empty)).notes).toEqual([]);
  const { code, stderr } = await command(['replay', '-R', rules, '-r', empty]);
  expect([code, stderr]).toEqual([3, 'wasmtables: nothing was judged: there are no packets\n']);
});

test.each([
  ['', 'every packet is accepted'],
  ['*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n', 'every packet is accepted'],
  ['*filter\n:INPUT DROP [0:0]\nCOMMIT\n', 'policies decide'],
])('rule files without rules: %j', async (text, rest) => {
  const path = file('none.v4', text);
  expect((await told('-R', path, '-r', web)).notes).toEqual([`${path}:1:1: there are no rules in it: ${rest}`]);
});

test('what is packed otherwise is told with what unpacks it', async () => {
  const packed = file('web.pcap.xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 4]));
  expect(await command(['replay', '-R', rules, '-r', packed])).toMatchObject({
    code: 3,
    stdout: '',
    stderr: `wasmtables: ${packed}: packed with xz, which is not read here\n  hint: xz -dc ${packed} | wasmtables ... with - in the place of ${packed}\n`,
  });
  const piped = await shell(`wasmtables replay -R ${rules} -r - < ${packed}`);
  expect(piped).toMatchObject({
    code: 3,
    stderr: expect.stringMatching(/standard input: packed with xz.*\n {2}hint: \.\.\. \| xz -dc \| /),
  });
  const script = file('rules.v4.gz', gzipSync('*filter\nCOMMIT\n'));
  expect(await command(['replay', '-R', script, '-r', web])).toMatchObject({
    code: 2,
    stderr: `wasmtables: ${script}: packed with gzip; rules are read unpacked\n  hint: gzip -dc ${script} | wasmtables ... with - in the place of ${script}\n`,
  });
  // The hint is one that works.
  const unpacked = await shell(`gzip -dc ${script} | wasmtables replay -R - -r ${web} -q`);
  expect([unpacked.code, unpacked.stderr]).toEqual([0, '']);
});

test('a cut .gz names the place in the file, and in what is packed', async () => {
  const packed = gzipSync(WEB);
  const cut = file('cut.pcap.gz', packed.subarray(0, packed.length - 100));
  const { code, stdout } = await command(['replay', '-R', rules, '-r', cut, '-q']);
  expect(code).toBe(3);
  const [, at, unpacked] = /damaged at offset (\d+) \((\d+) when unpacked\): gzip stream is cut/.exec(stdout)!;
  expect(Number(at)).toBe(packed.length - 100);
  expect(Number(unpacked)).toBeGreaterThan(WEB.length / 2);
});

test('the guess counts the packets of all captures, or says that it has seen the first', async () => {
  const guessed = async (...captures: string[]): Promise<string> =>
    (await told('-R', rules, '-4', '-r', ...captures)).host.notes[0]!;
  expect(await guessed(web)).toMatch(/in 146 of 146 IPv4 packets/);
  expect(await guessed(web, empty, web, web)).toMatch(/in 438 of 438 IPv4 packets/);
  // 20,000 frames are looked at; half of them are of IPv4.
  expect(await guessed(...Array.from({ length: 80 }, () => web))).toMatch(/in ([\d,]+) of the first \1 IPv4 packets/);
});

test('how far an interrupted report got', () => {
  const capture = (name: string, packets: number) => ({ file: name, packets, bytes: 0, linktypes: [] });
  const two = [capture('a.pcap', 1200), capture('b.pcap', 34)];
  expect(interruptedNote({ packets: 1234, captures: two }, 4)).toBe(
    'interrupted behind packet 1,234 (packet 34 of b.pcap): what follows it, and 2 more captures of 4, was not judged',
  );
  expect(interruptedNote({ packets: 7, captures: [capture('a.pcap', 7)] }, 1)).toBe(
    'interrupted behind packet 7 (a.pcap): what follows it was not judged',
  );
  expect(interruptedNote({ packets: 0, captures: [] }, 2)).toBe('interrupted before the first packet was judged');
});

/** It can be opened, and nothing can be read from its beginning. */
const BROKEN = '/proc/self/mem';

test.each([
  ['one thread', []],
  ['two that share', ['--jobs', '2']],
  ['one that reads and one that judges', ['--jobs', '2', '--dump-ipset', join(folder, 'sets'), '--ipset', '/dev/null']],
  ['the reference', ['--engine', 'reference']],
])('a capture that cannot be read costs its own packets, and 4 (%s)', async (_, args) => {
  const all = ['replay', '-R', rules, '--local', '10.0.0.2', '--no-timing', ...args];
  const whole = await command([...all, '--format', 'json', '-r', web, web]);
  expect(whole.code).toBe(0);
  const part = await command([...all, '--format', 'json', '-r', web, BROKEN, web]);
  expect(part).toMatchObject({ code: 4, stderr: expect.stringMatching(/^wasmtables: \/proc\/self\/mem: .*error\n$/) });
  const said = (text: string) => ({ ...JSON.parse(text), captures: undefined });
  expect(said(part.stdout)).toEqual(said(whole.stdout));
  const text = await command([...all, '-q', '-r', BROKEN, web]);
  expect(text).toMatchObject({
    code: 4,
    stdout: expect.stringMatching(/^\/proc\/self\/mem: .*error; nothing of it was judged$/m),
  });
  const saved = await command([...all, '--format', 'iptables-save', '-r', web, BROKEN]);
  expect(saved).toMatchObject({ code: 4, stdout: expect.stringMatching(/^# Generated|^\*filter/) });
  expect(saved.stderr).toMatch(/^\/proc\/self\/mem: .*error; nothing of it was judged$/m);
  expect(await command([...all, '-r', BROKEN])).toMatchObject({ code: 4, stdout: '' });
});

test('lines, packets and comparisons, beside a capture that cannot be read', async () => {
  const all = ['replay', '-R', rules, '--local', '10.0.0.2', '-q', '-r', web, BROKEN, web];
  const lines = await command([...all, '--verdicts', '-']);
  expect([lines.code, lines.stdout.trimEnd().split('\n').length]).toEqual([4, 2 * 295]);
  const written = join(folder, 'left.pcap');
  expect(await command([...all, '-w', written])).toMatchObject({ code: 4 });
  const other = file('other.v4', '*filter\n:INPUT DROP [0:0]\nCOMMIT\n');
  const compared = await command([...all, '-R', other, '--format', 'json']);
  expect(compared).toMatchObject({ code: 4, stderr: expect.stringMatching(/^wasmtables: \/proc\/self\/mem: .*error\n$/) });
  const { changed, reports } = JSON.parse(compared.stdout) as { changed: { packets: number }; reports: { packets: number }[] };
  expect(reports.map(({ packets }) => packets)).toEqual([590, 590]);
  expect(changed.packets).toBeGreaterThan(0);
  const piped = await shell(`wasmtables replay -R ${rules} -q -r - ${BROKEN} ${web} < ${web}`);
  expect(piped).toMatchObject({ code: 4, stdout: expect.stringMatching(/^590 packets/m) });
});
