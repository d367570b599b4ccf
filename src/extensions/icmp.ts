/** `-m icmp`: type and code. Kernel: net/netfilter/xt_tcpudp.c (icmp_match). */
import type { MatchExtension } from './extension.ts';
import { Given, option } from './given.ts';
import {
  generateIcmp,
  ICMP_TYPES,
  type IcmpOptions,
  icmpMatches,
  icmpTests,
  printIcmp,
  readIcmp,
  showIcmp,
} from './icmp-types.ts';

const specs = [option('icmp-type', { invertible: true })];

/** The type that stands for every type. */
const ANY = 255;

export const icmp: MatchExtension<IcmpOptions> = {
  name: 'icmp',
  kind: 'match',
  families: [4],
  options: specs,
  about: 'ICMP type and code',
  legality: { protocols: [1] },
  implicitFor: [1],
  parse(given, context) {
    const all = new Given('icmp', specs, given, context);
    return readIcmp(all, all.need('icmp-type', '--icmp-type echo-request'), ICMP_TYPES);
  },
  print: (options) => printIcmp('icmp-type', options, options.type === ANY),
  evaluate: (options, packet) => icmpMatches(options, options.type === ANY, packet),
  lower: (options) => icmpTests(options, options.type === ANY),
  generate: (draw) => generateIcmp(draw, 'icmp-type', ICMP_TYPES),
  show: (_, packet) => showIcmp(packet),
};
