/** `-m set`: whether addresses, ports... of the packet are in a set of ipset. Kernel: net/netfilter/xt_set.c, revision 4. */
import {
  SET_COUNT_BYTES,
  SET_COUNT_EQUAL,
  SET_COUNT_GREATER,
  SET_COUNT_LESS,
  SET_COUNT_PACKETS,
  SET_COUNT_UNEQUAL,
  SET_INVERT,
  SET_NO_SUB_UPDATE,
  SET_NO_UPDATE,
  SET_NOMATCH,
  SPECIAL_SET,
} from '../abi/special.ts';
import { formatAddress } from '../model/address.ts';
import type { CounterTest, SetTest, SetUse } from '../model/ipset.ts';
import { parseBigUnsigned } from '../model/numbers.ts';
import type { Family } from '../model/ruleset.ts';
import type { Draw, GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf, writtenName } from './given.ts';

export interface SetOptions extends SetTest {
  invert: boolean;
}

const flag = (name: string, invertible: boolean) => option(name, { argument: 'none', invertible });
const counters = ['packets', 'bytes'].flatMap((what) =>
  ['eq', 'lt', 'gt'].map((how) => option(`${what}-${how}`, { invertible: how === 'eq' })),
);
const specs = [
  option(['match-set', 'set'], { argument: 'two', invertible: true }),
  flag('return-nomatch', false),
  flag('update-counters', true),
  flag('update-subcounters', true),
  ...counters,
];
const MOST_SIDES = 6;
/** What a name has room for, with the closing zero. */
const NAME_ROOM = 32;
const U64 = 0xffff_ffff_ffff_ffffn;

export const set: MatchExtension<SetOptions> = {
  name: 'set',
  kind: 'match',
  families: [4, 6],
  options: specs,
  keepsState: true,
  about: 'addresses, ports, MACs and marks in sets of ipset (`--ipset FILE`, all types)',

  parse(given, context) {
    const all = new Given('set', specs, given, context);
    const used = all.need('match-set', '--match-set NAME src');
    const [packets, bytes] = [readCounter(all, 'packets'), readCounter(all, 'bytes')];
    return {
      ...readUse(all, used),
      invert: used.invert,
      returnNomatch: all.has('return-nomatch'),
      updates: all.get('update-counters')?.invert !== true,
      subUpdates: all.get('update-subcounters')?.invert !== true,
      ...(packets === undefined ? {} : { packets }),
      ...(bytes === undefined ? {} : { bytes }),
    };
  },

  print({ set: name, sides, invert, returnNomatch, updates, subUpdates, packets, bytes }) {
    let out = `${bang(invert)} --match-set ${name} ${sides.join(',')}`;
    if (returnNomatch) out += ' --return-nomatch';
    if (!updates) out += ' ! --update-counters';
    if (!subUpdates) out += ' ! --update-subcounters';
    return out + printCounter('packets', packets) + printCounter('bytes', bytes);
  },

  evaluate: (options, packet, { sets }) => sets.test(options, packet) !== options.invert,

  lower({ invert, returnNomatch, updates, subUpdates, packets, bytes, ...use }, { sets }) {
    const flags =
      (invert ? SET_INVERT : 0) |
      (returnNomatch ? SET_NOMATCH : 0) |
      (updates ? 0 : SET_NO_UPDATE) |
      (subUpdates ? 0 : SET_NO_SUB_UPDATE) |
      counterBits(packets, SET_COUNT_PACKETS) |
      counterBits(bytes, SET_COUNT_BYTES);
    const [number, sides, sources] = useWords(use, sets);
    const parameters = [number, flags, sides, sources, ...twoWords(packets?.value), ...twoWords(bytes?.value)];
    return [{ kind: 'special', code: SPECIAL_SET, parameters, stateful: true }];
  },

  generate(draw, _, { family }) {
    const out = [...(draw.chance(0.15) ? ['!'] : []), '--match-set', ...drawUse(draw, family)];
    if (draw.chance(0.15)) out.push('--return-nomatch');
    if (draw.chance(0.1)) out.push('!', '--update-counters');
    if (draw.chance(0.1)) out.push('!', '--update-subcounters');
    if (draw.chance(0.15))
      out.push(
        ...draw.pick([['--packets-gt'], ['--packets-lt'], ['--packets-eq'], ['!', '--packets-eq']]),
        draw.pick(['1', '3', '5']),
      );
    if (draw.chance(0.1)) out.push(draw.pick(['--bytes-gt', '--bytes-lt']), draw.pick(['100', '400', '2000']));
    return out;
  },

  show: (_, { source, destination, mark }) =>
    `source ${formatAddress(source)}, destination ${formatAddress(destination)}, mark 0x${mark.toString(16)}`,
};

