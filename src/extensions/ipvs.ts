/** `-m ipvs`: what the load balancer knows of a packet. Kernel: net/netfilter/xt_ipvs.c. A capture does not say; where no annotation does, packets are taken to be none of its. */
import { FIELD_CT_DIRECTION, FIELD_CT_STATUS, FIELD_PROTOCOL, STATUS_ENTRY } from '../abi/fields.ts';
import type { Balanced } from '../model/annotations.ts';
import { parseProtocol } from '../model/names.ts';
import type { Test } from '../model/predicate.ts';
import type { Words } from '../model/ruleset.ts';
import { type AddressCondition, printAddress, readHost } from './conntrack-options.ts';
import { addressOf } from './drawn.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';
import { parsePortLoosely } from './ports.ts';
import { masked, oneOf, range, told } from './tests.ts';

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

/** Protocols that IPVS has connections of: TCP, UDP, ESP, AH, SCTP. */
const BALANCED = [6, 17, 50, 51, 132];
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
  about: 'what the load balancer (IPVS) knows of a packet; none of its where `--annotate` says nothing',

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
  evaluate({ property, protocol, address, port, direction, method, controlPort }, packet) {
    const connection = packet.annotation.ipvs;
    if (property !== undefined) return (connection !== undefined) !== property.invert;
    if (connection === undefined || !BALANCED.includes(packet.protocol)) return false;
    const is = (asked: NumberCondition | undefined, value: number | undefined): boolean =>
      asked === undefined || (asked.value === value) !== asked.invert;
    if (!is(protocol, packet.protocol) || !is(port, connection.vport) || !is(controlPort, connection.vportctl)) return false;
    if (direction !== undefined && (packet.connection === null || packet.direction !== direction)) return false;
    if (method !== undefined && (method.name === connection.vmethod) === method.invert) return false;
    return address === undefined || isIn(address, connection.vaddr) !== address.invert;
  },

  lower({ property, protocol, address, port, direction, method, controlPort }, { annotations }) {
    if (property !== undefined) return [told(annotations, ({ ipvs: balanced }) => (balanced === undefined) === property.invert)];
    const asked = (one: Balanced): [{ invert: boolean } | undefined, boolean][] => [
      [port, one.vport === port?.value],
      [controlPort, one.vportctl === controlPort?.value],
      [method, one.vmethod === method?.name],
      [
        address,
        address !== undefined && one.vaddr !== undefined && masks(one.vaddr, address) === masks(address.address, address),
      ],
    ];
    return [
      told(
        annotations,
        ({ ipvs: one }) =>
          one !== undefined && asked(one).every(([condition, so]) => condition === undefined || condition.invert !== so),
      ),
      oneOf(FIELD_PROTOCOL, BALANCED, false),
      ...(protocol === undefined ? [] : [range(FIELD_PROTOCOL, protocol.value, protocol.value, protocol.invert)]),
      ...(direction === undefined ? [] : directionTests(direction === 'REPLY' ? 1 : 0)),
    ];
  },

  generate(draw, pools, { family }) {
    const not = (): string[] => (draw.chance(0.4) ? ['!'] : []);
    return draw.pick([
      () => [...not(), '--ipvs'],
      () => [...not(), '--vproto', draw.pick(['tcp', 'udp', 'icmp'])],
      () => [...not(), '--vaddr', addressOf(draw, pools, family)],
      () => [...not(), draw.pick(['--vport', '--vportctl']), String(draw.pick(pools.ports))],
      () => ['--vdir', draw.pick(DIRECTIONS)],
      () => [...not(), '--vmethod', draw.pick(METHODS)],
    ])();
  },

  show: (_, { annotation: { ipvs: one } }) =>
    one === undefined ? 'none of IPVS' : `of IPVS, port ${one.vport ?? '(not told)'}, ${one.vmethod ?? '(not told)'}`,
};

/** What is not known lies in no network. */
function isIn({ address, mask }: AddressCondition, known: Words | undefined): boolean {
  return known !== undefined && mask.every((word, i) => (((known[i] ?? 0) ^ address[i]!) & word) === 0);
}

const masks = (address: Words, { mask }: AddressCondition): string =>
  mask.map((word, i) => ((address[i] ?? 0) & word) >>> 0).join(' ');

const directionTests = (wanted: 0 | 1): Test[] => [
  masked(FIELD_CT_STATUS, STATUS_ENTRY, STATUS_ENTRY),
  range(FIELD_CT_DIRECTION, wanted, wanted),
];

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
