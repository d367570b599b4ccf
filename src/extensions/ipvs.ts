/** `-m ipvs`: what the load balancer knows of a packet. Kernel: net/netfilter/xt_ipvs.c. Packets are taken to be none of its. */
import { parseProtocol } from '../model/names.ts';
import { type AddressCondition, printAddress, readHost } from './conntrack-options.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';
import { parsePortLoosely } from './ports.ts';
import { constant } from './tests.ts';

interface NumberCondition {
  value: number;
  invert: boolean;
}

export interface IpvsOptions {
  /** --ipvs with nothing else; all the others want an IPVS packet. */
  property?: { invert: boolean };
  protocol?: NumberCondition;
  address?: AddressCondition;
  port?: NumberCondition;
  direction?: 'ORIGINAL' | 'REPLY';
  method?: { name: (typeof METHODS)[number]; invert: boolean };
  controlPort?: NumberCondition;
}

const METHODS = ['GATE', 'IPIP', 'MASQ'] as const;
const DIRECTIONS = ['ORIGINAL', 'REPLY'] as const;
const invertible = { invertible: true };
const specs = [
  option('ipvs', { argument: 'none', invertible: true }),
  option('vproto', invertible),
  option('vaddr', invertible),
  option('vport', invertible),
  option('vdir'),
  option('vmethod', invertible),
  option('vportctl', invertible),
];
const NAMES = specs.flatMap(({ names }) => names);

export const ipvs: MatchExtension<IpvsOptions> = {
  name: 'ipvs',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'what the load balancer (IPVS) knows of a packet; packets are taken to be none of its',

  parse(given, context) {
    const all = new Given('ipvs', specs, given, context);
    all.needOne(NAMES, '--ipvs');
    const [own, protocol, address, port, direction, method, controlPort] = NAMES.map((name) => all.get(name));
    const others = given.length > (own === undefined ? 0 : 1);
    if (own?.invert && others) throw all.complain(own, '! --ipvs cannot be given together with other options');
    return {
      ...(own === undefined || others ? {} : { property: { invert: own.invert } }),
      ...(protocol === undefined ? {} : { protocol: readProtocol(all, protocol) }),
      ...(address === undefined ? {} : { address: readHost(all, address, context.family) }),
      ...(port === undefined ? {} : { port: readPort(all, port) }),
      ...(direction === undefined ? {} : { direction: readWord(all, direction, DIRECTIONS) }),
      ...(method === undefined ? {} : { method: { name: readWord(all, method, METHODS), invert: method.invert } }),
      ...(controlPort === undefined ? {} : { controlPort: readPort(all, controlPort) }),
    };
  },

  print({ property, protocol, address, port, direction, method, controlPort }) {
    const number = (name: string, one: NumberCondition | undefined): string =>
      one === undefined ? '' : `${bang(one.invert)} --${name} ${one.value}`;
    return [
      property === undefined ? '' : `${bang(property.invert)} --ipvs`,
      number('vproto', protocol),
      address === undefined ? '' : `${bang(address.invert)} --vaddr ${printAddress(address)}`,
      number('vport', port),
      direction === undefined ? '' : ` --vdir ${direction}`,
      method === undefined ? '' : `${bang(method.invert)} --vmethod ${method.name}`,
      number('vportctl', controlPort),
    ].join('');
  },

  // Everything but ! --ipvs wants a packet of IPVS, inverted or not.
  evaluate: ({ property }) => property?.invert === true,
  lower: ({ property }) => [constant(property?.invert ?? false)],

  generate(draw, pools) {
    const not = (): string[] => (draw.chance(0.4) ? ['!'] : []);
    return draw.pick([
      () => [...not(), '--ipvs'],
      () => [...not(), '--vproto', 'tcp'],
      () => [...not(), '--vport', String(draw.pick(pools.ports))],
      () => ['--vdir', draw.pick(DIRECTIONS)],
      () => [...not(), '--vmethod', draw.pick(METHODS)],
    ])();
  },

  show: () => 'none of IPVS',
};

function readProtocol(all: Given, one: GivenOption): NumberCondition {
  const value = parseProtocol(textOf(one));
  if (value === undefined) throw all.wants(one, 'a protocol, by name or number');
  return { value, invert: one.invert };
}

function readPort(all: Given, one: GivenOption): NumberCondition {
  const value = parsePortLoosely(textOf(one));
  if (value === undefined) throw all.wants(one, 'a port, by name or number');
  return { value, invert: one.invert };
}

/** One of some words, in any case. */
function readWord<T extends string>(all: Given, one: GivenOption, words: readonly T[]): T {
  const found = words.find((word) => word === textOf(one).toUpperCase());
  if (found === undefined) throw all.wants(one, words.join(' or '));
  return found;
}
