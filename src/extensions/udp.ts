/** `-m udp`: ports. Kernel: net/netfilter/xt_tcpudp.c (udp_mt); nft: iptables 1.8.9 add_nft_udp. */
import { FIELD_DPORT, FIELD_SPORT } from '../abi/fields.ts';
import type { MatchExtension } from './extension.ts';
import { Given, option } from './given.ts';
import { nativePorts, nativePortTests } from './native-ports.ts';
import { generatePorts, type PortRange, portAt, portMatches, portTests, printPorts, readPortsLoosely } from './ports.ts';
import { notFragment, transportHas } from './tests.ts';

export interface UdpOptions {
  sourcePort?: PortRange;
  destinationPort?: PortRange;
}

const specs = [
  option(['source-port', 'sport'], { invertible: true }),
  option(['destination-port', 'dport'], { invertible: true }),
];
const HEADER = 8;

export const udp: MatchExtension<UdpOptions> = {
  name: 'udp',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'UDP ports',
  legality: { protocols: [17] },
  implicitFor: [17],
  isNative,

  parse(given, context) {
    const all = new Given('udp', specs, given, context);
    const source = all.get('source-port');
    const destination = all.get('destination-port');
    return {
      ...(source === undefined ? {} : { sourcePort: readPortsLoosely(all, source) }),
      ...(destination === undefined ? {} : { destinationPort: readPortsLoosely(all, destination) }),
    };
  },

  print: ({ sourcePort, destinationPort }) => printPorts('sport', sourcePort) + printPorts('dport', destinationPort),

  evaluate(options, packet, { profile }) {
    const { sourcePort, destinationPort } = options;
    const { fragmentOffset, transport } = packet;
    if (profile.backend === 'nft' && isNative(options)) return nativePorts(sourcePort, destinationPort, packet);
    if (fragmentOffset !== 0) return false;
    if (transport.length < HEADER) return 'hotdrop';
    return portMatches(sourcePort, portAt(transport, 0)) && portMatches(destinationPort, portAt(transport, 2));
  },

  lower(options, { profile }) {
    const { sourcePort, destinationPort } = options;
    if (profile.backend === 'nft' && isNative(options)) return nativePortTests(sourcePort, destinationPort);
    const ports = [...portTests(FIELD_SPORT, sourcePort), ...portTests(FIELD_DPORT, destinationPort)];
    return [notFragment(), transportHas(HEADER, 'hotdrop'), ...ports];
  },

  generate(draw, pools) {
    const out: string[] = [];
    if (draw.chance(0.4)) out.push(...(draw.chance(0.2) ? ['!'] : []), '--sport', generatePorts(draw, pools));
    if (draw.chance(0.7)) out.push(...(draw.chance(0.2) ? ['!'] : []), '--dport', generatePorts(draw, pools));
    return out;
  },

  show(_, { fragmentOffset, transport }) {
    if (transport.length < 4) return `${transport.length} bytes of UDP`;
    const ports = `sport ${portAt(transport, 0)}, dport ${portAt(transport, 2)}`;
    return fragmentOffset === 0 ? ports : `fragment at offset ${fragmentOffset} (${ports})`;
  },
};

/** A match that says nothing stays the kernel module in iptables-nft. */
function isNative({ sourcePort, destinationPort }: UdpOptions): boolean {
  return [sourcePort, destinationPort].some(
    (ports) => ports !== undefined && (ports.low !== 0 || ports.high !== 0xffff || ports.invert),
  );
}
