/** Options of `hashlimit`: read as libxt_hashlimit 1.8.9 does, refused as xt_hashlimit's check does, printed as iptables-save does. */
import { parseMask, prefixOf } from '../model/address.ts';
import { parseBigUnsigned, parseUnsigned } from '../model/numbers.ts';
import type { Family } from '../model/ruleset.ts';
import type { GivenOption, ParseContext } from './extension.ts';
import { Given, option, textOf, truncated } from './given.ts';
import { bytesOf, bytesText, factorOf, type ReadRate, rateText, readRate } from './hashlimit-rates.ts';

/** In the order they are printed. */
const MODES = ['srcip', 'srcport', 'dstip', 'dstport'] as const;
type Mode = (typeof MODES)[number];

export interface HashlimitOptions {
  above: boolean;
  /** Of packets: time between two in millionths of a second. Of bytes: what 16 of them cost. */
  average: bigint;
  /** Of packets; of bytes: how often the bucket is filled again. */
  burst: bigint;
  bytes: boolean;
  modes: readonly Mode[];
  name: string;
  /** 0: as many as the kernel thinks fit. */
  size: number;
  max: number;
  /** Milliseconds. */
  gcInterval: number;
  expire: number;
  sourceMask: number;
  destinationMask: number;
  /** Seconds of a window; undefined: a bucket. */
  window?: number;
}

export const specs = [
  option(['hashlimit-upto', 'hashlimit'], { invertible: true }),
  option('hashlimit-above', { invertible: true }),
  ...['burst', 'mode', 'srcmask', 'dstmask', 'name', 'htable-size', 'htable-max', 'htable-gcinterval', 'htable-expire'].map(
    (name) => option(`hashlimit-${name}`),
  ),
  option('hashlimit-rate-match', { argument: 'none' }),
  option('hashlimit-rate-interval'),
];

const U32 = 0xffffffff;
const U64 = 0xffff_ffff_ffff_ffffn;
const MOST_BURST = 1_000_000n;
const DEFAULT_BURST = 5n;
const DEFAULT_INTERVAL = 1000;
/** 255 bytes with the closing zero. */
const NAME_ROOM = 254;
/** The kernel cuts larger ones down to this. */
const MOST_ENTRIES = 1_048_576;
/** Overflow is checked by the kernel at its HZ; the usual one is taken. */
const CHECKED_HZ = 250;

/** Throws RuleError. */
export function parseOptions(given: readonly GivenOption[], context: ParseContext): HashlimitOptions {
  const all = new Given('hashlimit', specs, given, context);
  all.exclusive(['hashlimit-upto', 'hashlimit-above']);
  const [upto, above] = [all.get('hashlimit-upto'), all.get('hashlimit-above')];
  const limit = upto ?? above;
  if (limit === undefined) throw all.missing('--hashlimit-upto or --hashlimit-above must be given', '--hashlimit-upto 5/sec');
  const rate = readAverage(all, limit);
  const burst = readBurst(all, rate);
  const windowed = all.has('hashlimit-rate-match');
  // A window as long as the unit: so many packets in it.
  const average = windowed && !rate.bytes ? rate.average / BigInt(rate.unit) : rate.average;
  const idle = rate.bytes && all.has('hashlimit-burst') ? 60 : rate.unit;
  const out: HashlimitOptions = {
    above: (above !== undefined) !== limit.invert,
    average,
    burst,
    bytes: rate.bytes,
    modes: readModes(all),
    name: readName(all),
    size: Math.min(readNumber(all, 'htable-size', 0, 0), MOST_ENTRIES),
    max: Math.min(readNumber(all, 'htable-max', 0, 0), MOST_ENTRIES),
    gcInterval: readNumber(all, 'htable-gcinterval', DEFAULT_INTERVAL, 1),
    expire: readNumber(all, 'htable-expire', idle * 1000, 1),
    sourceMask: readPrefix(all, 'srcmask', context.family),
    destinationMask: readPrefix(all, 'dstmask', context.family),
    ...(windowed ? { window: readWindow(all, rate) } : {}),
  };
  if (!fitsTheKernel(out)) {
    throw all.complain(limit, 'rate and burst do not fit into the kernel', 'take a smaller --hashlimit-burst or a faster rate');
  }
  return out;
}

/** What stands behind `-m hashlimit`. */
export function printOptions(options: HashlimitOptions, family: Family): string {
  const { average, burst, bytes, modes, window } = options;
  const { text, expire } = bytes ? bytesText(average, burst) : rateText(average);
  let out = ` --hashlimit-${options.above ? 'above' : 'upto'}${text}`;
  if (!bytes) out += ` --hashlimit-burst ${burst}`;
  if (modes.length > 0) out += ` --hashlimit-mode ${modes.join(',')}`;
  out += ` --hashlimit-name ${options.name}`;
  const whole = family === 4 ? 32 : 128;
  const numbers = [
    ['htable-size', options.size, 0],
    ['htable-max', options.max, 0],
    ['htable-gcinterval', options.gcInterval, DEFAULT_INTERVAL],
    ['htable-expire', options.expire, expire],
    ['srcmask', options.sourceMask, whole],
    ['dstmask', options.destinationMask, whole],
  ] as const;
  for (const [name, value, usual] of numbers) if (value !== usual) out += ` --hashlimit-${name} ${value}`;
  if (window === undefined) return out;
  return `${out} --hashlimit-rate-match${window === 1 ? '' : ` --hashlimit-rate-interval ${window}`}`;
}

