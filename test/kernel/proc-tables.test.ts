/** The lists of recent and the tables of hashlimit at the end, as the kernel's own files tell them. */
import { expect, test } from 'vitest';
import type { Kernel } from '../../src/model/profile.ts';
import { drawOf } from '../extensions/packets.ts';
import { SEED } from '../seed.ts';
import { describeKernel, describeVirtual } from './machine.ts';
import { ping, udp } from './packets.ts';
import { differencesOf, judgeVirtual, type SentPacket, type VirtualCase } from './virtual-differential.ts';

const MILLISECOND = 1_000_000n;
const NOW = 1_700_000_000_003_000_000n;

const filter = (...rules: string[]): string =>
  [
    '*filter',
    ':INPUT ACCEPT',
    ':FORWARD ACCEPT',
    ':OUTPUT ACCEPT',
    ...rules.map((rule) => `-A FORWARD ${rule}`),
    'COMMIT\n',
  ].join('\n');

/** Packets of some hosts, some TTLs and ports, up to `gap` milliseconds apart. */
function packets(count: number, gap: number, seed: number, family: 4 | 6 = 4): SentPacket[] {
  const draw = drawOf(seed);
  let time = NOW;
  return Array.from({ length: count }, () => {
    time += BigInt(draw.integer(1, gap)) * MILLISECOND;
    const host = draw.integer(1, 9);
    const [from, to] = family === 4 ? [`10.0.0.${host}`, '192.0.2.1'] : [`2001:db8::${host}`, '2001:db8:1::1'];
    const bytes = draw.chance(0.3)
      ? ping(from, to, draw.pick([64, 63, 1]))
      : udp(`${from} ${draw.pick([1, 2])}`, `${to} ${draw.pick([53, 80])}`);
    return { time, bytes };
  });
}

const LISTS = [
  '-m recent --set',
  '-m recent --name b --update --seconds 1 --hitcount 3',
  '-m recent --name b --set --rdest',
  '-s 10.0.0.0/29 -m recent --name net --set --mask 255.255.255.252',
  '-p icmp -m recent --name small --update --hitcount 2 --rttl',
  '-m recent --name small --set',
  '-p udp --dport 80 -m recent --remove',
  '-m recent --name empty --rcheck',
];
const TABLES = [
  '-m hashlimit --hashlimit-upto 10/min --hashlimit-burst 3 --hashlimit-mode srcip --hashlimit-name a --hashlimit-htable-expire 50000',
  '-m hashlimit --hashlimit-above 1000/sec --hashlimit-mode srcip,dstport,srcport --hashlimit-srcmask 30 --hashlimit-name b --hashlimit-htable-expire 50000',
  '-m hashlimit --hashlimit-upto 128b/s --hashlimit-burst 256b --hashlimit-mode dstip --hashlimit-name c --hashlimit-htable-expire 50000',
  '-p icmp -m hashlimit --hashlimit-above 2/sec --hashlimit-rate-match --hashlimit-rate-interval 4 --hashlimit-mode srcip --hashlimit-name w --hashlimit-htable-expire 50000',
  '-m hashlimit --hashlimit-upto 64b/s --hashlimit-rate-match --hashlimit-name v --hashlimit-htable-expire 4294967295',
  '-s 192.0.2.77 -m hashlimit --hashlimit-upto 1/sec --hashlimit-name empty',
];
const six = (rules: readonly string[]): string[] =>
  rules
    .filter((rule) => !rule.includes('--mask'))
    .map((rule) =>
      rule
        .replace('-p icmp', '-p icmpv6')
        .replace('10.0.0.0/29', '2001:db8::/125')
        .replace('192.0.2.77', '2001:db8::77')
        .replace('--hashlimit-srcmask 30', '--hashlimit-srcmask 126'),
    );

/** All packets come within the second that `recent` looks back: what lies at its edge hangs on the phase, too. */
const BRISK = 7;

/** Of rules that let more packets pass with every jiffy the running kernel's answers hang on the phase of its own. */
const slow = (rules: readonly string[]): string[] => rules.filter((rule) => !/--hashlimit-name [cv] /.test(rule));

const cases = (gap: number, tables = TABLES): VirtualCase[] => [
  { name: 'lists', rules: filter(...LISTS), packets: packets(120, gap, SEED), proc: true },
  { name: 'lists, IPv6', family: 6, rules: filter(...six(LISTS)), packets: packets(120, gap, SEED + 1, 6), proc: true },
  { name: 'tables', rules: filter(...tables), packets: packets(120, gap, SEED + 2), proc: true },
  { name: 'tables, IPv6', family: 6, rules: filter(...six(tables)), packets: packets(120, gap, SEED + 3, 6), proc: true },
];

async function judged(kernel: Kernel, all: readonly VirtualCase[]): Promise<void> {
  const outcomes = await judgeVirtual(kernel, all);
  expect(differencesOf(outcomes)).toEqual([]);
  for (const { outcome } of outcomes) expect(outcome.afterwards[0]!.split('\n').length).toBeGreaterThan(20);
}

describeKernel(`files of recent and hashlimit (seed ${SEED})`, () => {
  for (const backend of ['legacy', 'nft'] as const)
    test(backend, { timeout: 120_000 }, () =>
      judged(
        '6.18',
        cases(BRISK, slow(TABLES)).map((one) => ({ ...one, backend })),
      ),
    );
});

for (const kernel of ['6.1', '6.12'] as const) {
  describeVirtual(kernel, `files of recent and hashlimit (seed ${SEED})`, () => {
    test('to the jiffy', { timeout: 120_000 }, () => judged(kernel, cases(400)));
  });
}
