/** limit on the kernel's own clock, packet by packet: every kind of rate, over seconds, hours and days. */
import { expect, test } from 'vitest';
import { seededDraw } from '../../src/fuzz/draw.ts';
import type { VirtualKernel } from '../../src/kernel/virtual/index.ts';
import { SEED } from '../seed.ts';
import { describeVirtual } from './machine.ts';
import { udp } from './packets.ts';
import { differencesOf, judgeVirtual, type SentPacket, type VirtualCase } from './virtual-differential.ts';

const SECOND = 1_000_000_000n;
const NOW = 1_700_000_000n * SECOND;

const RATES: readonly [rate: string, burst: number][] = [
  ['10000/s', 100],
  ['7000/s', 1],
  ['3000/s', 5],
  ['1000/s', 50],
  ['333/s', 3],
  ['100/s', 5],
  ['33/s', 1],
  ['3/s', 5],
  ['1/s', 1],
  ['50/min', 10],
  ['7/min', 2],
  ['1/min', 5],
  ['45/hour', 5],
  ['1/hour', 2],
  ['20/day', 3],
  ['1/day', 1],
];

/** One rule a rate, without target: every packet meets all of them, and its path says which it passed. */
const rules = (rates: typeof RATES): string =>
  [
    '*filter',
    ':INPUT ACCEPT',
    ':FORWARD ACCEPT',
    ':OUTPUT ACCEPT',
    ...rates.map(([rate, burst]) => `-A FORWARD -m limit --limit ${rate} --limit-burst ${burst}`),
    'COMMIT\n',
  ].join('\n');

/** Gaps of every size up to `longest` nanoseconds, many of them small: bursts, then pauses of the sizes at which buckets fill. */
function packets(seed: number, count: number, longest: number): SentPacket[] {
  const draw = seededDraw(seed);
  let time = NOW + 3_000_000n;
  return Array.from({ length: count }, () => {
    const largest = draw.chance(0.5) ? 5_000_000 : 10 ** (6 + draw.integer(0, 10 * Math.log10(longest / 1e6)) / 10);
    time += BigInt(draw.integer(1000, Math.max(2000, Math.floor(largest))));
    return { time, bytes: udp('10.0.0.1 1', '192.0.2.1 2') };
  });
}

function cases(kernel: VirtualKernel): VirtualCase[] {
  const backends = kernel === '6.1' ? (['legacy'] as const) : (['legacy', 'nft'] as const);
  return backends.flatMap((backend) => [
    { name: `seconds, ${backend}`, backend, rules: rules(RATES), packets: packets(SEED, 1500, 3e9) },
    { name: `hours, ${backend}`, backend, rules: rules(RATES), packets: packets(SEED + 1, 1000, 300e9) },
    { name: `days, ${backend}`, backend, rules: rules(RATES), packets: packets(SEED + 2, 40, 20_000e9) },
  ]);
}

for (const kernel of ['6.1', '6.12'] as const) {
  describeVirtual(kernel, 'limit', () => {
    test(`reference and engine pass the very packets the kernel passes (seed ${SEED})`, { timeout: 120_000 }, async () => {
      const judged = await judgeVirtual(kernel, cases(kernel));
      expect(differencesOf(judged)).toEqual([]);
      // In one of the cases each rate must have let packets pass and held packets back, or nothing was asked; the highest are met by bursts alone, and not by every seed's.
      const idle = RATES.filter((_, i) =>
        judged.every(({ outcome, case: given }) => {
          const passed = outcome.counters.filter?.FORWARD?.rules[i]?.packets;
          return passed === undefined || passed === 0 || passed === given.packets.length;
        }),
      );
      expect(idle.filter(([rate]) => !rate.endsWith('/s'))).toEqual([]);
    });
  });
}
