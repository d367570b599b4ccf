/** The IPv6 header chain as the kernel's ipv6_find_hdr walks it for -p (net/ipv6/exthdrs_core.c): to the transport header, ESP or no next header. */
import { FIELD_FRAGMENT, FIELD_HEADER_ERROR, FIELD_PROTOCOL } from '../../src/abi/fields.ts';
import { nft } from '../stack/host.ts';
import { be16 } from './ethertype.ts';
import { transport } from './transport.ts';

export const NEXT_HOP_BY_HOP: u32 = 0;
const NEXT_ROUTING: u32 = 43;
const NEXT_FRAGMENT: u32 = 44;
const NEXT_AUTHENTICATION: u32 = 51;
const NEXT_DESTINATION: u32 = 60;
const HEADER: u32 = 40;
const PROTOCOL_UNKNOWN: u32 = 255;
const HOT_DROP: u32 = 1;
const NO_MATCH: u32 = 2;

/** Fills protocol, fragment, header error and the transport fields; `present` bytes of the packet lie at `ip`. */
export function extensionHeaders(slot: usize, ip: usize, next: u32, present: u32): void {
  let at: u32 = HEADER;
  let fragment: u32 = 0;
  while (isExtension(next)) {
    if (at + 2 > present) {
      unparsable(slot, ip);
      return;
    }
    const after: u32 = load<u8>(ip + at);
    const length: u32 = load<u8>(ip + at + 1);
    if (next === NEXT_FRAGMENT) {
      if (at + 4 > present) {
        unparsable(slot, ip);
        return;
      }
      fragment = be16(ip + at + 2) & ~7;
      at += 8;
      if (fragment !== 0 && isExtension(after)) {
        unparsable(slot, ip);
        return;
      }
    } else if (next === NEXT_AUTHENTICATION) {
      at += (length + 2) << 2;
    } else {
      if (next === NEXT_ROUTING && at + 4 > present) {
        unparsable(slot, ip);
        return;
      }
      at += (length + 1) << 3;
    }
    next = after;
    if (fragment !== 0) break;
  }
  store<u32>(slot, next, FIELD_PROTOCOL * 4);
  store<u32>(slot, fragment, FIELD_FRAGMENT * 4);
  store<u32>(slot, 0, FIELD_HEADER_ERROR * 4);
  // nf_tables keeps no transport offset for these: its native port and flag tests read the IPv6 header.
  transport(slot, ip, nft && fragment !== 0 ? 0 : at, present);
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
