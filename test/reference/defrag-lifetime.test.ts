/** How long fragments wait, by kernels on the capture's clock: everything before the time is over, and behind the last edge its timer may have. */
import { expect, test } from 'vitest';
import { machineOf, type VirtualKernel } from '../../src/kernel/virtual/index.ts';
import { describeVirtual } from '../kernel/machine.ts';
import { differencesOf, judgeVirtual, type SentPacket, type VirtualCase } from '../kernel/virtual-differential.ts';
import { udp } from './build.ts';
import { fragmentsOf } from './fragments.ts';

const MILLISECOND = 1_000_000n;
const NOW = 1_700_000_000_000n * MILLISECOND;
const LIFETIME = { 4: 30_000, 6: 60_000 } as const;
const RULES = '*mangle\n-A PREROUTING -m conntrack --ctstate NEW\nCOMMIT\n';

/**
 * Milliseconds a timer may be late: the wheel's buckets are 64 jiffies wide for timers of 504 jiffies and more, 512 from 4032 on (kernel/time/timer.c), and which
 * bucket's edge comes next depends on the phase of jiffies.
 */
function latest(kernel: VirtualKernel, family: 4 | 6): number {
  const { hz } = machineOf(kernel);
  const jiffies = (LIFETIME[family] * hz) / 1000;
  return ((jiffies < 4032 ? 64 : 512) * 1000) / hz;
}

/** The two halves of a packet so many milliseconds apart; each packet from a sender of its own. */
function halves(family: 4 | 6, gaps: readonly number[]): SentPacket[] {
  const [from, to] = family === 4 ? ['10.0.1', '192.0.2.1'] : ['2001:db8::1', '2001:db8:1::2'];
  const packets = gaps.flatMap((gap, i) => {
    const start = NOW + BigInt(713 * i + 1) * MILLISECOND;
    const whole = udp(`${from}${family === 4 ? '.' : ''}${i + 1} 1`, `${to} 2`, { data: 40 });
    const [first, second] = fragmentsOf(whole, 24) as [Uint8Array, Uint8Array];
    return [
      { time: start, bytes: first },
      { time: start + BigInt(gap) * MILLISECOND, bytes: second },
    ];
  });
  return packets.sort((a, b) => (a.time < b.time ? -1 : 1));
}

for (const kernel of ['6.1', '6.12'] as const) {
  describeVirtual(kernel, 'fragments wait', () => {
    test('for 30 and 60 seconds', { timeout: 180_000 }, async () => {
      const cases = ([4, 6] as const).map((family): VirtualCase => {
        const [alive, gone] = [LIFETIME[family] - 2, LIFETIME[family] + latest(kernel, family) + 2];
        const gaps = [1000, alive / 2, alive, gone, alive - 1000, gone + 1000, alive, gone, alive, gone, 3 * gone];
        return { name: `IPv${family}`, family, rules: RULES, packets: halves(family, gaps) };
      });
      const judged = await judgeVirtual(kernel, cases);
      expect(differencesOf(judged)).toEqual([]);
      // The kernel itself: half of the packets became whole.
      for (const { outcome } of judged) expect(outcome.counters.mangle?.PREROUTING?.rules[0]?.packets).toBe(6);
    });
  });
}
