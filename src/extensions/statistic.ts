/** `-m statistic`: one packet in so many, counted or drawn. Kernel: net/netfilter/xt_statistic.c. */
import { SPECIAL_NTH, SPECIAL_RANDOM } from '../abi/special.ts';
import { readDouble } from '../model/numbers.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';

export type StatisticOptions =
  | { mode: 'nth'; every: number; packet: number; invert: boolean }
  /** Of 2^31. */
  | { mode: 'random'; probability: number; invert: boolean };

const specs = [
  option('mode'),
  option('probability', { invertible: true }),
  option('every', { invertible: true }),
  option('packet'),
];
const MOST = 0xffffffff;
const CERTAIN = 2 ** 31;

export const statistic: MatchExtension<StatisticOptions> = {
  name: 'statistic',
  kind: 'match',
  families: [4, 6],
  options: specs,
  keepsState: true,
  about: 'every n-th packet, or a random share of them',

  parse(given, context) {
    const all = new Given('statistic', specs, given, context);
    all.exclusive(['every', 'probability']);
    all.exclusive(['packet', 'probability']);
    const mode = all.need('mode', '--mode random --probability 0.5');
    const [probability, every, packet] = [all.get('probability'), all.get('every'), all.get('packet')];
    if (textOf(mode) !== 'random' && textOf(mode) !== 'nth') throw all.wants(mode, 'random or nth');
    if (textOf(mode) === 'random') {
      if (probability === undefined) throw all.missing('--mode random wants --probability', '--mode random --probability 0.5');
      return { mode: 'random', probability: readProbability(all, probability), invert: probability.invert };
    }
    if (every === undefined || packet === undefined)
      throw all.missing('--mode nth wants --every and --packet', '--mode nth --every 2 --packet 0');
    const period = all.number(every, MOST, 1);
    const first = all.number(packet, MOST);
    if (first >= period) throw all.wants(packet, `a number below that of --every, ${period}`);
    return { mode: 'nth', every: period, packet: first, invert: every.invert };
  },

  print(options) {
    if (options.mode === 'nth') return ` --mode nth${bang(options.invert)} --every ${options.every} --packet ${options.packet}`;
    return ` --mode random${bang(options.invert)} --probability ${(options.probability / CERTAIN).toFixed(11)}`;
  },

  evaluate(options, _, { state, random }) {
    if (options.mode === 'random') return (random() & 0x7fffffff) < options.probability !== options.invert;
    // The counter stands so far before the packet that matches.
    const counter = state(() => ({ value: options.every - options.packet - 1 }));
    counter.value = counter.value === options.every - 1 ? 0 : counter.value + 1;
    return (counter.value === 0) !== options.invert;
  },

  lower(options, { profile }) {
    const invert = options.invert ? 1 : 0;
    if (options.mode === 'nth') {
      const last = options.every - 1;
      return [{ kind: 'special', code: SPECIAL_NTH, parameters: [last, last - options.packet, invert], stateful: true }];
    }
    const seed = profile.seed ?? 0;
    return [
      {
        kind: 'special',
        code: SPECIAL_RANDOM,
        parameters: [options.probability, invert, seed],
        stateful: true,
        shared: { name: 'random', first: [], most: [], bytes: 8 },
      },
    ];
  },

  generate(draw, _, { judge = 'software' }) {
    const not = draw.chance(0.2) ? ['!'] : [];
    if (judge === 'software' && draw.chance(0.3)) {
      return ['--mode', 'random', ...not, '--probability', String(draw.pick([0, 0.1, 0.5, 0.9999, 1]))];
    }
    const every = draw.pick([1, 2, 2, 3, 5, 16]);
    return ['--mode', 'nth', ...not, '--every', String(every), '--packet', String(draw.integer(0, every - 1))];
  },

  show: (options) => (options.mode === 'nth' ? 'its place among the packets that came here' : 'a random number'),
};

/** As strtod reads it, from 0 to 1; not a number at all is taken for 0. */
function readProbability(all: Given, one: GivenOption): number {
  const { value = Number.POSITIVE_INFINITY, rest = '' } = readDouble(textOf(one)) ?? {};
  const share = Number.isNaN(value) ? 0 : value;
  if (rest !== '' || !(share >= 0 && share <= 1)) throw all.wants(one, 'a number from 0 to 1', 'for example --probability 0.25');
  return Math.round(share * CERTAIN);
}
