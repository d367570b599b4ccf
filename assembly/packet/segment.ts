/** The packet that most packets are, told by its bytes: IPv4 as plain.ts decodes it, with a TCP segment whose only flags are ACK and, perhaps, PSH. */
import { leastMtu, lenient } from '../stack/host.ts';
import { Plain } from './plain.ts';

const ETHERNET: usize = 14;
/** Both headers without options. */
const HEADERS: u32 = 40;
const MOST: u32 = 0xffff;
/** The bit of a frame's first byte that says it is for several; EtherType 0x0800, version 4, five words of header, as they lie; these without the EtherType. */
const GROUP: u32 = 1;
const IPV4_PLAIN: u32 = 0x450008;
const PLAIN_HEADER: u32 = 0x45;
/** More fragments, the fragment offset and the protocol, as they lie, and between them the TTL, which counts for nothing. */
const NO_TTL: u32 = 0xff00ff3f;
const TCP: u32 = 6;
/** Of a TCP header behind one of IPv4 without options, where its flags are. All of them without PSH; ACK. */
const TCP_FLAGS: usize = 33;
const FLAGS: u32 = 0x37;
const ACK: u32 = 0x10;
/** All that rules and conntrack know; SYN. */
const ALL_FLAGS: u32 = 0x3f;
const SYN: u32 = 2;
/** Of what segmentAt tells: the total length of the IP packet; its TCP checksum is wrong, or it is longer than SUMMED_MOST and nobody summed it. */
export const SEGMENT_LENGTH: u32 = 0xffff;
export const SEGMENT_UNSUMMED: u32 = 1 << 16;
/** It is none, but a datagram of UDP. */
export const SEGMENT_DATAGRAM: u32 = 1 << 17;
const UDP: u32 = 17;
/** As much as is decoded in any case (plain.ts), and its own header. */
const DATAGRAM_LEAST: u32 = 36;
const IP_HEADER: u32 = 20;
const UDP_HEADER: u32 = 8;
/** Total length of the packets that are summed where they are told. So many bytes are read of each of them. */
export const SUMMED_MOST: u32 = 60;
/** Bytes behind a frame's address that are read. */
export const SEGMENT_READ: u32 = (ETHERNET as u32) + SUMMED_MOST;
/**
 * For each total length from HEADERS to SUMMED_MOST, and behind them for all others: which bytes from 28 and which from 44 on belong to the packet, 16 bytes each; then what is to be added to
 * the sum of the header and, behind it, of the segment; and 2 where the sum of the segment counts.
 */
const ROW_SHIFT: u32 = 6;
const ROWS: usize = memory.data(22 << 6, 16);
/** A 16-bit word is summed as a signed number: so much too little. */
const SIGN: u32 = 0x8000;
const HEADER_WORDS: u32 = 10;
const SEGMENT_WORDS: u32 = 24;

/** Eight words each, in memory: the engine's code makes constants of that size anew wherever they are used. */
const SIGNS: usize = memory.data(16, 16);
const ONES: usize = memory.data(16, 16);
/** Ones for the second 32 bits. */
const SECOND: usize = memory.data(16, 16);

/** What is shorter lived or longer is not forwarded by every device. */
let leastHops: u32 = 0;
let most: u32 = MOST;
/** Of the longest segment, what is not its shortest headers. */
let room: u32 = MOST - HEADERS;

/** Before segmentAt. `forwarded`: those that the host may not forward are none. */
export function segmentInit(forwarded: bool): void {
  leastHops = forwarded ? 2 : 0;
  most = forwarded ? leastMtu : MOST;
  room = most - HEADERS;
  // Then nothing is forwarded.
  if (most < HEADERS) leastHops = 256;
  if (!ASC_FEATURE_SIMD) return;
  v128.store(SIGNS, i16x8.splat(-0x8000));
  v128.store(ONES, i16x8.splat(1));
  v128.store(SECOND, i16x8(0, 0, 1, 1, 0, 0, 0, 0));
  for (let length = HEADERS; length <= SUMMED_MOST; length++) {
    const row = rowOf(length);
    memory.fill(row, 0, 32);
    memory.fill(row, 0xff, (length - 28) as usize);
    store<u32>(row, HEADER_WORDS * SIGN, 32);
    // The rest of the pseudo header as its bytes lie: the protocol and the length of the segment.
    store<u32>(row, SEGMENT_WORDS * SIGN + (TCP << 8) + ((length - 20) << 8), 36);
    store<u32>(row, 2, 40);
  }
  memory.copy(rowOf(SUMMED_MOST + 1), rowOf(SUMMED_MOST), 40);
}

function rowOf(length: u32): usize {
  return ROWS + (((length - HEADERS) << ROW_SHIFT) as usize);
}

/** As Segment.at. */
export function segmentAt(ip: usize, captured: u32): u32 {
  return Segment.at(ip, captured);
}

/** Whether the flags of such a segment are SYN, or SYN and ACK. */
export function hasBeginningFlags(ip: usize): bool {
  return ((load<u8>(ip, TCP_FLAGS) as u32) & (ALL_FLAGS ^ ACK)) === SYN;
}

