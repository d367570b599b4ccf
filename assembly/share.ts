/**
 * Which packets are this engine's when several share a capture. Each reads all of it, so that its clock and its numbers are right, and judges what belongs to its pairs of addresses:
 * a connection, both ways, and the errors about it.
 */
import { LINK_ETHERNET } from '../src/abi/capture.ts';
import {
  FIELD_FAMILY,
  FIELD_FRAGMENT,
  FIELD_ICMP_TYPE,
  FIELD_L4_LENGTH,
  FIELD_LENGTH,
  FIELD_PROTOCOL,
} from '../src/abi/fields.ts';
import {
  PACKET_CAPTURED,
  PACKET_DATA,
  PACKET_INTERFACE,
  PACKET_IP,
  PACKET_IP_CAPTURED,
  PACKET_JIFFIES,
  PACKET_L4_OFFSET,
  PACKET_LINKTYPE,
  PACKET_NUMBER,
  PACKET_SIZE,
  PACKET_TIME,
  PACKET_UNSEEN,
  PACKET_WAY,
  WAY_BARE,
  WAY_FRAGMENT,
  WAY_SIX,
  WAY_UNSEEN,
} from '../src/abi/packet.ts';
import { UNSEEN_ELSEWHERE, UNSEEN_OUTGOING_COPY } from '../src/abi/reasons.ts';
import { decodeMarked } from './decode.ts';

const ETHERNET: usize = 14;
/** Captured bytes of an Ethernet and an IPv4 header. */
export const PLAIN: u32 = 34;
const ICMP: u32 = 1;
const ICMPV6: u32 = 58;
const ICMPV6_REDIRECT: u32 = 137;
/** Bytes before the packet an error is about. */
const ERROR_HEADER: u32 = 8;
const FIRST_FACTOR: u64 = ((0x9e3779b9 as u64) << 32) | 0x7f4a7c15;
const SECOND_FACTOR: u64 = ((0xd6e8feb8 as u64) << 32) | 0x6659fd93;

let shares: u32 = 1;
let own: u32 = 0;
let exact: bool = true;

/** This engine is number `index` of `count`. */
export function setShare(index: u32, count: u32): void {
  own = index;
  shares = count;
}

/** False when a packet was met that more than its own pair of addresses decides: the result is that of no single engine. */
export function shareIsExact(): bool {
  return exact;
}

export function ownShare(): u32 {
  return own;
}

export function countOfShares(): u32 {
  return shares;
}

/** Others have a share, too. */
export function isShared(): bool {
  return shares !== 1;
}

/** Slots of records that nobody decoded: plain ones of others are taken out, the rest moves up. Out: the end of what is left. */
export function keepOwn(slots: usize, end: usize): usize {
  if (shares === 1) return end;
  const mine = own;
  let to = slots;
  for (let slot = slots; slot < end; slot += PACKET_SIZE) {
    // Whose a packet is comes as by chance: nothing is branched on.
    const room = select<usize>(0, PACKET_SIZE, isPlain(slot) && plainOwner(load<u32>(slot, PACKET_DATA)) !== mine);
    moveRecord(slot, to);
    to += room;
  }
  return to;
}

/** An Ethernet frame with IPv4 without options, no fragment, no ICMP: its addresses say whose it is, whatever becomes of it. */
function isPlain(slot: usize): bool {
  if (load<u32>(slot, PACKET_LINKTYPE) !== <u32>LINK_ETHERNET || load<u32>(slot, PACKET_CAPTURED) < PLAIN) return false;
  return isPlainFrame(load<u32>(slot, PACKET_DATA));
}

/** The same of PLAIN bytes or more of an Ethernet frame. */
function isPlainFrame(frame: usize): bool {
  return Frames.isIPv4(frame) && Frames.isWhole(frame) && Frames.isNoICMP(frame);
}

function plainOwner(frame: usize): u32 {
  return Frames.owner(frame, shares);
}

/** What is asked of plain frames, part of those who ask: where they are stepped over nothing is called. */
// biome-ignore lint/complexity/noStaticOnlyClass: @inline stands at methods only, as far as the linter goes
export class Frames {
  /** EtherType 0x0800, version 4, five words of header, as they lie. */
  @inline
  static isIPv4(frame: usize): bool {
    return (load<u32>(frame, ETHERNET - 2) & 0xffffff) === 0x450008;
  }

  /** No fragment: neither more fragments nor an offset, as they lie. */
  @inline
  static isWhole(frame: usize): bool {
    return (load<u16>(frame, ETHERNET + 6) & 0xff3f) === 0;
  }

  @inline
  static isNoICMP(frame: usize): bool {
    return load<u8>(frame, ETHERNET + 9) !== (ICMP as u8);
  }

  /** Of one with so many shares. */
  @inline
  static owner(frame: usize, count: u32): u32 {
    return Frames.share4(load<u64>(frame, ETHERNET + 12), count);
  }

  /** Of two addresses as they lie, one after the other: one XOR the other is the same for both directions. */
  @inline
  static share4(both: u64, count: u32): u32 {
    return shareOf(((both ^ (both >>> 32)) & 0xffffffff) * FIRST_FACTOR, count);
  }
}

