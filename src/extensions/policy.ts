/** `-m policy`: the IPsec policy a packet came or goes by. Kernel: net/netfilter/xt_policy.c. A capture does not say; where no annotation does, packets are taken to have none. */
import type { Transformation } from '../model/annotations.ts';
import { parseProtocol } from '../model/names.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { Family, Words } from '../model/ruleset.ts';
import { type AddressCondition, printAddress, readHost } from './conntrack-options.ts';
import { addressOf } from './drawn.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, hex, option, textOf, writtenName } from './given.ts';
import { told } from './tests.ts';

interface Said {
  text: string;
  invert: boolean;
}

/** What is asked of one transformation, in the order of printing. */
interface Element {
  reqid?: Said;
  spi?: Said;
  proto?: Said;
  mode?: Said;
  'tunnel-dst'?: AddressCondition;
  'tunnel-src'?: AddressCondition;
}

export interface PolicyOptions {
  direction: 'in' | 'out';
  policy: 'none' | 'ipsec';
  strict: boolean;
  elements: readonly Element[];
}

const MOST = 4;
const MAX = 0xffffffff;
const PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [50, 'esp'],
  [51, 'ah'],
  [108, 'ipcomp'],
]);
const MODES = ['transport', 'tunnel'];
const ONCE = ['dir', 'pol', 'strict'];
const specs = [
  option('dir'),
  option('pol'),
  option('strict', { argument: 'none' }),
  ...['reqid', 'spi', 'tunnel-src', 'tunnel-dst', 'proto', 'mode'].map((name) => option(name, { invertible: true })),
  option('next', { argument: 'none' }),
];

export const policy: MatchExtension<PolicyOptions> = {
  name: 'policy',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'IPsec policy; none where `--annotate` says nothing',

  legalityOf: ({ direction }) => ({
    hooks: direction === 'in' ? ['PREROUTING', 'INPUT', 'FORWARD'] : ['FORWARD', 'OUTPUT', 'POSTROUTING'],
  }),

  parse(given, context) {
    const all = new Given(
      'policy',
      specs,
      given.filter(({ name }) => ONCE.includes(name)),
      context,
    );
    const direction = all.need('dir', '--dir in --pol ipsec');
    const [pol, strict] = [all.get('pol'), all.get('strict')];
    const wantsOne = (one: GivenOption, words: readonly string[]): void => {
      if (!words.includes(textOf(one))) throw all.wants(one, words.join(' or '));
    };
    wantsOne(direction, ['in', 'out']);
    if (pol !== undefined) wantsOne(pol, ['none', 'ipsec']);
    const none = pol !== undefined && textOf(pol) === 'none';
    if (none && strict !== undefined) throw all.complain(strict, `${writtenName(strict)} has nothing to look at with --pol none`);
    const elements = readElements(
      all,
      given.filter(({ name }) => !ONCE.includes(name)),
      context.family,
      strict !== undefined,
    );
    return {
      direction: textOf(direction) === 'in' ? 'in' : 'out',
      policy: none ? 'none' : 'ipsec',
      strict: strict !== undefined,
      elements,
    };
  },

  print({ direction, policy: pol, strict, elements }) {
    const head = ` --dir ${direction} --pol ${pol}`;
    return pol === 'none' ? head : `${head}${strict ? ' --strict' : ''}${elements.map(printElement).join(' --next')}`;
  },

  evaluate({ direction, policy: pol, strict, elements }, { annotation }) {
    const path = (direction === 'in' ? annotation.ipsecin : annotation.ipsecout) ?? [];
    if (path.length === 0 || pol === 'none') return path.length === 0 && pol === 'none';
    // Any of them will do for the one element, or each has its own.
    if (!strict) return path.some((one) => isAsked(one, elements[0] ?? {}));
    return path.length === elements.length && path.every((one, i) => isAsked(one, elements[i]!));
  },

  lower: ({ direction, policy: pol, strict, elements }, { annotations }) => [
    told(annotations, ({ [`ipsec${direction}` as const]: path = [] }) => {
      if (pol === 'none') return path.length === 0;
      const fits = elements.map((element) => path.map((one) => meets(one, element)));
      const inOrder = path.length > 0 && fits.every((row, i) => row[i] === true) && fits.length === path.length;
      return strict ? inOrder : fits[0]?.includes(true) === true;
    }),
  ],

  generate(draw, pools, { chain = '', family }) {
    const outward = ['OUTPUT', 'POSTROUTING'].includes(chain) || (chain === 'FORWARD' && draw.chance());
    const out = ['--dir', outward ? 'out' : 'in', '--pol', draw.pick(['none', 'ipsec'])];
    if (out[3] === 'none' || draw.chance(0.3)) return out;
    const not = (): string[] => (draw.chance(0.3) ? ['!'] : []);
    const element = (): string[] => {
      const plain = [
        ['--reqid', '1'],
        ['--spi', '0x10'],
        ['--proto', draw.pick(['esp', 'ah'])],
        ['--mode', draw.pick(MODES)],
      ];
      if (draw.chance(0.7)) return [...not(), ...draw.pick(plain)];
      const mode = draw.chance(0.7) ? ['--mode', 'tunnel'] : ['!', '--mode', 'transport'];
      return [...mode, ...not(), draw.pick(['--tunnel-src', '--tunnel-dst']), addressOf(draw, pools, family)];
    };
    if (draw.chance()) return [...out, ...element()];
    return [...out, '--strict', ...element(), ...(draw.chance(0.4) ? ['--next', ...element()] : [])];
  },

  show({ direction }, { annotation }) {
    const path = (direction === 'in' ? annotation.ipsecin : annotation.ipsecout) ?? [];
    return path.length === 0
      ? 'no IPsec policy'
      : path.map(({ proto = 'IPsec', mode = '' }) => `${proto} ${mode}`.trim()).join(', ');
  },
};

