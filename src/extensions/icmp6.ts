/** `-m icmp6`: type and code. Kernel: net/netfilter/xt_tcpudp.c (icmp6_match); no type means "any". */
import type { MatchExtension } from './extension.ts';
import { Given, option } from './given.ts';
import {
  generateIcmp,
  ICMP6_TYPES,
  type IcmpOptions,
  icmpMatches,
  icmpTests,
  printIcmp,
  readIcmp,
  showIcmp,
} from './icmp-types.ts';

const specs = [option('icmpv6-type', { invertible: true })];

export const icmp6: MatchExtension<IcmpOptions> = {
  name: 'icmp6',
  kind: 'match',
  families: [6],
  options: specs,
  about: 'ICMPv6 type and code',
  legality: { protocols: [58] },
  implicitFor: [58],
  parse(given, context) {
    const all = new Given('icmp6', specs, given, context);
    return readIcmp(all, all.need('icmpv6-type', '--icmpv6-type echo-request'), ICMP6_TYPES);
  },
  print: (options) => printIcmp('icmpv6-type', options, false),
  evaluate: (options, packet) => icmpMatches(options, false, packet),
  lower: (options) => icmpTests(options, false),
  generate: (draw) => generateIcmp(draw, 'icmpv6-type', ICMP6_TYPES),
  show: (_, packet) => showIcmp(packet),
};
