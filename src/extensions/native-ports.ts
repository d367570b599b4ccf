/**
 * Ports as iptables-nft 1.8.9 compiles them (add_nft_tcpudp): payload loads at the transport header, whatever the fragment offset, and a
 * load beyond the end of the packet is a miss. Two single ports with the same inversion become one four-byte comparison, so that two
 * inverted ports mean "not both" instead of "neither". An inverted whole range is no test at all.
 */
import { FIELD_DPORT, FIELD_SPORT } from '../abi/fields.ts';
import type { Test } from '../model/predicate.ts';
import type { PacketView } from '../packet/view.ts';
import { type PortRange, portAt, portMatches } from './ports.ts';
import { range, transportHas, words } from './tests.ts';

/**
 * Where payload expressions find the transport header. For a non-first IPv6 fragment ipv6_find_hdr leaves the offset at 0, so they read the IPv6
 * header itself (confirmed on 6.18), and so do the kernel's modules under both backends unless they ask for the fragment offset first (tcpmss, ecn).
 * The engine's fields of such a packet are expected to come from there too; no other test looks at them.
 */
export function nativeTransport({ family, fragmentOffset, bytes, transport }: PacketView): Uint8Array {
  return family === 6 && fragmentOffset !== 0 ? bytes : transport;
}

/** Both single, neither zero, inverted alike. */
function combined(source: PortRange | undefined, destination: PortRange | undefined): boolean {
  if (source === undefined || destination === undefined || source.invert !== destination.invert) return false;
  return [source, destination].every(({ low, high }) => low !== 0 && low === high);
}

function isTested(ports: PortRange | undefined): ports is PortRange {
  return ports !== undefined && (ports.low !== 0 || ports.high !== 0xffff);
}

export function nativePorts(source: PortRange | undefined, destination: PortRange | undefined, packet: PacketView): boolean {
  if (!isTested(source) && !isTested(destination)) return true;
  const transport = nativeTransport(packet);
  // A source port alone is read from a packet that ends behind it.
  if (transport.length < (isTested(destination) ? 4 : 2)) return false;
  const [sport, dport] = [portAt(transport, 0), portAt(transport, 2)];
  if (combined(source, destination)) return (sport === source?.low && dport === destination?.low) !== source?.invert;
  return (!isTested(source) || portMatches(source, sport)) && (!isTested(destination) || portMatches(destination, dport));
}

export function nativePortTests(source: PortRange | undefined, destination: PortRange | undefined): Test[] {
  if (!isTested(source) && !isTested(destination)) return [];
  const tests = [transportHas(isTested(destination) ? 4 : 2, 'miss')];
  if (source !== undefined && destination !== undefined && combined(source, destination)) {
    return [...tests, words(FIELD_SPORT, [0xffff, 0xffff], [source.low, destination.low], source.invert)];
  }
  if (isTested(source)) tests.push(range(FIELD_SPORT, source.low, source.high, source.invert));
  if (isTested(destination)) tests.push(range(FIELD_DPORT, destination.low, destination.high, destination.invert));
  return tests;
}
