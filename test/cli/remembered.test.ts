/** `--dump-recent`, `--dump-hashlimit`, `--dump-nfacct` and `--osf`: what rules remember at the end, and what they are told of systems. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { ethernetFrame } from '../../src/fuzz/build-packet.ts';
import type { Report } from '../../src/report/report.ts';
import { SYN, tcp, udp } from '../kernel/packets.ts';
import { command } from './command.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-remembered-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const SECOND = 1_000_000_000n;
const packets = [
  udp('10.0.0.1 1', '10.0.0.2 53'),
  udp('10.0.0.1 1', '10.0.0.2 53'),
  udp('10.0.0.3 1', '10.0.0.2 53'),
  tcp('10.0.0.3 1', '10.0.0.2 80', SYN),
];
const [MAC, OTHER] = ['02:00:00:00:00:01', '02:00:00:00:00:99'];
const capture = file(
  'capture.pcap',
  writePcap(
    packets.map((bytes, i) => ({
      time: (1_700_000_000n + BigInt(i)) * SECOND,
      bytes: ethernetFrame(MAC, OTHER, 4, bytes, false),
    })),
    1,
  ),
);
const rules = file(
  'rules.v4',
  [
    '*filter',
    '-A INPUT -p udp -m recent --set',
    '-A INPUT -p udp -m recent --name b --rcheck',
    '-A INPUT -p udp -m hashlimit --hashlimit-upto 1/min --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name h',
    '-A INPUT -p udp -m nfacct --nfacct-name dns',
    '-A INPUT -m nfacct --nfacct-name all -j ACCEPT',
    '-A INPUT -m nfacct --nfacct-name none',
    '-A INPUT -p tcp -m osf --genre Linux --ttl 1',
    'COMMIT\n',
  ].join('\n'),
);
const replay = (...more: string[]) =>
  command(['replay', '-R', rules, '-r', capture, '--local', '10.0.0.2', '--no-timing', ...more]);

/** At HZ 250; of 1/min in 2^39 credits a jiffy. */
const RECENT = `==> /proc/net/xt_recent/DEFAULT <==
src=10.0.0.1 ttl: 64 last_seen: 425000000250 oldest_pkt: 2 425000000000, 425000000250
src=10.0.0.3 ttl: 64 last_seen: 425000000500 oldest_pkt: 1 425000000500

==> /proc/net/xt_recent/b <==
`;
const HASHLIMIT = `==> /proc/net/ipt_hashlimit/h <==
59 10.0.0.1:0->0.0.0.0:0 274877906944000 16492674360000000 8246337180000000
60 10.0.0.3:0->0.0.0.0:0 8246337180000000 16492674360000000 8246337180000000
`;
/** Of IP packets: three of 32 bytes, one of 40. */
const NFACCT = `{ pkts = 00000000000000000004, bytes = 00000000000000000136 } = all;
{ pkts = 00000000000000000003, bytes = 00000000000000000096 } = dns;
{ pkts = 00000000000000000000, bytes = 00000000000000000000 } = none;
`;

test.each(['wasm', 'reference'])('what is remembered at the end (%s)', async (engine) => {
  const paths = ['recent', 'hashlimit', 'nfacct'].map((what) => [`--dump-${what}`, join(folder, `${what}-${engine}`)]);
  const { code } = await replay('--engine', engine, '-c', '3', ...paths.slice(0, 2).flat());
  expect(code).toBe(0);
  expect(await replay('--engine', engine, ...paths[2]!)).toMatchObject({ code: 0, stderr: '' });
  const written = paths.map(([, path]) => readFileSync(path!, 'utf8'));
  expect(written).toEqual([RECENT, HASHLIMIT, NFACCT]);
});

test('objects of nfacct are in the report, and threads add theirs up', async () => {
  const nfacct = [
    { name: 'all', packets: 4, bytes: 136 },
    { name: 'dns', packets: 3, bytes: 96 },
    { name: 'none', packets: 0, bytes: 0 },
  ];
  const alone = file('alone.v4', readFileSync(rules, 'utf8').replace(/.*(recent|hashlimit).*\n/g, ''));
  for (const jobs of ['1', '2', '3']) {
    const args = ['replay', '-R', alone, '-r', capture, '--local', '10.0.0.2', '--format', 'json', '--jobs', jobs];
    expect((JSON.parse((await command(args)).stdout) as Report).nfacct).toEqual(nfacct);
  }
});

test('what all packets did together is not shared', async () => {
  expect(await replay('--jobs', '3', '--dump-recent', '-')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/--dump-recent tells what all/),
  });
});

test.each([
  ['a window of 4 bytes less', '0:64:0:44:M*:Linux:::\n', 0],
  ['any window, a smaller TTL than it began with', '*:128:0:40:.:	Linux:::\n', 1],
  ['another system', '*:128:0:40:.:Windows:::\n', 0],
])('--osf: %s', async (_, fingerprints, count) => {
  const all = file('all.v4', readFileSync(rules, 'utf8').replace(' -j ACCEPT', ''));
  const args = [
    '-R',
    all,
    '-r',
    capture,
    '--local',
    '10.0.0.2',
    '--format',
    'iptables-save',
    '--osf',
    file('pf.os', fingerprints),
  ];
  for (const engine of ['wasm', 'reference'])
    expect((await command(['replay', ...args, '--engine', engine])).stdout).toContain(
      `[${count}:${count * 40}] -A INPUT -p tcp -m osf`,
    );
});

test.each([
  ['16384:64:0:44:M*:AIX\n', /pf\.os:1:1: osf: a fingerprint has 9 fields, this line 6\n/],
  ['# one\n\n%0:64:0:44:M*:AIX:::\n', /pf\.os:3:1: osf: a window is no multiple of 0\n/],
  ['1:64:0:44:T,T,T,T,T:AIX:::\n', /pf\.os:1:11: osf: options take at most 40 bytes\n/],
])('--osf refused: %j', async (text, message) => {
  expect(await replay('--osf', file('pf.os', text))).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
});