/** A set of the random rules, and sides for it. */
export function drawUse(draw: Draw, family: Family): string[] {
  const kinds = family === 4 ? GENERATED : GENERATED.filter((kind) => SIX.includes(kind));
  const kind = draw.pick(kinds);
  const sides = Array.from({ length: draw.chance(0.1) ? draw.integer(1, 4) : (PARTS[kind] ?? 1) }, () =>
    draw.pick(['src', 'dst']),
  );
  return [kind === 'ports' ? 'f_ports' : `f${family}_${kind}`, sides.join(',')];
}

/** Kinds of the sets that random rules ask (fuzz/sets.ts), those there are of IPv6, and how many parts their elements have where it is more than one. */
const GENERATED = [
  'ip',
  'masked',
  'net',
  'port',
  'netport',
  'portip',
  'portnet',
  'bitmap',
  'ports',
  'live',
  'class',
  'dev',
  'holes',
  'mac',
  'list',
];
const SIX = ['ip', 'net', 'port', 'portnet', 'ports', 'live', 'class', 'dev', 'list'];
const PARTS: Readonly<Record<string, number>> = {
  port: 2,
  netport: 2,
  portip: 3,
  portnet: 3,
  class: 2,
  dev: 2,
  holes: 2,
  mac: 2,
  list: 3,
};

/** `NAME src,dst`, as match and target name a set. */
export function readUse(all: Given, one: GivenOption): SetUse {
  const [name = '', flags = ''] = one.values;
  if (name === '' || name.length >= NAME_ROOM) throw all.wants(one, `the name of a set, of ${NAME_ROOM - 1} bytes at most`);
  const sides = flags.split(',');
  if (sides.length > MOST_SIDES) throw all.complain(one, `${writtenName(one)} takes ${MOST_SIDES} of src and dst at most`);
  if (!sides.every((side) => side === 'src' || side === 'dst'))
    throw all.wants(one, 'src and dst, with commas between them', undefined, flags);
  return { set: name, sides: sides as SetUse['sides'] };
}

/** The number of the set, of the sides, and bits of those that are the source's. */
export function useWords({ set: name, sides }: SetUse, sets: readonly string[] | undefined): [number, number, number] {
  const sources = sides.reduce((bits, side, i) => bits | (side === 'src' ? 1 << i : 0), 0);
  return [sets?.indexOf(name) ?? -1, sides.length, sources];
}

function readCounter(all: Given, what: 'packets' | 'bytes'): CounterTest | undefined {
  const names = ['eq', 'lt', 'gt'].map((how) => `${what}-${how}`);
  all.exclusive(names);
  for (const [i, how] of (['eq', 'lt', 'gt'] as const).entries()) {
    const one = all.get(names[i]!);
    if (one === undefined) continue;
    const value = parseBigUnsigned(textOf(one), U64);
    if (value === undefined) throw all.wants(one, 'a number of 64 bits');
    return { how: how === 'eq' && one.invert ? 'ne' : how, value };
  }
  return undefined;
}

function printCounter(what: string, test: CounterTest | undefined): string {
  if (test === undefined) return '';
  return `${bang(test.how === 'ne')} --${what}-${test.how === 'ne' ? 'eq' : test.how} ${test.value}`;
}

const HOW = { eq: SET_COUNT_EQUAL, ne: SET_COUNT_UNEQUAL, lt: SET_COUNT_LESS, gt: SET_COUNT_GREATER };

const counterBits = (test: CounterTest | undefined, shift: number): number => (test === undefined ? 0 : HOW[test.how] << shift);

const twoWords = (value = 0n): [number, number] => [Number(value & 0xffffffffn), Number(value >> 32n)];
