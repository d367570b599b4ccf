/** `-m policy`: the IPsec policy a packet came or goes by. Kernel: net/netfilter/xt_policy.c. Packets are taken to have none. */
import { parseProtocol } from '../model/names.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { Family } from '../model/ruleset.ts';
import { type AddressCondition, printAddress, readHost } from './conntrack-options.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, hex, option, textOf, writtenName } from './given.ts';
import { constant } from './tests.ts';

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
  about: 'IPsec policy; packets are taken to have none',

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

  evaluate: (options) => options.policy === 'none',
  lower: ({ policy: pol }) => [constant(pol === 'none')],

  generate(draw, _, { chain = '' }) {
    const outward = ['OUTPUT', 'POSTROUTING'].includes(chain) || (chain === 'FORWARD' && draw.chance());
    const out = ['--dir', outward ? 'out' : 'in', '--pol', draw.pick(['none', 'ipsec'])];
    if (out[3] === 'none' || draw.chance()) return out;
    return [
      ...out,
      ...(draw.chance(0.3) ? ['!'] : []),
      ...draw.pick([
        ['--reqid', '1'],
        ['--spi', '0x10'],
        ['--proto', 'esp'],
        ['--mode', 'tunnel'],
      ]),
    ];
  },

  show: () => 'no IPsec policy',
};

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
    if (tunnel !== undefined && element.mode?.text !== 'tunnel')
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