/** The tools hand the number of --spi over as the machine has it, and the kernel compares it with the packet's bytes: on little-endian machines, as those that judge, its bytes are looked for the other way round. */
const swapped = (spi: number): number =>
  (((spi & 0xff) << 24) | ((spi & 0xff00) << 8) | ((spi >>> 8) & 0xff00) | (spi >>> 24)) >>> 0;

/** The same as it is printed. */
function backwards(spi: number): string {
  const bytes = spi.toString(16).padStart(8, '0').match(/../g) ?? [];
  return hex(Number(`0x${bytes.reverse().join('')}`));
}

/** What is not known of a transformation equals nothing. */
function isAsked(one: Transformation, asked: Element): boolean {
  const same = (said: Said | undefined, text: string | undefined): boolean =>
    said === undefined || (said.text === text) !== said.invert;
  const inNetwork = (condition: AddressCondition | undefined, address: Words | undefined): boolean => {
    if (condition === undefined) return true;
    const within = condition.mask.every((mask, i) => (((address?.[i] ?? 0) ^ condition.address[i]!) & mask) === 0);
    return (address !== undefined && within) !== condition.invert;
  };
  return (
    inNetwork(asked['tunnel-src'], one.src) &&
    inNetwork(asked['tunnel-dst'], one.dst) &&
    same(asked.proto, one.proto) &&
    same(asked.mode, one.mode) &&
    same(asked.spi, one.spi === undefined ? undefined : backwards(one.spi)) &&
    same(asked.reqid, one.reqid?.toString())
  );
}

/** The same, as conditions on numbers and words: all that are asked must be so, or not so where inverted. */
function meets({ proto, mode, spi, reqid, src, dst }: Transformation, asked: Element): boolean {
  const conditions: [{ invert: boolean } | undefined, boolean][] = [
    [asked.reqid, reqid === Number(asked.reqid?.text)],
    [asked.spi, asked.spi !== undefined && spi === swapped(Number(asked.spi.text))],
    [asked.proto, proto === asked.proto?.text],
    [asked.mode, mode === asked.mode?.text],
  ];
  for (const [side, end] of [[asked['tunnel-src'], src] as const, [asked['tunnel-dst'], dst] as const]) {
    const masked = (words: Words): string => String(side?.mask.map((mask, i) => ((words[i] ?? 0) & mask) >>> 0));
    conditions.push([side, side !== undefined && end !== undefined && masked(end) === masked(side.address)]);
  }
  return conditions.every(([condition, so]) => condition === undefined || so !== condition.invert);
}

/** From --next to --next. */
function readElements(all: Given, given: readonly GivenOption[], family: Family, strict: boolean): Element[] {
  const elements: Element[] = [{}];
  for (const one of given) {
    if (one.name === 'next') {
      if (!strict) throw all.complain(one, `${writtenName(one)} wants --strict`);
      if (elements.length === MOST) throw all.complain(one, `at most ${MOST} elements`);
      elements.push({});
      continue;
    }
    const name = one.name as keyof Element;
    const element = elements.at(-1)!;
    if (element[name] !== undefined) throw all.complain(one, `${writtenName(one)} can only be given once an element`);
    if (name === 'tunnel-src' || name === 'tunnel-dst') element[name] = readHost(all, one, family);
    else element[name] = readSaid(all, one, name);
  }
  for (const element of elements) {
    const tunnel = element['tunnel-src'] ?? element['tunnel-dst'];
    // Asked for, or the other mode not asked for.
    if (tunnel !== undefined && (element.mode?.text === 'tunnel') === (element.mode?.invert ?? false))
      throw all.context.error('policy: --tunnel-src and --tunnel-dst want --mode tunnel', { kind: 'illegal' });
    if (strict && Object.keys(element).length === 0)
      throw all.context.error('policy: --strict wants something asked of every element', {
        kind: 'illegal',
        hint: 'for example --reqid 1',
      });
  }
  return elements;
}

/** In the form it is printed in. */
function readSaid(all: Given, one: GivenOption, name: 'reqid' | 'spi' | 'proto' | 'mode'): Said {
  const text = textOf(one);
  if (name === 'reqid') return { text: String(all.number(one, MAX)), invert: one.invert };
  if (name === 'spi') return { text: hex(all.number(one, MAX)), invert: one.invert };
  if (name === 'mode') {
    if (!MODES.includes(text)) throw all.wants(one, MODES.join(' or '));
    return { text, invert: one.invert };
  }
  const protocol = PROTOCOLS.get(parseUnsigned(text, 255) ?? parseProtocol(text) ?? -1);
  if (protocol === undefined) throw all.wants(one, [...PROTOCOLS.values()].join(', '));
  return { text: protocol, invert: one.invert };
}

function printElement(element: Element): string {
  const said = (['reqid', 'spi', 'proto', 'mode'] as const).map((name) => {
    const one = element[name];
    return one === undefined ? '' : `${bang(one.invert)} --${name} ${one.text}`;
  });
  const ends = (['tunnel-dst', 'tunnel-src'] as const).map((name) => {
    const one = element[name];
    return one === undefined ? '' : `${bang(one.invert)} --${name} ${printAddress(one)}`;
  });
  return said.join('') + ends.join('');
}
