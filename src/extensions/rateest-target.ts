/** `-j RATEEST`: counts packets in an estimator of their rate, which rules share by name and `rateest` asks. Kernel: net/netfilter/xt_RATEEST.c, net/core/gen_estimator.c. */
import { RATE_SIZE, SPECIAL_RATE_COUNT } from '../abi/special.ts';
import type { SharedState } from '../model/predicate.ts';
import type { GivenOption, TargetExtension } from './extension.ts';
import { Given, option, textOf, truncated } from './given.ts';
import { RateEstimator } from './rate-estimator.ts';
import { readTime, timeText } from './rateest-values.ts';

export interface RateestTargetOptions {
  name: string;
  /** Of 250 ms, as a power of two, less two: 0 is a second. */
  interval: number;
  /** The weight of one interval, as a power of 1/2. */
  ewma: number;
}

const specs = [option('rateest-name'), option('rateest-interval'), option('rateest-ewmalog')];
/** 16 bytes with the closing zero. */
export const RATEEST_NAME_ROOM = 15;
const QUARTER = 250_000;
const POWERS = [0, 1, 2, 3, 4, 5];
const MOST_EWMA = 30;

export const RATEEST: TargetExtension<RateestTargetOptions> = {
  name: 'RATEEST',
  kind: 'target',
  families: [4, 6],
  options: specs,
  keepsState: true,
  about: 'counts packets and bytes in an estimator of their rate, which `rateest` asks, and goes on',

  parse(given, context) {
    const all = new Given('RATEEST', specs, given, context);
    const one = all.need('rateest-name', EXAMPLE);
    const interval = all.need('rateest-interval', EXAMPLE);
    const ewma = all.need('rateest-ewmalog', EXAMPLE);
    const name = truncated(textOf(one), RATEEST_NAME_ROOM);
    const long = readGiven(all, interval);
    const power = POWERS.find((each) => long <= QUARTER * 2 ** each);
    if (power === undefined) throw all.wants(interval, 'at most 8s');
    return { name, interval: power - 2, ewma: ewmaOf(all, ewma, long) };
  },

  print({ name, interval, ewma }) {
    const long = QUARTER * 2 ** (interval + 2);
    // 32 bits are kept.
    const constant = Number(BigInt.asUintN(32, BigInt(long) << BigInt(ewma)));
    return ` --rateest-name ${name} --rateest-interval ${timeText(long)} --rateest-ewmalog ${timeText(constant)}`;
  },

  load: (options, { profile, shared }) => void estimatorOf(options, profile.hz, shared),
  evaluate(options, packet, _, { profile, shared, began }) {
    estimatorOf(options, profile.hz, shared).count(packet, began());
    return 'continue';
  },

  lower: () => ({ kind: 'continue' }),
  counts: (options, { profile: { hz } }) => [
    { kind: 'special', code: SPECIAL_RATE_COUNT, parameters: [], stateful: true, shared: ratesOf(options.name, options, hz) },
  ],

  generate: (draw, _, { judge }) => estimatorWords(draw.pick(GENERATED), judge),
};

/** Names of estimators in generated rules. */
export const GENERATED = ['e0', 'e1'] as const;

/** Those of one name are alike. The running kernel sees all packets before the first tick of the longest interval. */
export function estimatorWords(name: (typeof GENERATED)[number], judge = 'software'): string[] {
  const [interval, ewma] = judge === 'kernel' ? ['8s', '16s'] : name === 'e0' ? ['250ms', '500ms'] : ['2s', '10s'];
  return ['--rateest-name', name, '--rateest-interval', interval, '--rateest-ewmalog', ewma];
}

const EXAMPLE = '--rateest-name web --rateest-interval 250ms --rateest-ewmalog 500ms';

function readGiven(all: Given, one: GivenOption): number {
  const time = readTime(textOf(one));
  if (time === undefined) throw all.wants(one, 'a time such as 250ms or 4s');
  return time;
}

/** The largest weight whose time constant is no longer than the one that was given. */
function ewmaOf(all: Given, one: GivenOption, interval: number): number {
  const constant = readGiven(all, one);
  let ewma = 1;
  while (ewma <= MOST_EWMA && interval / -Math.log(1 - 2 ** -ewma) <= constant) ewma++;
  if (ewma === 1 || ewma > MOST_EWMA) throw all.wants(one, 'a time constant of at least 1.5 intervals, and not too many');
  return ewma - 1;
}

function estimatorOf(
  { name, interval, ewma }: RateestTargetOptions,
  hz: number,
  shared: <T>(name: string, make: () => T) => T,
): RateEstimator {
  return shared(`rateest ${name}`, () => new RateEstimator(interval, ewma, hz));
}

/** The state of an estimator; whoever only asks it does not know how it was made. */
export function ratesOf(name: string, made: RateestTargetOptions | undefined, hz: number): SharedState {
  const jiffies = (power: number): number => Math.floor(hz / 4) * 2 ** power;
  const first = made === undefined ? [] : [jiffies(made.interval + 2), 10 - (made.interval + 2), made.ewma];
  return { name: `rateest ${name}`, first, most: [], bytes: RATE_SIZE };
}
