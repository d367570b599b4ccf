/** Hop-by-hop options as the receiving stack judges them (net/ipv6/exthdrs.c ipv6_parse_hopopts, ip6_parse_tlv). */
import { u8, u16, u32 } from './bytes.ts';
import { HEADER_LENGTH, payloadLength } from './ipv6.ts';

const PAD1 = 0;
const PADN = 1;
const ROUTER_ALERT = 5;
const CALIPSO = 7;
const IOAM = 49;
const JUMBO = 194;
/** Padding between two options must not exceed seven bytes (RFC 4942 2.1.9.5). */
const MAX_PADDING = 7;
/** net.ipv6.max_hbh_opts_number. */
const MAX_OPTIONS = 8;

/** `bytes`: the packet from its IPv6 header on, whose next header is hop-by-hop. False: the stack drops it. */
export function hopByHopRight(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_LENGTH + 8) return false;
  const end = HEADER_LENGTH + (u8(bytes, HEADER_LENGTH + 1) + 1) * 8;
  if (bytes.length < end) return false;
  let at = HEADER_LENGTH + 2;
  let padding = 0;
  let count = 0;
  while (at < end) {
    if (u8(bytes, at) === PAD1) {
      if (++padding > MAX_PADDING) return false;
      at++;
      continue;
    }
    if (at + 2 > end) return false;
    const length = u8(bytes, at + 1) + 2;
    if (at + length > end) return false;
    if (u8(bytes, at) === PADN) {
      padding += length;
      if (padding > MAX_PADDING || bytes.subarray(at + 2, at + length).some((byte) => byte !== 0)) return false;
    } else {
      if (++count > MAX_OPTIONS || !optionRight(bytes, at)) return false;
      padding = 0;
    }
    at += length;
  }
  return true;
}

function optionRight(bytes: Uint8Array, at: number): boolean {
  const length = u8(bytes, at + 1);
  switch (u8(bytes, at)) {
    case ROUTER_ALERT:
      return length === 2;
    case IOAM:
      return at % 4 === 0;
    case CALIPSO:
      return false; // no domain of interpretation is configured
    case JUMBO:
      return jumboRight(bytes, at, length);
    default:
      // The two high bits say what to do with an option nobody knows: 00 skip, everything else discards.
      return u8(bytes, at) >> 6 === 0;
  }
}

function jumboRight(bytes: Uint8Array, at: number, length: number): boolean {
  if (length !== 4 || at % 4 !== 2) return false;
  const payload = u32(bytes, at + 2);
  return payload > 0xffff && payloadLength(bytes) === 0 && payload <= bytes.length - HEADER_LENGTH;
}

/** The payload length a jumbo option announces, 0 without one. For packets whose options are right. */
export function jumboPayload(bytes: Uint8Array): number {
  const end = HEADER_LENGTH + (u8(bytes, HEADER_LENGTH + 1) + 1) * 8;
  let at = HEADER_LENGTH + 2;
  while (at + 1 < end) {
    if (u8(bytes, at) === JUMBO) return u16(bytes, at + 2) * 65536 + u16(bytes, at + 4);
    at += u8(bytes, at) === PAD1 ? 1 : u8(bytes, at + 1) + 2;
  }
  return 0;
}
