/** `-m eui64`: the interface identifier of the source is made from its MAC. Kernel: net/ipv6/netfilter/ip6t_eui64.c. */
import { SPECIAL_EUI64 } from '../abi/special.ts';
import type { MatchExtension } from './extension.ts';
import { Given } from './given.ts';

export const eui64: MatchExtension<Record<string, never>> = {
  name: 'eui64',
  kind: 'match',
  families: [6],
  options: [],
  about: 'source address made from the Ethernet address',
  legality: { hooks: ['PREROUTING', 'INPUT', 'FORWARD'] },

  parse(given, context) {
    new Given('eui64', [], given, context);
    return {};
  },

  print: () => '',

  evaluate(_, { sourceMac, source }) {
    if (sourceMac === null) return false;
    const [a, b, c, d, e, f] = sourceMac as [number, number, number, number, number, number];
    const identifier = [a ^ 2, b, c, 0xff, 0xfe, d, e, f];
    const own = [source[2]!, source[3]!].flatMap((word) => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]);
    return identifier.every((byte, i) => byte === own[i]);
  },

  lower: () => [{ kind: 'special', code: SPECIAL_EUI64, parameters: [], stateful: false }],

  generate: () => [],

  show: (_, { sourceMac }) =>
    sourceMac === null ? 'no Ethernet' : `source ${sourceMac.map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`,
};
