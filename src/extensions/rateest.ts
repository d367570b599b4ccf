/** `-m rateest`: compares the rate an estimator (`RATEEST`) has with a number, or with that of another. Kernel: net/netfilter/xt_rateest.c. */
import {
  RATE_BYTES,
  RATE_DELTA,
  RATE_GREATER,
  RATE_INVERT,
  RATE_KEPT,
  RATE_LESS,
  RATE_PACKETS,
  SPECIAL_RATE_COMPARE,
  SPECIAL_RATE_KEEP,
} from '../abi/special.ts';
import type { Test } from '../model/predicate.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, option, textOf, truncated } from './given.ts';
import type { RateEstimator, Rates } from './rate-estimator.ts';
import { GENERATED, RATEEST_NAME_ROOM, ratesOf } from './rateest-target.ts';
import { rateText, readRate } from './rateest-values.ts';

const MODES = ['lt', 'gt', 'eq'] as const;

export interface RateestOptions {
  name: string;
  /** The estimator that stands on the second side; undefined: numbers do. */
  other?: string;
  /** What is less than the numbers counts, not the rate. */
  delta: boolean;
  /** What is compared; both: both must hold. */
  bytes: boolean;
  packets: boolean;
  /** Numbers of the two sides: bytes and packets a second. */
  numbers: readonly [Side, Side];
  mode: (typeof MODES)[number];
  invert: boolean;
}

interface Side {
  bytes: number;
  packets: number;
}

const NOTHING: Side = { bytes: 0, packets: 0 };

const specs = [
  option(['rateest1', 'rateest']),
  option('rateest2'),
  option('rateest-bps1', { argument: 'optional' }),
  option('rateest-pps1', { argument: 'optional' }),
  option(['rateest-bps2', 'rateest-bps'], { argument: 'optional' }),
  option(['rateest-pps2', 'rateest-pps'], { argument: 'optional' }),
  option('rateest-delta', { argument: 'none' }),
  ...MODES.map((mode) => option(`rateest-${mode}`, { argument: 'none', invertible: true })),
];
const U32 = 0xffffffff;

