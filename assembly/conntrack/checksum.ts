/** The Internet checksum over transport headers and payload, 16 bytes a step. */
import { FIELD_DESTINATION, FIELD_FAMILY, FIELD_L4_LENGTH, FIELD_SOURCE } from '../../src/abi/fields';
import { PACKET_IP, PACKET_L4_OFFSET } from '../../src/abi/packet';

/** Folds a sum of 16-bit words in any byte order to 16 bits. */
function fold(sum: u64): u32 {
  let folded = (sum & 0xffffffff) + (sum >> 32);
  folded = (folded & 0xffff) + (folded >> 16);
  folded = (folded & 0xffff) + (folded >> 16);
  folded = (folded & 0xffff) + (folded >> 16);
  return folded as u32;
}

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
  while (rest >= 8) {
    total += halves(load<u64>(at));
    at += 8;
    rest -= 8;
  }
  if (rest & 4) {
    total += load<u32>(at) as u64;
    at += 4;
  }
  if (rest & 2) {
    total += load<u16>(at) as u64;
    at += 2;
  }
  if (rest & 1) total += load<u8>(at) as u64;
  return total;
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
 * `protocol` 0 leaves out the pseudo header, as ICMP over IPv4 does. The pseudo header has the length that IP gives, not that of UDP.
 */
export function checksumHolds(slot: usize, protocol: u32, covered: u32): bool {
  const data = (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize;
  const swapped = fold(sum(data, covered));
  let total = (((swapped & 0xff) << 8) | (swapped >> 8)) as u64;
  if (protocol !== 0) total += addresses(slot) + (protocol as u64) + (load<u32>(slot, FIELD_L4_LENGTH * 4) as u64);
  const folded = fold(total);
  // An ICMP message of zeros alone sums to 0: the kernel adds the IP header, which sums to 0xffff.
  return folded === 0xffff || folded === 0;
}
