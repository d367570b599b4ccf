/** Tests of IPv6 extension headers: ipv6header, rt, hbh and dst, srh, eui64 (net/ipv6/netfilter/ip6t_*.c). */
import { FIELD_MAC_HIGH, FIELD_MAC_LOW, FIELD_SOURCE } from '../../src/abi/fields.ts';
import { PACKET_IP } from '../../src/abi/packet.ts';
import {
  HEADERS_AUTHENTICATION,
  HEADERS_DESTINATION,
  HEADERS_ESP,
  HEADERS_FRAGMENT,
  HEADERS_HOP_BY_HOP,
  HEADERS_NONE,
  HEADERS_PROTOCOL,
  HEADERS_ROUTING,
} from '../../src/abi/special.ts';
import { findHeader, HEADER_BROKEN, headerLength } from './header.ts';
import { be32, present } from './payload.ts';

const FIRST: u32 = 40;
const ROUTING: u32 = 43;
const SEGMENT: u32 = 16;
const ANY_LENGTH: u32 = 255;

/** Parameters: soft, flags, invert. A chain that ends within the two first bytes of a header has no headers at all. */
export function ipv6Headers(parameters: usize, slot: usize): bool {
  const there = headersOf(load<u32>(slot, PACKET_IP), present(slot));
  if (there < 0) return false;
  const wanted = load<u32>(parameters, 4) as i32;
  const invert = load<u32>(parameters, 8) !== 0;
  if (load<u32>(parameters) === 0) return (there === wanted) !== invert;
  return (there & wanted) === (invert ? 0 : wanted);
}

function headersOf(ip: usize, end: u32): i32 {
  let next: u32 = load<u8>(ip, 6);
  let at: u32 = FIRST;
  let there: i32 = 0;
  let bit = bitOf(next);
  while (bit !== 0 && at <= end) {
    if (bit === HEADERS_NONE) return there | bit;
    if (at + 2 > end) return -1;
    there |= bit;
    if (bit === HEADERS_ESP) return there;
    const length = headerLength(ip + at, next);
    next = load<u8>(ip + at);
    at += length;
    bit = bitOf(next);
  }
  // What lies behind the end is not looked at, but named.
  return bit === HEADERS_NONE || bit === HEADERS_ESP ? there : there | HEADERS_PROTOCOL;
}

function bitOf(next: u32): i32 {
  switch (next) {
    case 0:
      return HEADERS_HOP_BY_HOP;
    case 60:
      return HEADERS_DESTINATION;
    case 43:
      return HEADERS_ROUTING;
    case 44:
      return HEADERS_FRAGMENT;
    case 51:
      return HEADERS_AUTHENTICATION;
    case 50:
      return HEADERS_ESP;
    case 59:
      return HEADERS_NONE;
    default:
      return 0;
  }
}

/** Parameters: strict, number, addresses. */
export function routingAddresses(parameters: usize, slot: usize): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const at = findHeader(ip, present(slot), ROUTING);
  if (at <= HEADER_BROKEN) return false;
  const there = (headerLength(ip + at, ROUTING) - 8) >> 4;
  const wanted = load<u32>(parameters, 4);
  const strict = load<u32>(parameters) !== 0;
  if (strict ? wanted !== there : wanted > there) return false;
  let found: u32 = 0;
  for (let index: u32 = 0; index < there && found < wanted; index++) {
    if (isAddress(ip + at + 8 + (index << 4), parameters + 8 + (found << 4))) found++;
    else if (strict) return false;
  }
  return found === wanted;
}

/** Sixteen bytes of a packet and four words. */
function isAddress(bytes: usize, words: usize): bool {
  for (let at: usize = 0; at < 16; at += 4) if (be32(bytes + at) !== load<u32>(words + at)) return false;
  return true;
}

/** Parameters: kind of header, number, then type and length of each option that it begins with. */
export function headerOptions(parameters: usize, slot: usize): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const kind = load<u32>(parameters);
  const header = findHeader(ip, present(slot), kind);
  if (header <= HEADER_BROKEN) return false;
  const end = header + headerLength(ip + header, kind);
  if (end > present(slot)) return false;
  let at = header + 2;
  let option = parameters + 8;
  for (let left = load<u32>(parameters, 4); left > 0; left--) {
    const type = load<u32>(option);
    if (at >= end || load<u8>(ip + at) !== (type as u8)) return false;
    if (type === 0) at++;
    else {
      if (at + 2 > end) return false;
      const length: u32 = load<u8>(ip + at, 1);
      const wanted = load<u32>(option, 4);
      if (wanted !== ANY_LENGTH && wanted !== length) return false;
      at += length + 2;
    }
    option += 8;
  }
  return true;
}

/** Parameters: asked bits, inverted bits, then address and mask of the previous, next and last segment. */
export function segments(parameters: usize, slot: usize): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const end = present(slot);
  const header = findHeader(ip, end, ROUTING);
  if (header <= HEADER_BROKEN || header + 8 > end) return false;
  const left: u32 = load<u8>(ip + header, 3);
  const last: u32 = load<u8>(ip + header, 4);
  if (left > last) return false;
  const asked = load<u32>(parameters);
  if ((asked & 1) !== 0 && (left === last || !segment(parameters, 0, ip, header, left + 1, end))) return false;
  if ((asked & 2) !== 0 && (left === 0 || !segment(parameters, 1, ip, header, left - 1, end))) return false;
  return (asked & 4) === 0 || segment(parameters, 2, ip, header, 0, end);
}

function segment(parameters: usize, which: u32, ip: usize, header: u32, index: u32, end: u32): bool {
  const at = header + 8 + index * SEGMENT;
  if (at + SEGMENT > end) return false;
  const wanted = parameters + 8 + (which << 5);
  const invert = ((load<u32>(parameters, 4) >>> which) & 1) !== 0;
  for (let word: usize = 0; word < 16; word += 4) {
    const differs = (be32(ip + at + word) ^ load<u32>(wanted + word)) & load<u32>(wanted + word, 16);
    if (differs !== 0) return invert;
  }
  return !invert;
}

/** The source's last eight bytes are the MAC with ff:fe in its middle and the universal bit turned. */
export function eui64(slot: usize): bool {
  const high = load<u32>(slot, FIELD_MAC_HIGH * 4);
  if (high === 0) return false;
  const low = load<u32>(slot, FIELD_MAC_LOW * 4);
  const first = (((high & 0xffff) ^ 0x0200) << 16) | ((low >>> 16) & 0xff00) | 0xff;
  const second = 0xfe000000 | (low & 0xffffff);
  return load<u32>(slot, FIELD_SOURCE * 4 + 8) === first && load<u32>(slot, FIELD_SOURCE * 4 + 12) === second;
}
