/** An IPv4 packet as the same packet in IPv6: addresses under a prefix, the transport header as it was, a right checksum right and a wrong one wrong. */

const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
/** 2001:db8::, with the IPv4 address behind it. */
const PREFIX = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0];
/** Where the checksum stands of protocols that sum their addresses up. */
const CHECKSUM_AT: Record<number, number> = { 6: 16, 17: 6 };

/** Of a packet without IP options whose protocol is not ICMP. */
export function asIpv6(packet: Uint8Array): Uint8Array {
  // Not slice(): a Buffer's shares memory.
  const transport = new Uint8Array(packet.subarray(IPV4_HEADER));
  const protocol = packet[9]!;
  const out = new Uint8Array(IPV6_HEADER + transport.length);
  out.set([0x60, 0, 0, 0, transport.length >> 8, transport.length & 255, protocol, packet[8]!]);
  out.set([...PREFIX, ...packet.subarray(12, 16)], 8);
  out.set([...PREFIX, ...packet.subarray(16, 20)], 24);
  const at = CHECKSUM_AT[protocol];
  if (at !== undefined && at + 2 <= transport.length) addToSum(transport, at, 2 * (0x2001 + 0x0db8));
  out.set(transport, IPV6_HEADER);
  return out;
}

/** RFC 1624: what more is summed up; UDP's 0 stays none. */
function addToSum(transport: Uint8Array, at: number, more: number): void {
  const sum = (transport[at]! << 8) | transport[at + 1]!;
  if (sum === 0) return;
  let inverse = (~sum & 0xffff) + more;
  while (inverse > 0xffff) inverse = (inverse & 0xffff) + (inverse >> 16);
  transport[at] = (~inverse & 0xffff) >> 8;
  transport[at + 1] = ~inverse & 0xff;
}
