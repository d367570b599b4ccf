/** `-j HMARK`: the packet mark from a hash of addresses, ports and protocol. Kernel: net/netfilter/xt_HMARK.c. */
import { EFFECT_HMARK } from '../abi/effects.ts';
import { FIELD_MARK } from '../abi/fields.ts';
import { prefixMask, prefixOf } from '../model/address.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { Words } from '../model/ruleset.ts';
import { prefixLength } from './conntrack-options.ts';
import type { GivenOption, ParseContext, TargetExtension } from './extension.ts';
import { Given, hex, option, textOf, writtenName } from './given.ts';
import { hashedMark } from './hmark-hash.ts';

export interface HmarkOptions {
  /** The connection's addresses and ports instead of the packet's. */
  connection: boolean;
  source?: Words;
  destination?: Words;
  /** Of both ports (the source's above the destination's) or the SPI: mask, and what is set. */
  mask: number;
  set: number;
  protocolMask: number;
  seed: number;
  modulus: number;
  offset?: number;
  /** Which of the options about ports, SPI and protocol are printed. */
  named: readonly Named[];
}

/** Options about the 32 bits of ports or SPI: where they lie in them. */
const PLACES = {
  'hmark-sport-mask': 16,
  'hmark-dport-mask': 0,
  'hmark-spi-mask': 0,
  'hmark-sport': 16,
  'hmark-dport': 0,
  'hmark-spi': 0,
} as const;
type Place = keyof typeof PLACES;
type Named = Place | 'hmark-proto-mask';

const PREFIXES = ['hmark-src-prefix', 'hmark-dst-prefix'] as const;
const places = Object.keys(PLACES) as Place[];
const NAMES = ['hmark-tuple', ...PREFIXES, ...places, 'hmark-proto-mask', 'hmark-rnd', 'hmark-mod', 'hmark-offset'];
const specs = NAMES.map((name) => option(name));
/** What --hmark-tuple lists: a word that is abbreviated means the first of these. */
const TUPLE: readonly (readonly [string, string])[] = [
  ['ct', 'ct'],
  ['src', 'hmark-src-prefix'],
  ['dst', 'hmark-dst-prefix'],
  ['sport', 'hmark-sport-mask'],
  ['dport', 'hmark-dport-mask'],
  ['proto', 'hmark-proto-mask'],
  ['spi', 'hmark-spi-mask'],
];
const U32 = 0xffffffff;
const U16 = 0xffff;

