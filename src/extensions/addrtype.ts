/** `-m addrtype`: what the host's routes say of an address. Kernel: net/netfilter/xt_addrtype.c (revision 1). */

import { formatAddress } from '../model/address.ts';
import type { Family } from '../model/ruleset.ts';
import { addressTypesMatch, addressTypeTests, kinds6 } from './addrtype-kernel.ts';
import type { GivenOption, Legality, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf, writtenName } from './given.ts';

export interface TypeSet {
  /** Bits 1 << RTN_*. */
  mask: number;
  invert: boolean;
}

export interface AddrtypeOptions {
  source?: TypeSet;
  destination?: TypeSet;
  /** --limit-iface-in, --limit-iface-out. */
  device?: 'in' | 'out';
}

const specs = [
  option('src-type', { invertible: true }),
  option('dst-type', { invertible: true }),
  option('limit-iface-in', { argument: 'none' }),
  option('limit-iface-out', { argument: 'none' }),
];
/** By RTN_* number. */
const TYPES = 'UNSPEC UNICAST LOCAL BROADCAST ANYCAST MULTICAST BLACKHOLE UNREACHABLE PROHIBIT THROW NAT XRESOLVE'.split(' ');
/** UNSPEC, UNICAST, LOCAL, ANYCAST, MULTICAST, UNREACHABLE. */
const IN_IPV6 = [0, 1, 2, 4, 5, 7];
const HOOKS: Readonly<Record<'in' | 'out', readonly string[]>> = {
  in: ['PREROUTING', 'INPUT', 'FORWARD'],
  out: ['FORWARD', 'OUTPUT', 'POSTROUTING'],
};

export const addrtype: MatchExtension<AddrtypeOptions> = {
  name: 'addrtype',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'type of an address by the host: LOCAL, BROADCAST, MULTICAST...',

  parse(given, context) {
    const all = new Given('addrtype', specs, given, context);
    all.needOne(['src-type', 'dst-type'], '--dst-type LOCAL');
    all.exclusive(['limit-iface-in', 'limit-iface-out']);
    const source = all.get('src-type');
    const destination = all.get('dst-type');
    const device = all.has('limit-iface-in') ? 'in' : all.has('limit-iface-out') ? 'out' : undefined;
    if (device !== undefined) checkChain(all, device, context.chain);
    return {
      ...(source === undefined ? {} : { source: readTypes(all, source, context.family) }),
      ...(destination === undefined ? {} : { destination: readTypes(all, destination, context.family) }),
      ...(device === undefined ? {} : { device }),
    };
  },

  legalityOf({ device }): Legality | undefined {
    return device === undefined ? undefined : { hooks: HOOKS[device] };
  },

  print({ source, destination, device }) {
    return `${printTypes('src-type', source)}${printTypes('dst-type', destination)}${device === undefined ? '' : ` --limit-iface-${device}`}`;
  },

  evaluate: addressTypesMatch,
  lower: (options, { family }) => addressTypeTests(options, family),

  generate(draw, _, { family, chain = '' }) {
    const pool = family === 4 ? ['UNICAST', 'LOCAL', 'BROADCAST', 'MULTICAST', 'ANYCAST'] : ['UNICAST', 'LOCAL', 'MULTICAST'];
    const some = (name: string): string[] => {
      const many = family === 4 && draw.chance(0.3);
      const types = many ? [...new Set([draw.pick(pool), draw.pick(pool)])].join(',') : draw.pick(pool);
      return [...(draw.chance(0.2) ? ['!'] : []), name, types];
    };
    const both = [...some('--src-type'), ...some('--dst-type')];
    const devices = (['in', 'out'] as const).filter((device) => HOOKS[device].includes(chain) && draw.chance(0.3));
    const asked = draw.pick([() => some('--src-type'), () => some('--dst-type'), () => both])();
    return devices.length === 0 ? asked : [...asked, `--limit-iface-${draw.pick(devices)}`];
  },

  show: (_, packet) => `src ${formatAddress(packet.source)}, dst ${formatAddress(packet.destination)}`,
};

/** Built-in chains are judged here; user chains by who calls them (legalityOf). */
function checkChain(all: Given, device: 'in' | 'out', chain: string): void {
  const one = all.get(`limit-iface-${device}`);
  const other = HOOKS[device === 'in' ? 'out' : 'in'];
  if (one === undefined || !other.includes(chain) || HOOKS[device].includes(chain)) return;
  throw all.complain(
    one,
    `--limit-iface-${device} has no device to look at in ${chain}`,
    `it works in ${HOOKS[device].join(', ')}`,
  );
}

/** Names may be abbreviated: the first in order of numbers counts (`U` is UNSPEC). */
function readTypes(all: Given, one: GivenOption, family: Family): TypeSet {
  let mask = 0;
  for (const word of textOf(one).split(',')) {
    const type = word === '' ? -1 : TYPES.findIndex((name) => name.startsWith(word.toUpperCase()));
    if (type < 0) throw all.wants(one, `a list of ${TYPES.join(', ')}`);
    if (family === 6 && !IN_IPV6.includes(type)) {
      throw all.complain(
        one,
        `${writtenName(one)} ${TYPES[type]} does not exist in IPv6`,
        `IPv6 has ${IN_IPV6.map((each) => TYPES[each]).join(', ')}`,
      );
    }
    mask |= 1 << type;
  }
  const { addresses, routes } = kinds6(mask);
  if (family === 6 && one.invert && addresses > 0 && routes > 0) {
    throw all.context.error(`addrtype: ! ${writtenName(one)} with types of both kinds is not supported in IPv6`, {
      at: one.position,
      kind: 'unsupported',
      hint: 'ask for UNICAST, MULTICAST or UNSPEC in one match and for LOCAL, ANYCAST or UNREACHABLE in another',
    });
  }
  return { mask, invert: one.invert };
}

function printTypes(name: string, set: TypeSet | undefined): string {
  if (set === undefined) return '';
  const names = TYPES.filter((_, type) => (set.mask & (1 << type)) !== 0);
  return `${bang(set.invert)} --${name} ${names.join(',')}`;
}
