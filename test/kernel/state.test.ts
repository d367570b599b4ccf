/** Matches that keep state, judged by kernels: what a list of recent forgets, what a counter counts, when a quota ends. */
import { expect, test } from 'vitest';
import type { Kernel } from '../../src/model/profile.ts';
import { describeKernel, describeVirtual } from './machine.ts';
import { ping, udp } from './packets.ts';
import { differencesOf, judgeVirtual, type SentPacket, type VirtualCase } from './virtual-differential.ts';

const MILLISECOND = 1_000_000n;
const NOW = 1_700_000_000_003_000_000n;

/** Packets of the hosts 10.0.0.N, so many milliseconds apart. */
const from = (hosts: readonly number[], gap: number, start = NOW): SentPacket[] =>
  hosts.map((host, i) => ({ time: start + BigInt(i * gap) * MILLISECOND, bytes: udp(`10.0.0.${host} 1`, '192.0.2.1 2') }));

const count = (length: number, first = 1): number[] => Array.from({ length }, (_, i) => first + i);
const times = (length: number, host: number): number[] => new Array<number>(length).fill(host);

const filter = (...rules: string[]): string =>
  [
    '*filter',
    ':INPUT ACCEPT',
    ':FORWARD ACCEPT',
    ':OUTPUT ACCEPT',
    ...rules.map((rule) => `-A FORWARD ${rule}`),
    'COMMIT\n',
  ].join('\n');

/** How many packets each rule counts, where all witnesses and the kernel agree. */
interface Case extends VirtualCase {
  counts: readonly number[];
}

const ANY_CLOCK: readonly Case[] = [
  {
    name: 'a list keeps a hundred addresses, and forgets the one that was seen longest ago',
    rules: filter('-m recent --rcheck', '-m recent --set'),
    // 1 is refreshed before 101 comes, so 2 is forgotten; then 2 comes for the place of 3.
    packets: from([...count(100), 1, 101, 1, 2, 4], 1),
    counts: [3, 105],
  },
  {
    name: 'an address keeps as many stamps as the greediest rule asks for, rounded up to a power of two',
    rules: filter(
      '-m recent --name a --rcheck --hitcount 5',
      '-m recent --name a --rcheck --hitcount 8',
      '-m recent --name a --set',
    ),
    packets: from(times(12, 1), 1),
    counts: [7, 4, 12],
  },
  {
    name: 'the mask of the rule that is loaded first is that of the list',
    rules: filter(
      '-m recent --name m --rcheck --mask 255.255.255.252',
      '-m recent --name m --set',
      '-m recent --name m --rcheck',
    ),
    packets: from([4, 5, 7, 8, 9, 12], 1),
    counts: [3, 6, 6],
  },
  {
    name: 'update refreshes only what it matches, by its inverted answer; remove finds nothing of others',
    rules: filter(
      '-m recent ! --update --hitcount 3',
      '-m recent --set',
      '-m recent --update --hitcount 3',
      '-m recent --remove --rdest',
    ),
    packets: from([1, 1, 1, 2, 1, 2, 2, 2], 1),
    counts: [4, 8, 6, 0],
  },
  {
    name: 'rttl asks for the TTL of the last packet that was remembered',
    rules: filter('-m recent --rcheck --rttl', '-m recent --set'),
    packets: [64, 64, 60, 64, 64].map((ttl, i) => ({
      time: NOW + BigInt(i) * MILLISECOND,
      bytes: ping('10.0.0.1', '192.0.2.1', ttl),
    })),
    counts: [2, 5],
  },
  {
    name: 'the n-th packet is counted where it arrives only',
    rules: filter(
      '-s 10.0.0.1 -m statistic --mode nth --every 3 --packet 0',
      '-m statistic --mode nth --every 3 --packet 2 -s 10.0.0.1',
      '-m statistic --mode nth ! --every 2 --packet 1',
      '-m statistic --mode nth --every 1 --packet 0',
    ),
    packets: from([1, 2, 1, 1, 2, 1, 1, 1, 2, 1], 1),
    counts: [3, 2, 5, 10],
  },
  {
    name: 'a quota that a packet does not fit into is gone',
    rules: filter('-m quota --quota 83', '-m quota ! --quota 56', '-m quota --quota 0', '-m quota --quota 84'),
    packets: from(times(6, 1), 1),
    counts: [2, 5, 0, 2],
  },
];