export const HMARK: TargetExtension<HmarkOptions> = {
  name: 'HMARK',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'sets the packet mark to a hash of addresses, ports and protocol',

  parse(given, context) {
    const all = new Given('HMARK', specs, given, context);
    const tuple = all.get('hmark-tuple');
    const whole = tuple === undefined ? [] : readTuple(all, tuple, given);
    const has = (name: string): boolean => whole.includes(name) || all.has(name);
    checkTogether(all, has);
    const of = (name: Place): number => fieldOf(all, name, whole.includes(name));
    const offset = all.get('hmark-offset');
    const [source, destination] = PREFIXES.map((name) => readPrefix(all, name, whole.includes(name), context));
    return {
      connection: whole.includes('ct'),
      ...(source === undefined ? {} : { source }),
      ...(destination === undefined ? {} : { destination }),
      mask: (of('hmark-sport-mask') | of('hmark-dport-mask') | of('hmark-spi-mask')) >>> 0,
      set: (of('hmark-sport') | of('hmark-dport') | of('hmark-spi')) >>> 0,
      protocolMask: whole.includes('hmark-proto-mask') ? U16 : numberOf(all, 'hmark-proto-mask', U16),
      seed: all.number(all.need('hmark-rnd', '--hmark-rnd 0xcafe'), U32),
      modulus: all.number(all.need('hmark-mod', '--hmark-mod 10'), U32, 1),
      ...(offset === undefined ? {} : { offset: all.number(offset, U32) }),
      named: [...places, 'hmark-proto-mask' as const].filter(has),
    };
  },

  print({ connection, source, destination, mask, set, protocolMask, seed, modulus, offset, named }) {
    const prefix = (name: string, words: Words | undefined): string =>
      words === undefined ? '' : ` --${name} ${prefixOf(words)}`;
    const field = (name: Named): string => {
      if (name === 'hmark-proto-mask') return ` --${name} ${hex(protocolMask, 2)}`;
      const word = name.endsWith('-mask') ? mask : set;
      return ` --${name} ${name.includes('spi') ? hex(word, 8) : hex((word >>> PLACES[name]) & U16, 4)}`;
    };
    return [
      prefix('hmark-src-prefix', source),
      prefix('hmark-dst-prefix', destination),
      ...named.map(field),
      ` --hmark-rnd ${hex(seed, 8)} --hmark-mod ${modulus}`,
      offset === undefined ? '' : ` --hmark-offset ${offset}`,
      connection ? ' --hmark-tuple ct' : '',
    ].join('');
  },

  evaluate(options, packet, effects, { profile }) {
    const mark = hashedMark(options, packet, profile.kernel === '6.12');
    if (mark !== undefined) effects.setMark(mark);
    return 'continue';
  },

  lower({ connection, source = [], destination = [], mask, set, protocolMask, seed, modulus, offset = 0 }) {
    const four = (words: Words): number[] => [0, 1, 2, 3].map((index) => words[index] ?? 0);
    const parameters = [
      connection ? 1 : 0,
      ...four(source),
      ...four(destination),
      mask,
      set,
      protocolMask,
      seed,
      modulus,
      offset,
    ];
    return { kind: 'effect', code: EFFECT_HMARK, parameters, changes: [FIELD_MARK] };
  },

  generate(draw, _, { family }) {
    const part = (chance: number, ...words: string[]): string[] => (draw.chance(chance) ? words : []);
    const ports = draw.pick([
      () => [
        ...part(0.5, '--hmark-sport-mask', '0xffff'),
        ...part(0.5, '--hmark-dport-mask', '0xff0f'),
        ...part(0.2, '--hmark-dport', '5'),
      ],
      () => [...part(0.5, '--hmark-spi-mask', '0xffff00ff'), ...part(0.3, '--hmark-spi', '0x100')],
      () => [
        '--hmark-tuple',
        draw.pick(['src,dst,sport,dport,proto', 'ct,src,dst,sport,dport,proto', 'ct', 'src,dst', 'dst,proto', 'spi']),
      ],
    ])();
    const bits = family === 4 ? ['32', '24', '8'] : ['128', '64', '33'];
    const prefixes = ports.includes('--hmark-tuple')
      ? []
      : [
          ...part(0.8, '--hmark-src-prefix', draw.pick(bits)),
          '--hmark-dst-prefix',
          draw.pick(bits),
          ...part(0.4, '--hmark-proto-mask', '0xff'),
        ];
    const modulus = draw.pick(['2', '3', '16', '4294967295']);
    return [
      ...prefixes,
      ...ports,
      '--hmark-rnd',
      draw.pick(['0', '0xcafe']),
      '--hmark-mod',
      modulus,
      ...part(0.3, '--hmark-offset', '1'),
    ];
  },
};

/** What the words of a tuple stand for; an option that says the same may stand before it, and does not count then. */
function readTuple(all: Given, one: GivenOption, given: readonly GivenOption[]): string[] {
  const meant = textOf(one)
    .split(',')
    .map((word) => {
      const found = TUPLE.find(([name]) => word !== '' && name.startsWith(word.toLowerCase()));
      if (found === undefined) throw all.wants(one, `a list of ${TUPLE.map(([name]) => name).join(', ')}`);
      return found[1];
    });
  const late = given.slice(given.indexOf(one) + 1).find(({ name }) => meant.includes(name));
  if (late !== undefined) throw all.complain(late, `${writtenName(late)} says what ${writtenName(one)} has said`);
  return meant;
}

function checkTogether(all: Given, has: (name: string) => boolean): void {
  const ports = (end: string): boolean => has(`hmark-sport${end}`) || has(`hmark-dport${end}`);
  for (const end of ['-mask', ''])
    if (has(`hmark-spi${end}`) && ports(end))
      throw all.missing(`--hmark-spi${end} cannot be given together with that of a port`, '--hmark-tuple src,dst,spi');
  if (![...PREFIXES, ...places, 'hmark-proto-mask', 'ct'].some(has))
    throw all.missing('wants --hmark-tuple', '--hmark-tuple src,dst');
}

function fieldOf(all: Given, name: Place, whole: boolean): number {
  const most = name.includes('spi') ? U32 : U16;
  return ((whole ? most : numberOf(all, name, most)) << PLACES[name]) >>> 0;
}

function numberOf(all: Given, name: string, most: number): number {
  const one = all.get(name);
  if (one === undefined) return 0;
  const value = parseUnsigned(textOf(one), most);
  if (value === undefined) throw all.wants(one, `a number up to ${most}`);
  return value;
}

function readPrefix(all: Given, name: string, whole: boolean, { family }: ParseContext): Words | undefined {
  const one = all.get(name);
  if (whole) return prefixMask(family === 4 ? 32 : 128, family);
  if (one === undefined) return undefined;
  const bits = prefixLength(textOf(one), family);
  if (bits === undefined) throw all.wants(one, 'a prefix length or a mask');
  return prefixMask(bits, family);
}
