/** IPv6 extension headers by their kind, as ipv6_find_hdr looks for one (net/ipv6/exthdrs_core.c). */
import { be16 } from '../packet/ethertype.ts';
import { wholeHeaders } from '../stack/host.ts';

/** Offsets that no header has. */
export const HEADER_ABSENT: u32 = 0;
export const HEADER_BROKEN: u32 = 1;

const FIRST: u32 = 40;
const HOP_BY_HOP: u32 = 0;
const ROUTING: u32 = 43;
const FRAGMENT: u32 = 44;
const AUTHENTICATION: u32 = 51;
const DESTINATION: u32 = 60;

/** Where the first header of `kind` begins, from the IPv6 header at `ip`, of which `end` bytes are there. A later fragment hides what comes behind its header. */
export function findHeader(ip: usize, end: u32, kind: u32): u32 {
  let next: u32 = load<u8>(ip, 6);
  let at: u32 = FIRST;
  while (isWalked(next)) {
    if (at + 2 > end || ((next === ROUTING || next === FRAGMENT) && at + 4 > end)) return HEADER_BROKEN;
    if (next === kind) return at;
    if (next === FRAGMENT && (be16(ip + at + 2) & ~7) !== 0) return HEADER_ABSENT;
    const length = headerLength(ip + at, next);
    if (wholeHeaders && at + length > end) return HEADER_BROKEN;
    next = load<u8>(ip + at);
    at += length;
  }
  return next === kind ? at : HEADER_ABSENT;
}

/** What the header's own length byte says, in bytes. */
export function headerLength(header: usize, kind: u32): u32 {
  if (kind === FRAGMENT) return 8;
  const length: u32 = load<u8>(header, 1);
  return kind === AUTHENTICATION ? (length + 2) << 2 : (length + 1) << 3;
}

export function isWalked(next: u32): bool {
  return next === HOP_BY_HOP || next === ROUTING || next === FRAGMENT || next === AUTHENTICATION || next === DESTINATION;
}

/** Where two ports or an SPI stand behind the transport header's `offset` (proto_ports_offset); 0: the protocol has none. */
export function portsOffset(protocol: u32, offset: u32): u32 {
  if (protocol === AUTHENTICATION) return offset + 4;
  const ported = protocol === 6 || protocol === 17 || protocol === 33 || protocol === 50 || protocol === 132 || protocol === 136;
  return ported ? offset : 0;
}
