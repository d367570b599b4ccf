/** The Internet checksum over transport headers and payload, 16 bytes a step. */
import { FIELD_DESTINATION, FIELD_FAMILY, FIELD_L4_LENGTH, FIELD_SOURCE } from '../../src/abi/fields';
import { PACKET_IP, PACKET_L4_OFFSET } from '../../src/abi/packet';
import { isUnfinished } from '../stack/unfinished';

/** (2^64 - 1) / 0xffff. */
const UNIT: u64 = ((0x00010001 as u64) << 32) | 0x00010001;

function halves(word: u64): u64 {
  return (word & 0xffffffff) + (word >> 32);
}

/** Ones' complement sum of the bytes, as little-endian words, not folded. Reads exactly `length` bytes. */
function sum(data: usize, length: u32): u64 {
  let at = data;
  let rest = length;
  let total: u64 = 0;
  if (ASC_FEATURE_SIMD) {
    if (rest >= 64) {
      // 32-bit lanes take 2 * 0xffff a step: no overflow below 512 KiB, and an IP packet has at most 64.
      let first = i32x4.splat(0);
      let second = i32x4.splat(0);
      while (rest >= 32) {
        first = i32x4.add(first, i32x4.extadd_pairwise_i16x8_u(v128.load(at)));
        second = i32x4.add(second, i32x4.extadd_pairwise_i16x8_u(v128.load(at, 16)));
        at += 32;
        rest -= 32;
      }
      first = i32x4.add(first, second);
      total = halves(i64x2.extract_lane(first, 0)) + halves(i64x2.extract_lane(first, 1));
    }
  }
  while (rest >= 16) {
    total += (load<u32>(at) as u64) + (load<u32>(at, 4) as u64) + (load<u32>(at, 8) as u64) + (load<u32>(at, 12) as u64);
    at += 16;
    rest -= 16;
  }
  if (rest >= 8) {
    total += (load<u32>(at) as u64) + (load<u32>(at, 4) as u64);
    at += 8;
    rest -= 8;
  }
  if (rest === 0) return total;
  // The last bytes come with those before them, which are shifted out.
  if (length >= 8) return total + halves(load<u64>(at + rest - 8) >> (((8 - rest) << 3) as u64));
  return total + lastBytes(at, rest);
}

function lastBytes(data: usize, length: u32): u64 {
  let at = data;
  let total: u64 = 0;
  if (length & 4) {
    total += load<u32>(at) as u64;
    at += 4;
  }
  if (length & 2) {
    total += load<u16>(at) as u64;
    at += 2;
  }
  return length & 1 ? total + (load<u8>(at) as u64) : total;
}

/** The sum of a packet's addresses, as 16-bit words in host order. */
function addresses(slot: usize): u64 {
  let total = (load<u32>(slot, FIELD_SOURCE * 4) as u64) + (load<u32>(slot, FIELD_DESTINATION * 4) as u64);
  if (load<u32>(slot, FIELD_FAMILY * 4) === 6) {
    for (let word: usize = 4; word < 16; word += 4) {
      total += (load<u32>(slot + word, FIELD_SOURCE * 4) as u64) + (load<u32>(slot + word, FIELD_DESTINATION * 4) as u64);
    }
  }
  return total;
}

/**
 * Whether the transport checksum of the packet in `slot` holds over the first `covered` bytes from the transport header (nf_checksum).
 * One that the device is to finish does. `protocol` 0 leaves out the pseudo header, as ICMP over IPv4 does. The pseudo header has the length that IP gives, not that of UDP.
 */
export function checksumHolds(slot: usize, protocol: u32, covered: u32): bool {
  if (isUnfinished(slot)) return true;
  const data = (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize;
  let pseudo: u64 = 0;
  if (protocol !== 0) pseudo = addresses(slot) + (protocol as u64) + (load<u32>(slot, FIELD_L4_LENGTH * 4) as u64);
  return sumHolds(data, covered, pseudo);
}

/**
 * Whether `length` bytes with the pseudo header's words (their sum in host order) make a sum of zero, which is every multiple of 0xffff. 0 itself
 * counts: of an ICMP message of zeros alone the kernel sums the IP header too, which is 0xffff.
 * Byte order is a factor: 256 swaps the bytes of a 16-bit word modulo 0xffff. A number is a multiple of 0xffff exactly when its product with the
 * inverse of 0xffff modulo 2^64, which is -UNIT, is at most (2^64 - 1) / 0xffff, which is UNIT.
 */
export function sumHolds(data: usize, length: u32, pseudo: u64): bool {
  return isSum(sum(data, length) + (pseudo << 8));
}

function isSum(total: u64): bool {
  return (0 - total) * UNIT <= UNIT;
}

/** The checksum of `length` bytes, the field itself zero, and of a pseudo header: as the bytes lie, to be stored as a u16. */
export function checksumOf(data: usize, length: u32, pseudo: u64): u16 {
  let total = sum(data, length) + (pseudo << 8);
  while (total > 0xffff) total = (total & 0xffff) + (total >> 16);
  return ~(total as u16);
}

/** The pseudo header of the packet in `slot`, for `length` bytes of a protocol. */
export function pseudoHeaderOf(slot: usize, protocol: u32, length: u32): u64 {
  return addresses(slot) + (protocol as u64) + (length as u64);
}