export const rateest: MatchExtension<RateestOptions> = {
  name: 'rateest',
  kind: 'match',
  families: [4, 6],
  options: specs,
  keepsState: true,
  about: 'the rate of packets or bytes that `RATEEST` rules of a name counted, compared with a number or with another rate',

  parse(given, context) {
    const all = new Given('rateest', specs, given, context);
    const modes = given.filter(({ name }) => MODES.some((mode) => name === `rateest-${mode}`));
    const last = modes.at(-1)?.name;
    const mode = MODES.find((each) => last === `rateest-${each}`);
    if (mode === undefined) throw all.missing('wants one of --rateest-lt, --rateest-gt, --rateest-eq', EXAMPLE);
    const has = (what: 'bps' | 'pps'): boolean => all.has(`rateest-${what}1`) || all.has(`rateest-${what}2`);
    const [bytes, packets] = [has('bps'), has('pps')];
    if (!bytes && !packets) throw all.missing('wants --rateest-bps or --rateest-pps', EXAMPLE);
    const side = (number: 1 | 2): Side => ({
      bytes: readBytes(all, `rateest-bps${number}`),
      packets: readPackets(all, `rateest-pps${number}`),
    });
    const other = all.get('rateest2');
    const one = all.get('rateest1');
    const delta = all.has('rateest-delta');
    return {
      name: one === undefined ? '' : truncated(textOf(one), RATEEST_NAME_ROOM),
      ...(other === undefined ? {} : { other: truncated(textOf(other), RATEEST_NAME_ROOM) }),
      delta,
      bytes,
      packets,
      // Nobody looks at the others.
      numbers: [delta ? side(1) : NOTHING, delta || other === undefined ? side(2) : NOTHING],
      mode,
      invert: modes.some(({ invert }) => invert),
    };
  },

  // As iptables-save prints it: where bytes and packets are compared, it cannot be read again.
  print({ name, other, delta, bytes, packets, numbers: [first, second], mode, invert }) {
    const compared = (what: 'bps' | 'pps', value: (side: Side) => string): string => {
      const before = delta ? ` --rateest-${what}1 ${value(first)}` : '';
      const number = other !== undefined && !delta ? '' : ` ${value(second)}`;
      return `${before}${bang(invert)} --rateest-${mode} --rateest-${what}${delta ? '2' : ''}${number}`;
    };
    const head = `${delta ? ' --rateest-delta' : ''} --rateest${other === undefined ? '' : '1'} ${name}`;
    const rates = bytes ? compared('bps', (side) => rateText(side.bytes)) : '';
    const numbers = packets ? compared('pps', (side) => String(side.packets)) : '';
    return `${head}${rates}${numbers}${other === undefined ? '' : ` --rateest2 ${other}`}`;
  },

  evaluate({ name, other, delta, bytes, packets, numbers, mode, invert }, { time }, { shared, began }) {
    const ask = (estimator: string, number: Side): Rates => {
      const rates = shared<RateEstimator>(`rateest ${estimator}`, neverMade).read(time, began());
      return delta ? { bytes: lacking(number.bytes, rates.bytes), packets: lacking(number.packets, rates.packets) } : rates;
    };
    const [one, two] = numbers;
    const left = ask(name, one);
    const right = other === undefined ? { bytes: BigInt(two.bytes), packets: BigInt(two.packets) } : ask(other, two);
    const holds = (a: bigint, b: bigint): boolean => (mode === 'lt' ? a < b : mode === 'gt' ? a > b : a === b);
    const answer = (!bytes || holds(left.bytes, right.bytes)) && (!packets || holds(left.packets, right.packets));
    return answer !== invert;
  },

  lower({ name, other, delta, bytes, packets, numbers, mode, invert }, { profile: { hz } }) {
    const flags =
      (bytes ? RATE_BYTES : 0) |
      (packets ? RATE_PACKETS : 0) |
      (delta ? RATE_DELTA : 0) |
      (other === undefined ? 0 : RATE_KEPT) |
      (invert ? RATE_INVERT : 0) |
      (mode === 'lt' ? RATE_LESS : mode === 'gt' ? RATE_GREATER : 0);
    const parameters = [flags, ...numbers.flatMap((side) => [side.bytes, side.packets])];
    const asking = (code: number, estimator: string, own: readonly number[]): Test => ({
      kind: 'special',
      code,
      parameters: own,
      stateful: true,
      shared: ratesOf(estimator, undefined, hz),
    });
    const keep = other === undefined ? [] : [asking(SPECIAL_RATE_KEEP, other, [])];
    return [...keep, asking(SPECIAL_RATE_COMPARE, name, parameters)];
  },

  generate(draw) {
    const mode = [...(draw.chance(0.3) ? ['!'] : []), `--rateest-${draw.pick(MODES)}`];
    const what = draw.pick(['bps', 'bps', 'pps', 'both']);
    const rate = (): string => draw.pick(['8bit', '80bit', '400bit', '800bit', '4000bit', '40000bit', '1000Kbit']);
    const value = (number: 1 | 2): string[] => [
      ...(what === 'pps' ? [] : [`--rateest-bps${number}`, rate()]),
      ...(what === 'bps' ? [] : [`--rateest-pps${number}`, String(draw.pick([0, 1, 2, 5, 20]))]),
    ];
    const delta = draw.chance(0.3) ? ['--rateest-delta'] : [];
    const name = draw.pick(GENERATED);
    const other = draw.pick(GENERATED);
    const first = delta.length > 0 ? value(1) : [];
    if (draw.chance(0.7)) return ['--rateest', name, ...delta, ...first, ...value(2), ...mode];
    return ['--rateest1', name, ...delta, ...value(1), ...mode, '--rateest2', other, ...(delta.length > 0 ? value(2) : [])];
  },

  show: (_, packet) => `time ${packet.time} ns`,
};

const EXAMPLE = '--rateest web --rateest-bps 8Mbit --rateest-gt';

const neverMade = (): never => {
  throw new Error('an estimator that no rule made');
};

/** What a rate lacks to be the number; 0 when it is more. */
const lacking = (number: number, rate: bigint): bigint => (BigInt(number) >= rate ? BigInt(number) - rate : 0n);

function readBytes(all: Given, name: string): number {
  const one = all.get(name);
  if (one === undefined || one.values.length === 0) return 0;
  const rate = readRate(textOf(one));
  if (rate === undefined) throw all.wants(one, 'a rate such as 8Mbit or 100KBps');
  return rate;
}

function readPackets(all: Given, name: string): number {
  const one = all.get(name);
  return one === undefined || one.values.length === 0 ? 0 : all.number(one, U32);
}
