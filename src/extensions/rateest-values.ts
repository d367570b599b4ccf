/** Times and rates of `RATEEST` and `rateest` as text. Numbers as iptables 1.8.9 computes them: doubles, of which 32 bits are kept. */
import { readDouble } from '../model/numbers.ts';

/** Units of a time: microseconds. */
const SECOND = 1_000_000;
const TIMES: Readonly<Record<string, number>> = {
  '': 1,
  ...{ s: SECOND, sec: SECOND, secs: SECOND },
  ...{ ms: SECOND / 1000, msec: SECOND / 1000, msecs: SECOND / 1000 },
  ...{ us: 1, usec: 1, usecs: 1 },
};

/** Bits a second of each unit, in lower case; a bare number is bits, too. */
const RATES: Readonly<Record<string, number>> = {
  ...{ '': 1, bit: 1, kibit: 2 ** 10, mibit: 2 ** 20, gibit: 2 ** 30, tibit: 2 ** 40 },
  ...{ kbit: 1e3, mbit: 1e6, gbit: 1e9, tbit: 1e12 },
  ...{ bps: 8, kibps: 8 * 2 ** 10, mibps: 8 * 2 ** 20, gibps: 8 * 2 ** 30, tibps: 8 * 2 ** 40 },
  ...{ kbps: 8e3, mbps: 8e6, gbps: 8e9, tbps: 8e12 },
};

/** Microseconds of `250ms`, `0.5sec` or a bare number; undefined for anything else. */
export const readTime = (text: string): number | undefined => readWith(TIMES, 1, text);

/** Bytes a second of `8Mbit`, `2.5KiBps` or a bare number of bits; undefined for anything else. */
export const readRate = (text: string): number | undefined => readWith(RATES, 8, text);

function readWith(units: Readonly<Record<string, number>>, divisor: number, text: string): number | undefined {
  const { value, rest = '' } = readDouble(text) ?? {};
  const unit = rest.toLowerCase();
  return value === undefined || !Object.hasOwn(units, unit) ? undefined : kept((value * units[unit]!) / divisor);
}

/** A double made a 32-bit number on x86-64: the lower half of 64 bits, 0 for what does not fit into those. */
const kept = (value: number): number => (Math.abs(value) < 2 ** 63 ? Number(BigInt.asUintN(32, BigInt(Math.trunc(value)))) : 0);

/** `250.0ms`, `8.0s`. */
export function timeText(microseconds: number): string {
  if (microseconds >= SECOND) return `${(microseconds / SECOND).toFixed(1)}s`;
  return microseconds >= 1000 ? `${(microseconds / 1000).toFixed(1)}ms` : `${microseconds}us`;
}

/** `8000bit`, `1000Kbit`, `2Mbit`: whole ones, whatever is lost. */
export function rateText(bytes: number): string {
  const bits = bytes * 8;
  if (bits >= 1e9) return `${rounded(bits / 1e6)}Mbit`;
  return bits >= 1e6 ? `${rounded(bits / 1e3)}Kbit` : `${bits}bit`;
}

/** As printf rounds: a half to the even number. */
function rounded(value: number): number {
  const below = Math.floor(value);
  const part = value - below;
  return part > 0.5 || (part === 0.5 && below % 2 === 1) ? below + 1 : below;
}
