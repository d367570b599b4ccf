/**
 * `-j SYNPROXY`: answers a SYN in the server's place. Kernel: net/ipv4/netfilter/ipt_SYNPROXY.c, net/ipv6/netfilter/ip6t_SYNPROXY.c, nf_synproxy_core.c. The packets it takes for itself are
 * told as dropped: they go no further. What it sends in their place is in a capture as what it is.
 */
import { EFFECT_SYNPROXY } from '../abi/effects.ts';
import { pseudoHeaderSum, sum16 } from '../packet/checksum.ts';
import { headerHolds, isKnownRight } from '../packet/header-sum.ts';
import * as tcp from '../packet/tcp.ts';
import type { PacketView } from '../packet/view.ts';
import type { TargetExtension } from './extension.ts';
import { Given, option } from './given.ts';

export interface SynproxyOptions {
  sackPermitted: boolean;
  timestamp: boolean;
  scale?: number;
  mss?: number;
  ecn: boolean;
}

const TCP = 6;
const flag = (name: string) => option(name, { argument: 'none' });
const specs = [flag('sack-perm'), flag('timestamp'), option('wscale'), option('mss'), flag('ecn')];

export const SYNPROXY: TargetExtension<SynproxyOptions> = {
  name: 'SYNPROXY',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'answers opening TCP packets itself; what it takes is told as dropped',
  legality: { hooks: ['INPUT', 'FORWARD'], protocols: [TCP] },
  needsConntrack: true,
  parse(given, context) {
    const all = new Given('SYNPROXY', specs, given, context);
    const [scale, mss] = [all.get('wscale'), all.get('mss')];
    return {
      sackPermitted: all.has('sack-perm'),
      timestamp: all.has('timestamp'),
      ...(scale === undefined ? {} : { scale: all.number(scale, 0xffffffff) & 0xff }),
      ...(mss === undefined ? {} : { mss: all.number(mss, 0xffffffff) & 0xffff }),
      ecn: all.has('ecn'),
    };
  },
  print({ sackPermitted, timestamp, scale, mss, ecn }) {
    const number = (name: string, value: number | undefined): string => (value === undefined ? '' : ` --${name} ${value}`);
    return `${sackPermitted ? ' --sack-perm' : ''}${timestamp ? ' --timestamp' : ''}${number('wscale', scale)}${number('mss', mss)}${ecn ? ' --ecn' : ''}`;
  },
  evaluate(_, packet, __, context) {
    const { profile } = context;
    // Of a later IPv6 fragment the kernel knows no transport offset, and takes the IPv6 header for TCP's.
    const transport = packet.family === 6 && packet.fragmentOffset !== 0 ? packet.bytes : packet.transport;
    if (
      profile.prestack !== 'lenient' &&
      !packet.unfinished &&
      !isKnownRight(packet, context) &&
      !(checksumRight(packet, transport) && headerHolds(packet, context))
    )
      return 'DROP';
    if (!tcp.hasHeader(transport) || tcp.headerLength(transport) < 20) return 'DROP';
    if (transport.length < tcp.headerLength(transport)) return 'DROP';
    const flags = tcp.flags(transport) & (tcp.FIN | tcp.SYN | tcp.RST | tcp.ACK);
    return flags === tcp.SYN || flags === tcp.ACK ? 'DROP' : 'continue';
  },
  lower: () => ({ kind: 'effect', code: EFFECT_SYNPROXY, parameters: [], changes: [] }),
  generate: (draw) => [
    ...specs.flatMap(({ names, argument }) => (argument === 'none' && draw.chance(0.3) ? [`--${names[0]}`] : [])),
    ...(draw.chance() ? ['--wscale', '7', '--mss', '1460'] : []),
  ],
};

function checksumRight({ source, destination }: PacketView, transport: Uint8Array): boolean {
  return sum16(transport, pseudoHeaderSum(source, destination, TCP, transport.length)) === 0xffff;
}
