/** The IPv6 header chain as the kernel's ipv6_find_hdr walks it for -p (net/ipv6/exthdrs_core.c): to the transport header, ESP or no next header. */
import { FIELD_FRAGMENT, FIELD_HEADER_ERROR, FIELD_L4_LENGTH, FIELD_LENGTH, FIELD_PROTOCOL } from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_IP_CAPTURED, PACKET_L4_OFFSET } from '../../src/abi/packet.ts';
import { nft, wholeHeaders } from '../stack/host.ts';
import { be16 } from './ethertype.ts';
import { transport } from './transport.ts';

export const NEXT_HOP_BY_HOP: u32 = 0;
const NEXT_ROUTING: u32 = 43;
const NEXT_FRAGMENT: u32 = 44;
export const NEXT_AUTHENTICATION: u32 = 51;
const NEXT_DESTINATION: u32 = 60;
const HEADER: u32 = 40;
const PROTOCOL_UNKNOWN: u32 = 255;
const HOT_DROP: u32 = 1;
const NO_MATCH: u32 = 2;

/** Fills protocol, fragment, header error and the transport fields; `present` bytes of the packet lie at `ip`. nf_tables takes an authentication header for the last one. */
export function extensionHeaders(slot: usize, ip: usize, next: u32, present: u32): void {
  walkHeaders(slot, ip, next, HEADER, present, nft, true);
}

/** The same fields as conntrack sees them (ipv6_skip_exthdr), which looks behind the authentication header that the fields stop at. */
export function lookBehindAuthentication(slot: usize): void {
  const at = load<u32>(slot, PACKET_L4_OFFSET);
  walkHeaders(slot, load<u32>(slot, PACKET_IP), NEXT_AUTHENTICATION, at, at + load<u32>(slot, FIELD_L4_LENGTH * 4), false, false);
}

/** Back to what nf_tables sees: the authentication header at `offset` of a packet of `present` bytes is the last one. */
export function stopAtAuthentication(slot: usize, offset: u32, present: u32): void {
  putUpper(slot, load<u32>(slot, PACKET_IP), NEXT_AUTHENTICATION, 0, offset, present);
}

/** The fields as conntrack sees them, which walks over headers that -p cannot walk over. */
export function skipHeaders(slot: usize): void {
  const ip = load<u32>(slot, PACKET_IP);
  const present = min<u32>(load<u32>(slot, FIELD_LENGTH * 4), load<u32>(slot, PACKET_IP_CAPTURED));
  walkHeaders(slot, ip, load<u8>(ip, 6), HEADER, present, false, false);
}

/** Back to what -p sees: a chain it cannot walk. */
export function stopBeforeHeaders(slot: usize): void {
  unparsable(slot, load<u32>(slot, PACKET_IP));
}

/** From the header of kind `next` at offset `at` on. `stops`: at an authentication header. `finds`: as ipv6_find_hdr does, which asks more of a header than ipv6_skip_exthdr. */
function walkHeaders(slot: usize, ip: usize, next: u32, at: u32, present: u32, stops: bool, finds: bool): void {
  let fragment: u32 = 0;
  while (isExtension(next)) {
    if (at + 2 > present) {
      unparsable(slot, ip);
      return;
    }
    if (stops && next === NEXT_AUTHENTICATION) break;
    const after: u32 = load<u8>(ip + at);
    const length: u32 = load<u8>(ip + at + 1);
    if (next === NEXT_FRAGMENT) {
      if (at + 4 > present) {
        unparsable(slot, ip);
        return;
      }
      fragment = be16(ip + at + 2) & ~7;
      at += 8;
      if (finds && fragment !== 0 && isExtension(after)) {
        unparsable(slot, ip);
        return;
      }
    } else if (next === NEXT_AUTHENTICATION) {
      at += (length + 2) << 2;
    } else {
      if (finds && next === NEXT_ROUTING && at + 4 > present) {
        unparsable(slot, ip);
        return;
      }
      at += (length + 1) << 3;
    }
    if (finds && wholeHeaders && fragment === 0 && at > present) {
      unparsable(slot, ip);
      return;
    }
    next = after;
    if (fragment !== 0) break;
  }
  // nf_tables keeps no transport offset for non-first fragments: its native port and flag tests read the IPv6 header.
  putUpper(slot, ip, next, fragment, nft && fragment !== 0 ? 0 : at, present);
}

function putUpper(slot: usize, ip: usize, protocol: u32, fragment: u32, offset: u32, present: u32): void {
  store<u32>(slot, protocol, FIELD_PROTOCOL * 4);
  store<u32>(slot, fragment, FIELD_FRAGMENT * 4);
  store<u32>(slot, 0, FIELD_HEADER_ERROR * 4);
  transport(slot, ip, offset, present);
}

/** A header behind which another one comes. */
function isExtension(next: u32): bool {
  return (
    next === NEXT_HOP_BY_HOP ||
    next === NEXT_ROUTING ||
    next === NEXT_FRAGMENT ||
    next === NEXT_AUTHENTICATION ||
    next === NEXT_DESTINATION
  );
}

function unparsable(slot: usize, ip: usize): void {
  store<u32>(slot, PROTOCOL_UNKNOWN, FIELD_PROTOCOL * 4);
  store<u32>(slot, 0, FIELD_FRAGMENT * 4);
  store<u32>(slot, nft ? NO_MATCH : HOT_DROP, FIELD_HEADER_ERROR * 4);
  transport(slot, ip, 0, 0);
}
