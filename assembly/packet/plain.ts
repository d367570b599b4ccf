/**
 * The packet that nearly every packet is: Ethernet II, IPv4 without options, no fragment, whole, right checksum, at least 16 bytes behind the IP header. Fields are
 * moved to their places 16 bytes at a time; link.ts, ip.ts, ipv4.ts and transport.ts do the same in general and say why.
 */
import { LINK_ETHERNET } from '../../src/abi/capture.ts';
import {
  FIELD_CT_STATE,
  FIELD_DESTINATION,
  FIELD_HEADER_ERROR,
  FIELD_ICMP_CODE,
  FIELD_L4_LENGTH,
  FIELD_LENGTH,
  FIELD_MAC_HIGH,
  FIELD_PACKET_TYPE,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  FIELD_SPORT,
} from '../../src/abi/fields.ts';
import {
  PACKET_CAPTURED,
  PACKET_CT_ENTRY,
  PACKET_DATA,
  PACKET_INVALID,
  PACKET_IP,
  PACKET_L4_OFFSET,
  PACKET_LINKTYPE,
  PACKET_SIZE,
  PACKET_UNSEEN,
} from '../../src/abi/packet.ts';
import { lenient } from '../stack/host.ts';
import { frameType } from './ethernet.ts';

const ETHERNET: u32 = 14;
const HEADER: u32 = 20;
/** So much is read behind the IP header in any case. */
const READ: u32 = 16;
/** As an index of swizzle: zero. */
const z: i8 = -128;
/** EtherType 0x0800, version 4, five words of header, as they lie. */
const IPV4_PLAIN: u32 = 0x450008;
/** More fragments and the fragment offset, as they lie. */
const FRAGMENT_BITS: u32 = 0xff3f;

/**
 * Fills the slots from `slot` on as decodeLink and decodeIp would, up to `end` or to the first packet that is not of this kind, whose slot is left as it
 * was. Gives the slot where it stopped. A loop without calls keeps the indices of the bytes in registers.
 */
export function decodePlain(slot: usize, end: usize): usize {
  if (!ASC_FEATURE_SIMD) return slot;
  for (; slot < end; slot += PACKET_SIZE) {
    const captured = load<u32>(slot, PACKET_CAPTURED);
    if (load<u32>(slot, PACKET_LINKTYPE) !== <u32>LINK_ETHERNET || captured < ETHERNET + HEADER + READ) break;
    const frame: usize = load<u32>(slot, PACKET_DATA);
    if ((load<u32>(frame, 12) & 0xffffff) !== IPV4_PLAIN) break;
    const ip = frame + ETHERNET;
    if ((load<u16>(ip, 6) & FRAGMENT_BITS) !== 0) break;
    const first = v128.load(ip);
    // Length, TTL, TOS, no in-interface yet.
    const length = v128.swizzle(first, i8x16(3, 2, z, z, 8, z, z, z, 1, z, z, z, z, z, z, z));
    const total = i32x4.extract_lane(length, 0) as u32;
    if (total < HEADER + READ || total > captured - ETHERNET) break;
    if (!lenient && !Plain.checksumGood(ip)) break;
    putFrame(slot, frame);
    store<u64>(slot, u64(ip) | (u64(captured - ETHERNET) << 32), PACKET_IP);
    store<u32>(slot, HEADER, PACKET_L4_OFFSET);
    v128.store(slot, length, FIELD_LENGTH * 4);
    putHeader(slot, first, v128.load(ip, 16));
    store<u32>(slot, total - HEADER, FIELD_L4_LENGTH * 4);
    putTransport(slot, ip + HEADER);
  }
  return slot;
}

/** What the Ethernet header says; and nothing is known yet of connection, way and reasons. */
function putFrame(slot: usize, frame: usize): void {
  store<u64>(slot, u64(frame) << 32, PACKET_INVALID);
  const mac = v128.swizzle(v128.load(frame), i8x16(7, 6, z, z, 11, 10, 9, 8, z, z, z, z, z, z, z, z));
  store<u64>(slot, i64x2.extract_lane(mac, 0) | 0x10000, FIELD_MAC_HIGH * 4);
  // Connection state, direction, status, mark; entry, unconfirmed; unseen, stack.
  v128.store(slot, i32x4.splat(0), FIELD_CT_STATE * 4);
  store<u64>(slot, 0, PACKET_CT_ENTRY);
  store<u64>(slot, 0, PACKET_UNSEEN);
  store<u32>(slot, frameType(frame), FIELD_PACKET_TYPE * 4);
}

/** Bytes of the header to words of the slot. */
function putHeader(slot: usize, first: v128, last: v128): void {
  // Protocol, fragment offset, and two words that are overwritten.
  const protocol = v128.swizzle(first, i8x16(9, z, z, z, 7, 6, z, z, z, z, z, z, z, z, z, z));
  v128.store(slot, v128.and(protocol, i32x4(0xff, 0x1fff, 0, 0)), FIELD_PROTOCOL * 4);
  v128.store(slot, v128.swizzle(first, i8x16(15, 14, 13, 12, z, z, z, z, z, z, z, z, z, z, z, z)), FIELD_SOURCE * 4);
  v128.store(slot, v128.swizzle(last, i8x16(3, 2, 1, 0, z, z, z, z, z, z, z, z, z, z, z, z)), FIELD_DESTINATION * 4);
  // No header error, family 4.
  store<u64>(slot, u64(4) << 32, FIELD_HEADER_ERROR * 4);
}

/** Ports, TCP flags, ICMP type and code of the 16 bytes at `at`. */
function putTransport(slot: usize, at: usize): void {
  const fields = v128.swizzle(v128.load(at), i8x16(1, 0, z, z, 3, 2, z, z, 13, z, z, z, 0, z, z, z));
  v128.store(slot, v128.and(fields, i32x4(0xffff, 0xffff, 0x3f, 0xff)), FIELD_SPORT * 4);
  store<u32>(slot, load<u8>(at, 1), FIELD_ICMP_CODE * 4);
}

/** Part of those who call it (conntrack/follow.ts says why). */
// biome-ignore lint/complexity/noStaticOnlyClass: @inline stands at methods only, as far as the linter goes
export class Plain {
  /** Ones' complement sum of the 20 bytes: the upper half of a word plus itself turned by 16 bits is the sum of its halves, carry included. */
  @inline
  static checksumGood(ip: usize): bool {
    const first = load<u64>(ip);
    const second = load<u64>(ip, 8);
    const sum = (first & 0xffffffff) + (first >>> 32) + (second & 0xffffffff) + (second >>> 32) + u64(load<u32>(ip, 16));
    let word = u32(sum) + u32(sum >>> 32);
    // The carries are few, so adding them carries at most once more.
    if (word < u32(sum)) word++;
    return word + rotl<u32>(word, 16) >= 0xffff0000;
  }
}
