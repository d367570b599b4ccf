/** `-m mac`: the Ethernet source. Kernel: net/netfilter/xt_mac.c; false, even inverted, where the packet came over no Ethernet. */
import { FIELD_MAC_HIGH } from '../abi/fields.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';
import { range, words } from './tests.ts';

export interface MacOptions {
  /** Six bytes. */
  address: readonly number[];
  invert: boolean;
}

const specs = [option('mac-source', { invertible: true })];
/** In MAC_HIGH: there is an Ethernet header. */
const ETHERNET = 0x10000;

export const mac: MatchExtension<MacOptions> = {
  name: 'mac',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'Ethernet source address',
  legality: { hooks: ['PREROUTING', 'INPUT', 'FORWARD'] },

  parse(given, context) {
    const all = new Given('mac', specs, given, context);
    const one = all.need('mac-source', '--mac-source 00:11:22:33:44:55');
    return { address: readMac(all, one), invert: one.invert };
  },

  print: ({ address, invert }) => `${bang(invert)} --mac-source ${printMac(address)}`,

  evaluate({ address, invert }, { sourceMac }) {
    return sourceMac !== null && address.every((byte, i) => byte === sourceMac[i]) !== invert;
  },

  lower({ address, invert }) {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = address;
    const value = [ETHERNET | (a << 8) | b, ((c << 24) | (d << 16) | (e << 8) | f) >>> 0];
    const same = words(FIELD_MAC_HIGH, [0xffffffff, 0xffffffff], value, invert);
    return invert ? [range(FIELD_MAC_HIGH, ETHERNET, 0x1ffff), same] : [same];
  },

  generate(draw, pools) {
    const address = pools.macs.length > 0 ? draw.pick(pools.macs) : '02:00:00:00:00:01';
    return [...(draw.chance(0.2) ? ['!'] : []), '--mac-source', address];
  },

  show: (_, { sourceMac }) => (sourceMac === null ? 'no Ethernet' : `source ${printMac(sourceMac)}`),
};

/** Six groups of at most two hexadecimal digits; an empty group is 0, as strtoul has it. */
function readMac(all: Given, one: GivenOption): number[] {
  const groups = textOf(one).split(':');
  if (groups.length !== 6 || !groups.every((group) => /^(\s?[0-9a-f]|[0-9a-f]{0,2})$/i.test(group))) {
    throw all.wants(one, 'six hexadecimal bytes separated by colons', 'for example 00:11:22:33:44:55');
  }
  return groups.map((group) => Number.parseInt(group.trim() === '' ? '0' : group.trim(), 16));
}

function printMac(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
