/** The IPv6 header chain as the kernel's ipv6_find_hdr walks it for -p (net/ipv6/exthdrs_core.c): to the transport header, ESP or no next header. */
import {
  FIELD_FAMILY,
  FIELD_FRAGMENT,
  FIELD_HEADER_ERROR,
  FIELD_L4_LENGTH,
  FIELD_LENGTH,
  FIELD_PROTOCOL,
} from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_IP_CAPTURED, PACKET_L4_OFFSET } from '../../src/abi/packet.ts';
import { nft, wholeHeaders } from '../stack/host.ts';
import { be16 } from './ethertype.ts';
import { transport } from './transport.ts';

export const NEXT_HOP_BY_HOP: u32 = 0;
export const NEXT_ROUTING: u32 = 43;
const NEXT_FRAGMENT: u32 = 44;
const NEXT_AUTHENTICATION: u32 = 51;
export const NEXT_DESTINATION: u32 = 60;
const HEADER: u32 = 40;
const PROTOCOL_UNKNOWN: u32 = 255;
const HOT_DROP: u32 = 1;
const NO_MATCH: u32 = 2;

/** Fills protocol, fragment, header error and the transport fields; `present` bytes of the packet lie at `ip`. nf_tables takes an authentication header for the last one. */
export function extensionHeaders(slot: usize, ip: usize, next: u32, present: u32): void {
  walkHeaders(slot, ip, next, HEADER, present, nft, true);
}

/** What `seeAsRules` needs when the fields are the same for both, and when rules see a chain that they cannot walk. */
const SAME: u64 = 0;
const UNWALKABLE: u64 = 1;

/**
 * Conntrack, helpers and NAT ask less of extension headers than rules do (ipv6_skip_exthdr), and look behind the authentication header that nf_tables stops at: the
 * transport fields become theirs. Out: for `seeAsRules`, which must follow before a rule is asked.
 */
export function seeAsConntrack(slot: usize): u64 {
  if (load<u32>(slot, FIELD_FAMILY * 4) !== 6 || load<u32>(slot, FIELD_FRAGMENT * 4) !== 0) return SAME;
  const ip = load<u32>(slot, PACKET_IP);
  if (load<u32>(slot, FIELD_HEADER_ERROR * 4) !== 0) {
    const present = min<u32>(load<u32>(slot, FIELD_LENGTH * 4), load<u32>(slot, PACKET_IP_CAPTURED));
    walkHeaders(slot, ip, load<u8>(ip, 6), HEADER, present, false, false);
    return UNWALKABLE;
  }
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  if (load<u32>(slot, FIELD_PROTOCOL * 4) !== NEXT_AUTHENTICATION || offset === 0) return SAME;
  const present = offset + load<u32>(slot, FIELD_L4_LENGTH * 4);
  walkHeaders(slot, ip, NEXT_AUTHENTICATION, offset, present, false, false);
  // A helper may lengthen the packet: what is missing of it stays.
  return ((offset as u64) << 32) | (load<u32>(slot, FIELD_LENGTH * 4) - present);
}

/** Back to what rules see. */
export function seeAsRules(slot: usize, seen: u64): void {
  if (seen === SAME) return;
  const ip = load<u32>(slot, PACKET_IP);
  if (seen === UNWALKABLE) unparsable(slot, ip);
  else putUpper(slot, ip, NEXT_AUTHENTICATION, 0, (seen >> 32) as u32, load<u32>(slot, FIELD_LENGTH * 4) - (seen as u32));
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
