/** The ICMPv6 tracker (nf_conntrack_proto_icmpv6.c). */
import { TRACKING_FLAG_ROUTER_DISCOVERY, TRACKING_ICMPV6 } from '../../src/abi/conntrack';
import { FIELD_L4_LENGTH, FIELD_SOURCE, FIELD_TTL } from '../../src/abi/fields';
import {
  INVALID_CHECKSUM,
  INVALID_ICMP_INNER,
  INVALID_ICMP_MISMATCH,
  INVALID_ICMP_TYPE,
  INVALID_NONE,
  INVALID_SHORT,
} from '../../src/abi/reasons';
import { checksumHolds } from './checksum';
import { PROTOCOL_ICMPV6 } from './entry';
import { ICMP_HEADER_SIZE, ICMP_UNPAIRED } from './icmp';
import { flag, parameter } from './parameters';
import { refresh } from './timeout';

const ECHO_REQUEST: u32 = 128;
const NI_QUERY: u32 = 139;
const NI_REPLY: u32 = 140;
const MLD2_REPORT: u32 = 143;
const MRD_ADVERTISEMENT: u32 = 151;
const MRD_SOLICITATION: u32 = 152;
export const ICMPV6_REDIRECT: u32 = 137;
/** Redirect: header, target, destination; then options of (type, length in units of 8). */
const REDIRECT_SIZE: u32 = 40;
const OPTION_REDIRECTED: u32 = 4;
const OPTION_HEADER: u32 = 8;

/** The type that asks, of the pair a type belongs to: 128/129, 139/140. */
export function icmpv6Question(type: u32): u32 {
  if (type === ECHO_REQUEST || type === ECHO_REQUEST + 1) return ECHO_REQUEST;
  return type === NI_QUERY || type === NI_REPLY ? NI_QUERY : ICMP_UNPAIRED;
}

/** Multicast listener and neighbour discovery are never tracked: 130-136 and 143; nor is multicast router discovery since 6.2. */
export function icmpv6IsUntracked(type: u32): bool {
  if (type === MRD_ADVERTISEMENT || type === MRD_SOLICITATION) return flag(TRACKING_FLAG_ROUTER_DISCOVERY);
  return (type >= 130 && type <= 136) || type === MLD2_REPORT;
}

/** Types below 128 report errors. */
export function icmpv6IsError(type: u32): bool {
  return type < ECHO_REQUEST;
}

/** Checks the header (nf_conntrack_icmpv6_error before it looks at the type). Out: INVALID_NONE or why not. */
export function icmpv6Check(slot: usize, verify: bool): u32 {
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (present < ICMP_HEADER_SIZE) return INVALID_SHORT;
  return verify && !checksumHolds(slot, PROTOCOL_ICMPV6, present) ? INVALID_CHECKSUM : INVALID_NONE;
}

/** What `redirectInner` answers beside INVALID_*: where the redirected packet begins, from the ICMPv6 header. */
export const REDIRECT_INNER: u32 = REDIRECT_SIZE + OPTION_HEADER;

/**
 * A redirect is an error about the packet in its first option (nf_conntrack_icmpv6_redirect).
 * Out: REDIRECT_INNER, or INVALID_* when it cannot be followed.
 */
export function redirectInner(slot: usize, header: usize): u32 {
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (present < REDIRECT_SIZE) return INVALID_SHORT;
  // Not an error then, and a type without a partner.
  if (load<u8>(header, 1) !== 0) return INVALID_ICMP_TYPE;
  const linkLocal = (load<u32>(slot, FIELD_SOURCE * 4) & 0xffc00000) === 0xfe800000;
  if (load<u32>(slot, FIELD_TTL * 4) !== 255 || !linkLocal) return INVALID_ICMP_MISMATCH;
  if (present < REDIRECT_SIZE + 2 || load<u8>(header, REDIRECT_SIZE + 1) === 0) return INVALID_ICMP_INNER;
  return load<u8>(header, REDIRECT_SIZE) === OPTION_REDIRECTED ? REDIRECT_INNER : INVALID_ICMP_TYPE;
}

/** One question or answer. Always accepted. */
export function icmpv6Packet(entry: usize, now: i64): void {
  refresh(entry, parameter(TRACKING_ICMPV6), now);
}
