/** Estimators of rates (RATEEST, rateest), judged by kernels whose clock is the capture's: the rates tick by tick. What is loaded and refused: loaded-before.test.ts. */
import { expect, test } from 'vitest';
import { machineOf } from '../../src/kernel/virtual/index.ts';
import { drawOf } from '../extensions/packets.ts';
import { SEED } from '../seed.ts';
import { describeVirtual } from './machine.ts';
import { udp } from './packets.ts';
import { differencesOf, judgeVirtual, type SentPacket, type VirtualCase } from './virtual-differential.ts';

const SECOND = 1_000_000_000n;
const NOW = 1_700_000_000n * SECOND;

/** Intervals as powers of two of 250 ms, with a time constant each. */
const ESTIMATORS = [
  { power: 0, interval: '250ms', constants: ['400ms', '1s', '100s'] },
  { power: 1, interval: '500ms', constants: ['1s', '4s'] },
  { power: 2, interval: '1s', constants: ['2s', '64s'] },
  { power: 3, interval: '2s', constants: ['3s', '20s'] },
  { power: 4, interval: '4s', constants: ['6s', '30s'] },
  { power: 5, interval: '8s', constants: ['12s', '1000s'] },
] as const;
const MODES = ['--rateest-lt', '--rateest-gt', '--rateest-eq', '! --rateest-lt', '! --rateest-gt', '! --rateest-eq'];

const line = (rule: string): string => `-A FORWARD ${rule}`;
const filter = (rules: readonly string[]): string =>
  ['*filter', ':INPUT ACCEPT', ':FORWARD ACCEPT', ':OUTPUT ACCEPT', ...rules, 'COMMIT\n'].join('\n');

/** Two estimators, one of all packets and one of some; a rule for each threshold tells between which of them the rate lies at every packet. */
function rulesOf(interval: string, constant: string): string {
  const made = (name: string) => `-j RATEEST --rateest-name ${name} --rateest-interval ${interval} --rateest-ewmalog ${constant}`;
  const bytes = Array.from({ length: 28 }, (_, i) => Math.round(8 * 1.7 ** i));
  const packets = [0, 1, 2, 3, 5, 8, 13, 21, 34, 55];
  return filter(
    [
      made('all'),
      `-s 10.0.0.2 ${made('some')}`,
      ...bytes.flatMap((bits) => [
        `-m rateest --rateest all --rateest-bps ${bits}bit --rateest-gt`,
        `-m rateest --rateest some --rateest-bps ${bits} ! --rateest-lt`,
      ]),
      ...packets.flatMap((number) => [
        `-m rateest --rateest all --rateest-pps ${number} --rateest-gt`,
        `-m rateest --rateest some --rateest-pps ${number} --rateest-eq`,
        `-m rateest --rateest all --rateest-delta --rateest-pps1 30 --rateest-pps2 ${number} --rateest-lt`,
      ]),
      ...MODES.flatMap((mode) => [
        `-m rateest --rateest1 all --rateest-pps1 ${mode} --rateest2 some`,
        `-m rateest --rateest1 some --rateest-delta --rateest-bps1 1000bit --rateest-bps2 2000bit ${mode} --rateest2 all`,
        `-m rateest --rateest all --rateest-bps 500bit --rateest-pps 2 ${mode}`,
      ]),
    ].map(line),
  );
}

/**
 * Bursts some intervals apart, in the middle of an interval: its timer goes off up to 8 or (from 2 s on) 64 jiffies late, by the phase of the machine's jiffies, and its rules are
 * loaded 5 ms before the first packet.
 */
function packetsOf(hz: number, power: number, seed: number): SentPacket[] {
  const draw = drawOf(seed);
  const period = Math.floor(hz / 4) * 2 ** power;
  const sent: SentPacket[] = [];
  const send = (jiffies: number): void => {
    const host = draw.pick([1, 2, 2, 3]);
    const time = NOW + (BigInt(Math.round(jiffies * 1000)) * SECOND) / BigInt(hz * 1000) + BigInt(sent.length % 7) * 1000n;
    sent.push({ time, bytes: udp(`10.0.0.${host} 1`, '192.0.2.1 2') });
  };
  send(0.5);
  for (let interval = 0; sent.length < 150; interval += draw.pick([1, 1, 1, 2, 3, 9, 40])) {
    const burst = draw.pick([1, 2, 5, 20]);
    for (let i = 0; i < burst; i++) send((interval + 0.4 + (0.45 * i) / burst) * period + 0.5);
  }
  return sent;
}

for (const kernel of ['6.1', '6.12'] as const) {
  describeVirtual(kernel, `rates (seed ${SEED})`, () => {
    test('are those of the kernel at every tick', { timeout: 120_000 }, async () => {
      const { hz } = machineOf(kernel);
      const cases: VirtualCase[] = ESTIMATORS.flatMap(({ power, interval, constants }) =>
        constants.map((constant, i) => ({
          name: `${interval}, ${constant}`,
          rules: rulesOf(interval, constant),
          packets: packetsOf(hz, power, SEED + power * 10 + i),
        })),
      );
      const judged = await judgeVirtual(kernel, cases);
      expect(differencesOf(judged)).toEqual([]);
      // Most thresholds tell packets apart.
      const counts = judged.flatMap(({ outcome }) => outcome.counters.filter?.FORWARD?.rules.slice(2) ?? []);
      const telling = counts.filter(({ packets }) => packets > 0 && packets < 150);
      expect(telling.length).toBeGreaterThan(counts.length / 4);
    });
  });
}
