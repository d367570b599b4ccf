/** `-m connbytes`: packets or bytes of the connection so far, or bytes a packet. Kernel: net/netfilter/xt_connbytes.c; loading it turns nf_conntrack_acct on. */
import { SPECIAL_CONNBYTES } from '../abi/special.ts';
import type { Counter } from '../model/outcome.ts';
import type { ConnectionView } from '../packet/view.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';

const MODES = ['packets', 'bytes', 'avgpkt'] as const;
const DIRECTIONS = ['original', 'reply', 'both'] as const;

export interface ConnbytesOptions {
  /** 64 bits. From > to: outside of the range from `to` to `from`, which is how an inversion is kept. */
  from: bigint;
  to: bigint;
  mode: (typeof MODES)[number];
  direction: (typeof DIRECTIONS)[number];
}

const specs = [option('connbytes', { invertible: true }), option('connbytes-mode'), option('connbytes-dir')];
const MOST = 0xffffffffffffffffn;

export const connbytes: MatchExtension<ConnbytesOptions> = {
  name: 'connbytes',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'packets or bytes of the connection so far',
  needsConntrack: true,
  turnsOn: 'accounting',

  parse(given, context) {
    const all = new Given('connbytes', specs, given, context);
    const one = all.need('connbytes', '--connbytes 1000: --connbytes-mode bytes --connbytes-dir both');
    const { low, high } = readRange(all, one);
    const [from, to] = one.invert ? [high, low] : [low, high];
    return { from, to, mode: readWord(all, 'connbytes-mode', MODES), direction: readWord(all, 'connbytes-dir', DIRECTIONS) };
  },

  print({ from, to, mode, direction }) {
    const [low, high] = from > to ? [to, from] : [from, to];
    const range = high === MOST || high === 0n ? `${low}` : `${low}:${high}`;
    return `${bang(from > to)} --connbytes ${range} --connbytes-mode ${mode} --connbytes-dir ${direction}`;
  },

  evaluate(options, { connection }) {
    if (connection === null || connection.counters === null) return false;
    const value = measured(options, connection.counters);
    return options.to >= options.from ? value >= options.from && value <= options.to : value < options.to || value > options.from;
  },

  lower({ from, to, mode, direction }) {
    const halves = (value: bigint): [number, number] => [Number(value & 0xffffffffn), Number(value >> 32n)];
    const parameters = [MODES.indexOf(mode), DIRECTIONS.indexOf(direction), ...halves(from), ...halves(to)];
    return [{ kind: 'special', code: SPECIAL_CONNBYTES, parameters, stateful: false }];
  },

  generate(draw) {
    const mode = draw.pick(MODES);
    const edges =
      mode === 'packets' ? [0, 1, 2, 3, 5, 10] : mode === 'bytes' ? [0, 40, 60, 100, 200, 500, 1000] : [0, 20, 40, 52, 60, 100];
    const [one, two] = [draw.pick(edges), draw.pick(edges)];
    const range = draw.pick([`${one}`, `${one}:`, `:${one}`, `${Math.min(one, two)}:${Math.max(one, two)}`]);
    return [
      ...(draw.chance(0.25) ? ['!'] : []),
      '--connbytes',
      range,
      '--connbytes-mode',
      mode,
      '--connbytes-dir',
      draw.pick(DIRECTIONS),
    ];
  },

  show(options, { connection }) {
    if (connection === null || connection.counters === null) return 'no connection';
    return `${options.mode} (${options.direction}) ${measured(options, connection.counters)}`;
  },
};

/** What is asked about; an average of nothing is 0. */
function measured({ mode, direction }: ConnbytesOptions, counters: NonNullable<ConnectionView['counters']>): bigint {
  const sides: readonly Counter[] = direction === 'both' ? counters : [counters[direction === 'original' ? 0 : 1]];
  const packets = sides.reduce((sum, side) => sum + BigInt(side.packets), 0n);
  const bytes = sides.reduce((sum, side) => sum + BigInt(side.bytes), 0n);
  if (mode === 'packets') return packets;
  return mode === 'bytes' ? bytes : packets === 0n ? 0n : bytes / packets;
}

function readWord<T extends string>(all: Given, name: string, words: readonly T[]): T {
  const one = all.need(name, `--${name} ${words[0]}`);
  const found = words.find((word) => word === textOf(one));
  if (found === undefined) throw all.wants(one, words.join(', '));
  return found;
}

/** NUMBER, FROM:, :TO or FROM:TO of 64 bits; a number alone is a lower end. */
function readRange(all: Given, one: GivenOption): { low: bigint; high: bigint } {
  const parts = textOf(one).split(':');
  const read = (text: string | undefined, empty: bigint): bigint | undefined => {
    if (text === undefined || text === '') return empty;
    return /^(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)$/i.test(text)
      ? BigInt(/^0[0-7]+$/.test(text) ? `0o${text.slice(1)}` : text)
      : undefined;
  };
  const [low, high] = [read(parts[0], 0n), read(parts[1], MOST)];
  if (parts.length > 2 || textOf(one) === '' || low === undefined || high === undefined || low > MOST || high > MOST) {
    throw all.wants(one, 'FROM:TO, each a number of 64 bits');
  }
  if (low > high) throw all.wants(one, 'FROM:TO', `write ${high}:${low}`);
  return { low, high };
}
