/**
 * Changing a packet's header bytes where they lie, checksums kept right by what changes (RFC 1624; the kernel's csum_replace4), and the slot's fields with them.
 * The bytes are the input's or defragmentation's: nobody reads a record again once its packet goes its way.
 */
import {
  FIELD_DESTINATION,
  FIELD_DPORT,
  FIELD_FAMILY,
  FIELD_SOURCE,
  FIELD_SPORT,
  FIELD_TOS,
  FIELD_TTL,
} from '../../src/abi/fields.ts';
import { PACKET_IP } from '../../src/abi/packet.ts';

const IPV4_CHECKSUM: usize = 10;
const IPV4_TOS: usize = 1;
const IPV4_TTL: usize = 8;

/** The sum of two and four bytes as big-endian 16-bit words, and of their complements. */
export function sum16(at: usize): u32 {
  return bswap(load<u16>(at)) as u32;
}

export function sum32(at: usize): u32 {
  return sum16(at) + sum16(at + 2);
}

/** A u32 word's two halves. */
export function halves(word: u32): u32 {
  return (word >>> 16) + (word & 0xffff);
}

/** The checksum field at `at` after 16-bit words that sum up to `from`, `count` of them, became others that sum up to `to`. It is never 0xffff then. */
export function updateChecksum(at: usize, from: u32, to: u32, count: u32): void {
  // 0xffff stands for nothing; with it the sum is never 0, as the kernel's.
  let sum = ((bswap(load<u16>(at)) as u32) ^ 0xffff) + (count * 0xffff - from) + to + 0xffff;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  store<u16>(at, bswap((sum ^ 0xffff) as u16));
}

export function put16(at: usize, value: u32): void {
  store<u16>(at, bswap(value as u16));
}

/** Words of a field (host order, most significant first) to bytes, or the other way. */
export function putWords(at: usize, words: usize, count: usize): void {
  for (let word: usize = 0; word < count << 2; word += 4) store<u32>(at + word, bswap(load<u32>(words + word)));
}

/** The packet's source or destination, its words at `words`: bytes, IPv4 header checksum, fields. */
export function setAddress(slot: usize, source: bool, words: usize): void {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const field = slot + (source ? FIELD_SOURCE : FIELD_DESTINATION) * 4;
  if (load<u32>(slot, FIELD_FAMILY * 4) === 4) {
    const at = ip + (source ? 12 : 16);
    updateChecksum(ip + IPV4_CHECKSUM, sum32(at), halves(load<u32>(words)), 2);
    putWords(at, words, 1);
    store<u32>(field, load<u32>(words));
  } else {
    putWords(ip + (source ? 8 : 24), words, 4);
    memory.copy(field, words, 16);
  }
}

/** The field of a port whose bytes, at `transport`, were changed. */
export function readPorts(slot: usize, transport: usize): void {
  store<u32>(slot, sum16(transport), FIELD_SPORT * 4);
  store<u32>(slot, sum16(transport + 2), FIELD_DPORT * 4);
}

/** TOS byte or traffic class. */
export function setTos(slot: usize, tos: u32): void {
  const ip: usize = load<u32>(slot, PACKET_IP);
  if (load<u32>(slot, FIELD_FAMILY * 4) === 4) setIpv4Byte(ip, IPV4_TOS, tos);
  else put16(ip, (sum16(ip) & 0xf00f) | (tos << 4));
  store<u32>(slot, tos, FIELD_TOS * 4);
}

/** TTL or hop limit. */
export function setTtl(slot: usize, ttl: u32): void {
  const ip: usize = load<u32>(slot, PACKET_IP);
  if (load<u32>(slot, FIELD_FAMILY * 4) === 4) setIpv4Byte(ip, IPV4_TTL, ttl);
  else store<u8>(ip, ttl, 7);
  store<u32>(slot, ttl, FIELD_TTL * 4);
}

function setIpv4Byte(ip: usize, at: usize, value: u32): void {
  const word = ip + (at & ~1);
  const before = sum16(word);
  store<u8>(ip + at, value);
  updateChecksum(ip + IPV4_CHECKSUM, before, sum16(word), 1);
}
