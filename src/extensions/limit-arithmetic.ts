/** Rates and buckets of `limit`: iptables' reading, xt_limit's credits, nft_limit's nanoseconds. */

/** Units of an average: 10000 is one second between packets. */
export const SCALE = 10000;

export interface Rate {
  /** Time between packets in units of 1/SCALE second, rounded down as iptables does. */
  average: number;
  burst: number;
}

/** In the order iptables tries them for printing. */
const UNITS: readonly (readonly [string, number])[] = [
  ['day', 86400],
  ['hour', 3600],
  ['min', 60],
  ['sec', 1],
];

/** The largest unit in which the average is a good whole rate: how iptables-save prints it and iptables-nft hands it to the kernel. */
export function perUnit(average: number): { rate: number; unit: string; seconds: number } {
  let chosen = 0;
  for (let i = 1; i < UNITS.length; i++) {
    const scaled = (UNITS[i]?.[1] ?? 1) * SCALE;
    if (average > scaled || Math.floor(scaled / average) < scaled % average) break;
    chosen = i;
  }
  const [unit, seconds] = UNITS[chosen] ?? ['sec', 1];
  return { rate: Math.floor((seconds * SCALE) / average), unit, seconds };
}

/** Credits gained in a jiffy: the largest power of two that a day of idling does not carry over 32 bits. */
export function creditsPerJiffy(hz: number): number {
  return 2 ** Math.floor(Math.log2(Math.floor(0xffffffff / (hz * 86400))));
}

/** xt_limit's user2credits, all in 32 bits: divides first where multiplying would overflow. */
function credits(scaled: number, hz: number): number {
  const perSecond = hz * creditsPerJiffy(hz);
  if (scaled > Math.floor(0xffffffff / perSecond)) return Math.imul(Math.floor(scaled / SCALE), perSecond) >>> 0;
  return Math.floor((Math.imul(scaled, perSecond) >>> 0) / SCALE);
}

/** What a packet costs and how much the bucket holds. The product of average and burst wraps at 32 bits, as in the kernel. */
export function creditBucket({ average, burst }: Rate, hz: number): { cost: number; cap: number } {
  return { cost: credits(average, hz), cap: credits(Math.imul(average, burst) >>> 0, hz) };
}

/** nft_limit: nanoseconds a packet costs, and the bucket. */
export function tokenBucket({ average, burst }: Rate): { cost: bigint; bucket: bigint } {
  const { rate, seconds } = perUnit(average);
  const cost = (BigInt(seconds) * 1_000_000_000n) / BigInt(rate);
  return { cost, bucket: cost * BigInt(burst) };
}