/** Parts of those who call them: in the loop over plain segments (bare.ts) nothing is called. */
// biome-ignore lint/complexity/noStaticOnlyClass: @inline stands at methods only, as far as the linter goes
export class Segment {
  /** IPv4 without options stands behind an Ethernet header at `frame`, of a frame to one host. `found`: all is known but that it has no options (seek.ts). */
  @inline
  static isPlain(frame: usize, found: bool): bool {
    if (found) return (load<u8>(frame, ETHERNET) as u32) === PLAIN_HEADER;
    // In one word: a branch is taken on that.
    return (((load<u8>(frame) as u32) & GROUP) | ((load<u32>(frame, 12) & 0xffffff) ^ IPV4_PLAIN)) === 0;
  }

  /** As `at`, of one that goes on with a connection. */
  @inline
  static plain(ip: usize, captured: u32): u32 {
    return Segment.goesOn(ip) ? Segment.at(ip, captured) : 0;
  }

  /** The flags of a segment are ACK and, perhaps, PSH. */
  @inline
  static goesOn(ip: usize): bool {
    return ((load<u8>(ip, TCP_FLAGS) as u32) & FLAGS) === ACK;
  }

  /**
   * The total length, with SEGMENT_UNSUMMED where it is so, if the IPv4 packet without options (`isPlain`) at `ip`, of which `captured` bytes are there, is one with a segment, whatever its flags; else 0. Such a packet decodePlain
   * decodes behind an Ethernet header. Reads SUMMED_MOST bytes, captured or not.
   */
  @inline
  static at(ip: usize, captured: u32): u32 {
    if (!ASC_FEATURE_SIMD) return 0;
    if ((load<u32>(ip, 6) & NO_TTL) !== TCP << 24) return 0;
    if ((load<u8>(ip, 8) as u32) < leastHops) return 0;
    const total = Segment.total(ip);
    // What was not captured of the headers is of no length that was.
    if ((total as i32) > (captured as i32)) return 0;
    if (total - HEADERS > room) return 0;
    const row = rowOf(min(total, SUMMED_MOST + 1));
    const right: u32 = Segment.rightSums(ip, row);
    if (!lenient && (right & 1) === 0) return 0;
    return total | (((right & load<u32>(row, 40)) ^ 2) << 15);
  }

  /** The total length that an IPv4 header says, byte by byte: to turn two round takes the engine's code as many steps again. */
  @inline
  static total(ip: usize): u32 {
    return ((load<u8>(ip, 2) as u32) << 8) | (load<u8>(ip, 3) as u32);
  }

  /** Of the packet at `ip`, of a length that has this row: bit 0, the sum of its header is right; bit 1, that of its segment. */
  @inline
  static rightSums(ip: usize, row: usize): i32 {
    const sign = v128.load(SIGNS);
    const each = v128.load(ONES);
    const first = v128.xor(v128.load(ip), sign);
    // The addresses, with which the segment is summed, and its beginning.
    const ends = v128.xor(v128.load(ip, 12), sign);
    const third = v128.xor(v128.and(v128.load(ip, 28), v128.load(row)), sign);
    const last = v128.xor(v128.and(v128.load(ip, 44), v128.load(row, 16)), sign);
    const header = i32x4.add(i32x4.dot_i16x8_s(first, each), i32x4.dot_i16x8_s(ends, v128.load(SECOND)));
    const segment = i32x4.add(
      i32x4.dot_i16x8_s(ends, each),
      i32x4.add(i32x4.dot_i16x8_s(third, each), i32x4.dot_i16x8_s(last, each)),
    );
    // Of each of the two the four lanes are added up, side by side.
    const halves = i32x4.add(v128.shuffle<i32>(header, segment, 0, 4, 1, 5), v128.shuffle<i32>(header, segment, 2, 6, 3, 7));
    const sums = i32x4.add(i32x4.add(halves, v128.shuffle<i32>(halves, halves, 2, 3, 0, 1)), v128.load(row, 32));
    // A multiple of 0xffff (conntrack/checksum.ts): 0x10001 is (2^32 - 1) / 0xffff, and its negative the inverse of 0xffff modulo 2^32.
    const quotient = i32x4.sub(i32x4.neg(sums), i32x4.shl(sums, 16));
    return i32x4.bitmask(i32x4.le_u(quotient, each));
  }

  /** The same for a datagram of UDP whose header is right, the sum in which nobody made: SEGMENT_UNSUMMED, or there is none; and SEGMENT_DATAGRAM. */
  @inline
  static datagram(ip: usize, captured: u32): u32 {
    if (!ASC_FEATURE_SIMD || (captured as i32) < (DATAGRAM_LEAST as i32)) return 0;
    if ((load<u32>(ip, 6) & NO_TTL) !== UDP << 24) return 0;
    if ((load<u8>(ip, 8) as u32) < leastHops) return 0;
    const total = Segment.total(ip);
    if (total - DATAGRAM_LEAST > captured - DATAGRAM_LEAST) return 0;
    if (total > most) return 0;
    if ((bswap(load<u16>(ip, 24)) as u32) - UDP_HEADER > total - IP_HEADER - UDP_HEADER) return 0;
    if (!lenient && !Plain.checksumGood(ip)) return 0;
    return total | SEGMENT_DATAGRAM | (load<u16>(ip, 26) === 0 ? 0 : SEGMENT_UNSUMMED);
  }
}
