/** What objects of nfacct count, held against the tool's list. */
import { expect, test } from 'vitest';
import type { Kernel } from '../../src/model/profile.ts';
import { describeKernel, describeVirtual } from './machine.ts';
import { ping, udp } from './packets.ts';
import { differencesOf, judgeVirtual, type VirtualCase } from './virtual-differential.ts';

const NOW = 1_700_000_000_003_000_000n;

const CASE: VirtualCase = {
  name: 'objects that rules share',
  rules: [
    '*mangle',
    '-A PREROUTING -m nfacct --nfacct-name all',
    '-A PREROUTING -p udp -m nfacct --nfacct-name udp -m udp --dport 53',
    '-A PREROUTING -m udp -p udp --dport 53 -m nfacct --nfacct-name dns -j ACCEPT',
    '-A FORWARD -m nfacct --nfacct-name all',
    'COMMIT',
    '*filter',
    '-A FORWARD -p icmp -m nfacct --nfacct-name abcdefghijklmnopqrstuvwxyz01234 -j DROP',
    '-A INPUT -m nfacct --nfacct-name none',
    'COMMIT\n',
  ].join('\n'),
  packets: [1, 2, 3, 4, 5].flatMap((host, i) => [
    { time: NOW + BigInt(i) * 5_000_000n, bytes: udp(`10.0.0.${host} 1`, `192.0.2.1 ${host % 2 === 0 ? 53 : 80}`) },
    { time: NOW + BigInt(i) * 5_000_000n + 1_000_000n, bytes: ping(`10.0.0.${host}`, '192.0.2.1', 64) },
  ]),
  nfacct: ['all', 'udp', 'dns', 'none', 'abcdefghijklmnopqrstuvwxyz01234'],
};

async function judged(kernel: Kernel, all: readonly VirtualCase[]): Promise<void> {
  const outcomes = await judgeVirtual(kernel, all);
  expect(differencesOf(outcomes)).toEqual([]);
  for (const { outcome } of outcomes) expect(outcome.afterwards[0]).toContain('{ pkts = 00000000000000000020,');
}

describeKernel('objects of nfacct', () => {
  for (const backend of ['legacy', 'nft'] as const)
    test(backend, { timeout: 60_000 }, () => judged('6.18', [{ ...CASE, backend }]));
});

for (const kernel of ['6.1', '6.12'] as const) {
  describeVirtual(kernel, 'objects of nfacct', () => {
    test('count the same', { timeout: 60_000 }, () => judged(kernel, [CASE]));
  });
}
