/** limit by the numbers: what kernel-semantics and the kernel's own arithmetic give. */
import { describe, expect, it } from 'vitest';
import { limit } from '../../src/extensions/limit.ts';
import { creditBucket, creditsPerJiffy, perUnit, tokenBucket } from '../../src/extensions/limit-arithmetic.ts';
import type { Test } from '../../src/model/predicate.ts';
import { DEFAULT_PROFILE, type Profile } from '../../src/model/profile.ts';
import type { EvaluateContext, PacketView } from '../../src/packet/view.ts';
import { drawOf, NO_CONNECTIONS, NO_SETS, randomPacket } from './packets.ts';
import { readRule } from './reader.ts';

const SECOND = 1_000_000_000n;

function rateOf(words: string): { average: number; burst: number } {
  return readRule(`-m limit ${words}`.split(' '), 4, 'filter', 'INPUT').matches[0]?.options as { average: number; burst: number };
}

/** How many of `count` packets, `gap` nanoseconds apart, get through. */
function through(words: string, profile: Profile, count: number, gap: bigint): number {
  let kept: unknown;
  const state = <T>(make: () => T): T => {
    kept ??= make();
    return kept as T;
  };
  const context: EvaluateContext = {
    profile,
    hook: 'INPUT',
    addressType: () => 1,
    state,
    shared: (_, make) => make(),
    began: () => 0n,
    fingerprints: [],
    random: () => 0,
    noteJiffyEdge: () => {},
    mtu: () => undefined,
    firstAddress: () => undefined,
    proxies: [],
    wayBack: () => undefined,
    leadsBack: () => true,
    connections: NO_CONNECTIONS,
    sets: NO_SETS,
  };
  const packet = randomPacket(drawOf(1), 4);
  const options = rateOf(words);
  let passed = 0;
  for (let i = 0; i < count; i++) {
    const at: PacketView = { ...packet, time: 1_600_000_000n * SECOND + BigInt(i) * gap };
    if (limit.evaluate(options, at, context) === true) passed++;
  }
  return passed;
}

describe('limit', () => {
  it('gains the credits a jiffy that the kernel is compiled with', () => {
    expect([100, 250, 300, 1000].map(creditsPerJiffy)).toEqual([256, 128, 128, 32]);
  });

  it('turns rates into units as iptables prints them', () => {
    expect(perUnit(rateOf('--limit 3/hour').average)).toEqual({ rate: 3, unit: 'hour', seconds: 3600 });
    expect(perUnit(rateOf('--limit 3000/s').average)).toEqual({ rate: 3333, unit: 'sec', seconds: 1 });
  });

  it('lets the rounded rate through, not the written one: 3000/s is 3555/s, 7000/s is 10666/s, at HZ 100 12800/s', () => {
    const many = (words: string, hz: number): number => through(words, { ...DEFAULT_PROFILE, hz }, 40_000, 50_000n) / 2;
    expect(many('--limit 3000/s --limit-burst 100', 250)).toBeCloseTo(3555 + 50, -2);
    expect(many('--limit 7000/s --limit-burst 200', 250)).toBeCloseTo(10666 + 100, -2);
    expect(many('--limit 7000/s --limit-burst 200', 100)).toBeCloseTo(12800 + 100, -2);
  });

  it('starts full and then passes at the rate', () => {
    expect(through('--limit 1/s --limit-burst 5', DEFAULT_PROFILE, 100, 0n)).toBe(5);
    expect(through('--limit 1/s --limit-burst 5', DEFAULT_PROFILE, 101, SECOND / 10n)).toBe(5 + 10);
    expect(through('--limit 1/s --limit-burst 5', { ...DEFAULT_PROFILE, backend: 'nft' }, 101, SECOND / 10n)).toBe(5 + 10);
  });

  it('computes cost and bucket in 32 bits', () => {
    expect(creditBucket({ average: 10000, burst: 5 }, 250)).toEqual({ cost: 32000, cap: 160000 });
    expect(creditBucket({ average: 600000, burst: 5 }, 250)).toEqual({ cost: 60 * 32000, cap: 300 * 32000 });
    // 600000 * 10000 = 6,000,000,000 wraps to 1,705,032,704.
    expect(creditBucket({ average: 600000, burst: 10000 }, 250).cap).toBe((170503 * 32000) % 2 ** 32);
  });

  it('gives nft nanoseconds, the rate taken back from the average', () => {
    expect(tokenBucket({ average: 3, burst: 2 })).toEqual({ cost: 300030n, bucket: 600060n });
    expect(tokenBucket({ average: 10000 * 1200, burst: 5 })).toEqual({ cost: 1200n * SECOND, bucket: 6000n * SECOND });
    const tests = limit.lower(rateOf('--limit 3/hour'), { family: 4, profile: { ...DEFAULT_PROFILE, backend: 'nft' } });
    const [low, high, bucketLow, bucketHigh] = (tests[0] as Test & { kind: 'special' }).parameters.map(BigInt) as [
      bigint,
      bigint,
      bigint,
      bigint,
    ];
    expect([low + (high << 32n), bucketLow + (bucketHigh << 32n)]).toEqual([1200n * SECOND, 6000n * SECOND]);
  });
});
