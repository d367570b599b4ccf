/** Rates and bursts of `hashlimit` as text: packets in a time, or bytes a second, which the kernel counts in chunks of 16. Numbers as iptables 1.8.9 computes them. */
import { abbreviates } from './given.ts';

/** Units of an average: a million is one second between packets. */
export const SCALE = 1_000_000n;
const CHUNK = 4n;
const U32 = 0xffff_ffffn;
const U64 = 0xffff_ffff_ffff_ffffn;

/** In the order they are tried for printing. */
const UNITS: readonly (readonly [name: string, seconds: bigint, word: string])[] = [
  ['day', 86400n, 'day'],
  ['hour', 3600n, 'hour'],
  ['min', 60n, 'minute'],
  ['sec', 1n, 'second'],
];

export interface ReadRate {
  average: bigint;
  bytes: boolean;
  /** Seconds of the unit; what is idle so long expires. */
  unit: number;
}

/** COUNT[/UNIT], or COUNT[kb|mb|b]/s; undefined: none of these, or nothing at all; 'fast': more than one in a unit of the scale. */
export function readRate(text: string): ReadRate | 'fast' | undefined {
  const at = text.indexOf('b/s');
  const count = BigInt.asUintN(64, BigInt(/^\s*[+-]?\d+/.exec(text)?.[0].trim().replace('+', '') ?? 0));
  if (at >= 0) {
    const bytes = BigInt.asUintN(64, count * factorOf(text[at - 1] ?? ''));
    return bytes === 0n ? undefined : { average: costOf(bytes), bytes: true, unit: 15 };
  }
  const slash = text.indexOf('/');
  const word = slash < 0 ? 'second' : text.slice(slash + 1);
  const found = word === '' ? undefined : UNITS.findLast(([, , name]) => abbreviates(word, name));
  if (found === undefined || count === 0n) return undefined;
  const average = (SCALE * found[1]) / count;
  return average === 0n ? 'fast' : { average, bytes: false, unit: Number(found[1]) };
}

export const factorOf = (letter: string): bigint => (letter === 'k' ? 1024n : letter === 'm' ? 1024n * 1024n : 1n);

/** What a chunk of a rate of so many bytes costs. */
function costOf(bytes: bigint): bigint {
  return U32 / BigInt.asUintN(32, BigInt.asUintN(32, bytes >> CHUNK) + 1n);
}

/** Bytes a second of a cost. */
export function bytesOf(cost: bigint): bigint {
  const chunks = cost === 0n ? U32 : U32 / cost;
  return BigInt.asUintN(64, (chunks - 1n) << CHUNK);
}

/** ` 5/sec`, and the milliseconds that are its usual expiry. */
export function rateText(average: bigint): { text: string; expire: number } {
  let fitting = UNITS[0]!;
  for (const unit of UNITS.slice(1)) {
    const scaled = SCALE * unit[1];
    if (average > scaled || scaled / average < scaled % average) break;
    fitting = unit;
  }
  return { text: ` ${(SCALE * fitting[1]) / average}/${fitting[0]}`, expire: Number(fitting[1]) * 1000 };
}

const SIZES: readonly (readonly [name: string, bytes: bigint])[] = [
  ['mb', 1024n * 1024n],
  ['kb', 1024n],
  ['b', 1n],
];

/** 32 bits of the rate are looked at for a unit. ` 512kb/s --hashlimit-burst 1mb`, and the milliseconds that are its usual expiry. `burst`: how often the bucket is filled again. */
export function bytesText(cost: bigint, burst: bigint): { text: string; expire: number } {
  const bytes = bytesOf(cost);
  const [name, size] = SIZES.find(([, each]) => bytes >= each && costOf(bytes & (U32 ^ (each - 1n))) === cost) ?? SIZES.at(-1)!;
  const rate = ` ${bytes / size}${name}/s`;
  if (burst === 0n) return { text: rate, expire: 15_000 };
  const all = (bytes * burst) & U64;
  const [word, unit] = SIZES.find(([, each]) => all >= each) ?? SIZES.at(-1)!;
  return { text: `${rate} --hashlimit-burst ${all / unit}${word}`, expire: 60_000 };
}