/** What the reader filled: time and jiffies; the place; the rest, from its length on. */
function moveRecord(from: usize, to: usize): void {
  store<u64>(to, load<u64>(from, PACKET_TIME), PACKET_TIME);
  store<u64>(to, load<u64>(from, PACKET_JIFFIES), PACKET_JIFFIES);
  store<u32>(to, load<u32>(from, PACKET_DATA), PACKET_DATA);
  store<u64>(to, load<u64>(from, PACKET_CAPTURED), PACKET_CAPTURED);
  store<u32>(to, load<u32>(from, PACKET_LINKTYPE), PACKET_LINKTYPE);
  store<u64>(to, load<u64>(from, PACKET_INTERFACE), PACKET_INTERFACE);
  store<u64>(to, load<u64>(from, PACKET_NUMBER), PACKET_NUMBER);
}

/** Slots that are marked, or decoded and routed: those of others are marked UNSEEN_ELSEWHERE. What never reaches netfilter, and is not plain, is the first one's. */
export function shareSlots(slot: usize, end: usize): void {
  if (shares === 1) return;
  for (; slot < end; slot += PACKET_SIZE) {
    const marked = load<u32>(slot, PACKET_WAY) >= <u32>WAY_BARE;
    if (marked ? markedOwner(slot) === own : isPlain(slot) || owner(slot) === own) continue;
    if (marked) decodeMarked(slot);
    store<u32>(slot, UNSEEN_ELSEWHERE, PACKET_UNSEEN);
    store<u32>(slot, WAY_UNSEEN, PACKET_WAY);
  }
}

/** Of a packet that is judged by its bytes, behind whatever header. */
function markedOwner(slot: usize): u32 {
  const ip: usize = load<u32>(slot, PACKET_DATA) + ETHERNET;
  return load<u32>(slot, PACKET_WAY) === <u32>WAY_SIX ? ownerOf6(ip + 8) : ownerOf4(ip + 12);
}

function owner(slot: usize): u32 {
  const unseen = load<u32>(slot, PACKET_UNSEEN);
  // The copy of a forwarded packet may be the answer to a refused one.
  if (unseen !== 0 && unseen !== UNSEEN_OUTGOING_COPY) return 0;
  // How many fragments wait is counted over all of a host's, and of a sender's.
  if ((load<u32>(slot, PACKET_WAY) & WAY_FRAGMENT) !== 0) exact = false;
  const quoted = quotedAddresses(slot);
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const ip: usize = load<u32>(slot, PACKET_IP);
  return six ? ownerOf6(quoted !== 0 ? quoted : ip + 8) : ownerOf4(quoted !== 0 ? quoted : ip + 12);
}

function ownerOf4(at: usize): u32 {
  return Frames.share4(load<u64>(at), shares);
}

function ownerOf6(at: usize): u32 {
  const first = load<u64>(at) ^ load<u64>(at, 16);
  const last = load<u64>(at, 8) ^ load<u64>(at, 24);
  return shareOf((rotl<u64>(first * FIRST_FACTOR, 32) ^ last) * SECOND_FACTOR, shares);
}

/** The upper half of a product depends on all bits of its factors. */
function shareOf(product: u64, count: u32): u32 {
  return (((product >>> 32) * (count as u64)) >>> 32) as u32;
}

/**
 * Types of the errors that may be this host's answer to a packet which a rule refused or the stack did not forward (answer.ts), and which another share knows: cut by the capture they do not say whose.
 * Nothing is too big in captures that are cut (`--prestack lenient`).
 */
const UNREACHABLE: u32 = 3;
const TIME_EXCEEDED: u32 = 11;
const UNREACHABLE6: u32 = 1;
const TIME_EXCEEDED6: u32 = 3;

/** Where the addresses of the packet lie that an ICMP error quotes, source first; 0: it is no error, or quotes too little to be about a connection. */
function quotedAddresses(slot: usize): usize {
  const protocol = load<u32>(slot, FIELD_PROTOCOL * 4);
  if (protocol !== ICMP && protocol !== ICMPV6) return 0;
  if (load<u32>(slot, FIELD_FRAGMENT * 4) !== 0) return 0;
  const type = load<u32>(slot, FIELD_ICMP_TYPE * 4);
  const length = load<u32>(slot, FIELD_L4_LENGTH * 4);
  const inner: usize = load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET) + ERROR_HEADER;
  if (load<u32>(slot, FIELD_FAMILY * 4) === 4) {
    const error = type === 3 || type === 4 || type === 5 || type === 11 || type === 12;
    const answers = type === UNREACHABLE || type === TIME_EXCEEDED;
    if (protocol === ICMP && answers && length < ERROR_HEADER + 20 && isCut(slot)) exact = false;
    return protocol === ICMP && error && length >= ERROR_HEADER + 20 ? inner + 12 : 0;
  }
  // A redirect quotes its packet in an option, somewhere.
  if (protocol === ICMPV6 && type === ICMPV6_REDIRECT) exact = false;
  const answers = type === UNREACHABLE6 || type === TIME_EXCEEDED6;
  if (protocol === ICMPV6 && answers && length < ERROR_HEADER + 40 && isCut(slot)) exact = false;
  return protocol === ICMPV6 && type < 128 && length >= ERROR_HEADER + 40 ? inner + 8 : 0;
}

/** The capture has not all of the packet. */
function isCut(slot: usize): bool {
  return load<u32>(slot, PACKET_IP_CAPTURED) < load<u32>(slot, FIELD_LENGTH * 4);
}
