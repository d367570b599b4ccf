/** `-m pkttype`: how the link layer addressed the packet. Kernel: net/netfilter/xt_pkttype.c. */
import { FIELD_PACKET_TYPE, PACKET_BROADCAST, PACKET_HOST, PACKET_MULTICAST, PACKET_OTHERHOST } from '../abi/fields.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, option, textOf } from './given.ts';
import { range } from './tests.ts';

export interface PkttypeOptions {
  /** PACKET_*. */
  type: number;
  invert: boolean;
}

const specs = [option('pkt-type', { invertible: true })];
/** The printed names first, then aliases. */
const TYPES: readonly (readonly [string, number])[] = [
  ['unicast', PACKET_HOST],
  ['broadcast', PACKET_BROADCAST],
  ['multicast', PACKET_MULTICAST],
  ['otherhost', PACKET_OTHERHOST],
  ['bcast', PACKET_BROADCAST],
  ['mcast', PACKET_MULTICAST],
  ['host', PACKET_HOST],
];
const NUMBER = { unicast: PACKET_HOST, broadcast: PACKET_BROADCAST, multicast: PACKET_MULTICAST } as const;

export const pkttype: MatchExtension<PkttypeOptions> = {
  name: 'pkttype',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'unicast, broadcast or multicast on the link',
  parse(given, context) {
    const all = new Given('pkttype', specs, given, context);
    const one = all.need('pkt-type', '--pkt-type broadcast');
    const found = TYPES.find(([name]) => name === textOf(one).toLowerCase());
    if (found === undefined) throw all.wants(one, 'unicast, broadcast, multicast or otherhost');
    return { type: found[1], invert: one.invert };
  },
  print: ({ type, invert }) => `${bang(invert)} --pkt-type ${TYPES.find(([, number]) => number === type)?.[0] ?? type}`,
  evaluate: ({ type, invert }, packet) => (NUMBER[packet.packetType] === type) !== invert,
  lower: ({ type, invert }) => [range(FIELD_PACKET_TYPE, type, type, invert)],
  generate: (draw) => [...(draw.chance(0.2) ? ['!'] : []), '--pkt-type', draw.pick(TYPES)[0]],
  show: (_, packet) => packet.packetType,
};
