/**
 * Datagrams of this host that its kernel cut into fragments behind POSTROUTING (ip_finish_output, ip6_finish_output), as a capture shows them. Rules met them whole, so where none brings defragmentation
 * they are put together again. A raw socket may also send fragments of its own making, which rules do meet one by one: those are told by their size (model/host.ts); a last fragment by those that came before it (CUT in ipv4.ts, ipv6.ts).
 */

import { u8, u16 } from '../../packet/bytes.ts';
import * as ipv4 from '../../packet/ipv4.ts';
import * as ipv6 from '../../packet/ipv6.ts';
import type { Received } from '../packet.ts';

/** The kernel cuts by an MTU, of which all but the last fragment take as much as multiples of eight allow. It learns no smaller ones: net.ipv4.route.min_pmtu, IPV6_MIN_MTU. */
const SMALLEST_MTU = { 4: 552, 6: 1280 } as const;

const [HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS] = [0, 43, 60];

/** Whether a packet of this host is a fragment that its kernel may have made. `mtu`: of the device it leaves by, where known; none with IPv6 has less than 1280. */
export function isCutHere(received: Received, mtu: number | undefined): boolean {
  if (received.family === 6) return sizeOfOthers6(received) > SMALLEST_MTU[6] - 8;
  const size = sizeOfOthers4(received);
  return size > 0 && size > Math.min(mtu || SMALLEST_MTU[4], SMALLEST_MTU[4]) - 8;
}

/** How long the fragments of the datagram are, but for the last of them, at least: that one's offset tells. 0: no fragment, or one that ends where no kernel cuts. */
function sizeOfOthers4({ bytes, length }: Received): number {
  const offset = 8 * ipv4.fragmentOffset(bytes);
  if (ipv4.moreFragments(bytes)) return (length - ipv4.headerLength(bytes)) % 8 === 0 ? length : 0;
  return offset === 0 ? 0 : ipv4.headerLength(bytes) + offset;
}

function sizeOfOthers6({ bytes, length }: Received): number {
  const header = ipv6.findFragmentHeader(bytes);
  if (header === null || bytes.length < header.at + 8 || !isCutBehind(bytes, header.at)) return 0;
  const more = (u8(bytes, header.at + 3) & 1) !== 0;
  if (more && (length - header.at) % 8 !== 0) return 0;
  return more ? length : header.at + 8 + (u16(bytes, header.at + 2) & 0xfff8);
}

/** Whether a kernel puts a fragment header at `at`: behind headers that every fragment needs on its way (ip6_find_1stfragopt), and no others; destination options behind a routing header are for the last node. */
function isCutBehind(bytes: Uint8Array, at: number): boolean {
  let kind = ipv6.nextHeader(bytes);
  let routed = false;
  for (let place = ipv6.HEADER_LENGTH; place < at; place += 8 * (u8(bytes, place + 1) + 1)) {
    if (kind !== HOP_BY_HOP && kind !== ROUTING && (kind !== DESTINATION_OPTIONS || routed)) return false;
    routed ||= kind === ROUTING;
    kind = u8(bytes, place);
  }
  return true;
}