function readAverage(all: Given, one: GivenOption): ReadRate {
  const rate = readRate(textOf(one));
  if (rate === undefined) throw all.wants(one, 'COUNT/second, /minute, /hour, /day, or bytes as in 512kb/s');
  if (rate === 'fast') throw all.wants(one, 'at most 1000000 packets a second');
  return rate;
}

/** A number with k, m or b behind it; without, a million at most. */
function readBurst(all: Given, { bytes, average }: ReadRate): bigint {
  const one = all.get('hashlimit-burst');
  if (one === undefined) return bytes ? 0n : DEFAULT_BURST;
  const [, digits = '', letter = ''] = /^\s*\+?(0[xX][0-9a-fA-F]+|\d+)(.?)/s.exec(textOf(one)) ?? [];
  const number = parseBigUnsigned(digits, U64, 1n);
  const wanted = `a number from 1 to ${MOST_BURST}`;
  if (number === undefined || (letter === '' && number > MOST_BURST)) throw all.wants(one, wanted);
  const value = number * factorOf(letter);
  if (!bytes) {
    if (value > MOST_BURST) throw all.wants(one, wanted);
    return value;
  }
  const each = bytesOf(average);
  if (each === 0n || value < each) throw all.wants(one, `at least the ${each} bytes of a second`);
  // 32 bits are kept of it.
  return BigInt.asUintN(32, value) / each + (value % each === 0n ? 0n : 1n);
}

function readModes(all: Given): Mode[] {
  const one = all.get('hashlimit-mode');
  if (one === undefined) return [];
  const words = textOf(one)
    .split(',')
    .filter((word) => word !== '');
  const wrong = words.find((word) => !(MODES as readonly string[]).includes(word));
  if (wrong !== undefined) throw all.wants(one, `some of ${MODES.join(',')}`, undefined, wrong);
  return MODES.filter((mode) => words.includes(mode));
}

function readName(all: Given): string {
  const one = all.need('hashlimit-name', '--hashlimit-name web');
  const name = truncated(textOf(one), NAME_ROOM);
  if (name === '' || name === '.' || name === '..' || name.includes('/'))
    throw all.wants(one, 'a name a file can have', 'the table appears as /proc/net/ipt_hashlimit/NAME');
  return name;
}

function readNumber(all: Given, name: string, usual: number, least: number): number {
  const one = all.get(`hashlimit-${name}`);
  return one === undefined ? usual : all.number(one, U32, least);
}

function readPrefix(all: Given, name: string, family: Family): number {
  const whole = family === 4 ? 32 : 128;
  const one = all.get(`hashlimit-${name}`);
  if (one === undefined) return whole;
  const mask = parseUnsigned(textOf(one), whole) === undefined ? parseMask(textOf(one), family) : undefined;
  const bits = mask === undefined ? parseUnsigned(textOf(one), whole) : prefixOf(mask);
  if (bits === undefined || textOf(one) === '') throw all.wants(one, `a prefix length from 0 to ${whole}`);
  return bits;
}

/** The leading digits; without the option a window is as long as the unit of the rate. */
function readWindow(all: Given, rate: ReadRate): number {
  const one = all.get('hashlimit-rate-interval');
  if (one === undefined) return rate.bytes ? 1 : rate.unit;
  const seconds = BigInt.asIntN(32, BigInt(/^\s*[+-]?\d+/.exec(textOf(one))?.[0].trim().replace('+', '') ?? 0));
  if (seconds <= 0n) throw all.wants(one, 'a number of seconds');
  return Number(seconds);
}

/** hashlimit_mt_check_common: 64 bits for packets, 32 for bytes. */
function fitsTheKernel({ bytes, average, burst, window }: HashlimitOptions): boolean {
  if (window !== undefined) return average !== 0n && average <= BigInt(U32);
  if (bytes) return byteCost(average, CHECKED_HZ) !== 0n;
  return burst !== 0n && credits(average * burst, CHECKED_HZ) >= credits(average, CHECKED_HZ);
}

/** The largest power of two that is no larger. */
function powerBelow(value: bigint): bigint {
  return 1n << BigInt(value.toString(2).length - 1);
}

/** Credits a jiffy: such that a day's fit into 64 bits; of bytes, such that a second's fit into 32. */
export const creditsPerJiffy = (hz: number): bigint => powerBelow(U64 / BigInt(hz * 86400));
export const byteCreditsPerJiffy = (hz: number): bigint => powerBelow(BigInt(Math.floor(U32 / hz)));

/** user2credits, in 64 bits. */
export function credits(average: bigint, hz: number): bigint {
  return BigInt.asUintN(64, average * ((BigInt(hz) * creditsPerJiffy(hz)) / 1_000_000n));
}

/** user2credits_byte. */
export function byteCost(average: bigint, hz: number): bigint {
  return (BigInt.asUintN(32, average) * BigInt(hz) * byteCreditsPerJiffy(hz)) >> 32n;
}

/** msecs_to_jiffies: upwards; beyond 31 bits it is for ever. */
export function jiffiesOf(milliseconds: number, hz: number): bigint {
  return milliseconds > 0x7fffffff ? 0x3fff_ffff_ffff_fffen : (BigInt(milliseconds) * BigInt(hz) + 999n) / 1000n;
}