const ON_THE_CLOCK: readonly Case[] = [
  {
    name: 'seconds count back from the packet, its jiffy included',
    rules: filter('-m recent --rcheck --seconds 2 --hitcount 2', '-m recent --rcheck --seconds 2', '-m recent --set'),
    packets: [...from([1, 1, 1], 1000), ...from([1, 2, 1], 2500, NOW + 6000n * MILLISECOND)],
    counts: [1, 2, 6],
  },
  {
    name: 'reap throws away the oldest entry, and only that',
    rules: filter('-m recent --rcheck --seconds 3 --reap', '-s 10.0.0.8/29 -m recent --set', '-m recent --rcheck'),
    packets: [
      ...from([8, 9, 10], 1000),
      ...from([8, 9, 1, 1, 1], 10, NOW + 9000n * MILLISECOND),
      ...from([10], 1, NOW + 9100n * MILLISECOND),
    ],
    counts: [0, 6, 6],
  },
];

/** More than the collector's slack behind an expiry: its timer is deferrable, and its edges are those of the timer wheel. */
const SLACK = 5000;

const HASHLIMIT: readonly Case[] = [
  {
    name: 'a bucket for each address of a network, full again with time',
    rules: filter(
      '-m hashlimit --hashlimit-upto 6/min --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name a --hashlimit-htable-expire 4294967295',
      '-m hashlimit --hashlimit-above 6/min --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-srcmask 24 --hashlimit-name b --hashlimit-htable-expire 4294967295',
    ),
    packets: [...from([1, 1, 1, 2, 2, 2], 10), ...from([1, 1, 2], 10, NOW + 11_000n * MILLISECOND)],
    counts: [6, 6],
  },
  {
    name: 'rules of one name share a table, and the first says what it is',
    rules: filter(
      '-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 3 --hashlimit-name s --hashlimit-htable-expire 4294967295',
      '-m hashlimit --hashlimit-upto 1000/sec --hashlimit-burst 100 --hashlimit-mode srcip --hashlimit-name s --hashlimit-htable-expire 4294967295',
    ),
    packets: from([1, 2, 3, 4], 10),
    counts: [2, 1],
  },
  {
    name: 'what an entry knew is forgotten when it expired',
    rules: filter(
      '-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-name e --hashlimit-htable-expire 1000 --hashlimit-htable-gcinterval 100',
      '-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-name k --hashlimit-htable-expire 4294967295',
    ),
    packets: [...from([1, 1], 500), ...from(count(20, 100), 250, NOW + BigInt(1000 + SLACK) * MILLISECOND)],
    counts: [2, 1],
  },
  {
    name: 'a table that is full drops what is new, and no rule counts it',
    rules: filter(
      '-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 9 --hashlimit-mode srcip --hashlimit-name f --hashlimit-htable-size 1 --hashlimit-htable-max 2 --hashlimit-htable-expire 4294967295',
      '-p udp',
    ),
    packets: from([1, 2, 3, 1, 4], 10),
    counts: [3, 3],
  },
  {
    name: 'bytes are counted in chunks of 16, and the burst says how often the bucket is filled',
    rules: filter(
      '-m hashlimit --hashlimit-upto 96b/s --hashlimit-name c --hashlimit-htable-expire 4294967295',
      '-m hashlimit --hashlimit-upto 96b/s --hashlimit-burst 192b --hashlimit-name d --hashlimit-htable-expire 4294967295',
    ),
    // Three chunks a packet: two fit into a second, and two more with each refill.
    packets: from(times(9, 1), 2),
    counts: [2, 6],
  },
  {
    name: 'a window that was too full spoils the next',
    rules: filter(
      '-m hashlimit --hashlimit-above 2/sec --hashlimit-burst 1 --hashlimit-rate-match --hashlimit-name w --hashlimit-htable-expire 4294967295',
    ),
    packets: [
      ...from(times(5, 1), 100),
      ...from(times(2, 1), 100, NOW + 1200n * MILLISECOND),
      ...from(times(3, 1), 100, NOW + 2600n * MILLISECOND),
    ],
    counts: [4],
  },
];

async function judged(kernel: Kernel, cases: readonly Case[]): Promise<void> {
  const all = await judgeVirtual(kernel, cases);
  expect(differencesOf(all)).toEqual([]);
  for (const [i, { outcome, case: given }] of all.entries()) {
    const counted = outcome.counters.filter?.FORWARD?.rules.map(({ packets }) => packets);
    expect({ name: given.name, counted }).toEqual({ name: given.name, counted: cases[i]!.counts });
  }
}

describeKernel('matches that keep state', () => {
  for (const backend of ['legacy', 'nft'] as const) {
    test(`recent, statistic and quota, ${backend}`, { timeout: 120_000 }, () =>
      judged(
        '6.18',
        ANY_CLOCK.map((one) => ({ ...one, backend })),
      ),
    );
  }
});

for (const kernel of ['6.1', '6.12'] as const) {
  describeVirtual(kernel, 'matches that keep state', () => {
    test('hashlimit', { timeout: 120_000 }, () => judged(kernel, HASHLIMIT));
    test('recent, statistic and quota', { timeout: 120_000 }, () => judged(kernel, [...ANY_CLOCK, ...ON_THE_CLOCK]));
  });
}
