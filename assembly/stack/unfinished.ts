/**
 * Packets whose TCP or UDP checksum the device is to finish (CHECKSUM_PARTIAL, include/linux/skbuff.h): in its place stands the sum of the pseudo header, not inverted. The kernel asks nobody else for it: the packet
 * counts as right, and whatever is rewritten, the place holds that sum.
 */
import { FIELD_FAMILY, FIELD_LENGTH } from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_IP_CAPTURED } from '../../src/abi/packet.ts';
import { put16, sum16, sum32 } from '../packet/rewrite.ts';
import { offload } from './host.ts';

const TCP: u32 = 6;
const UDP: u32 = 17;
const TCP_FIELD: u32 = 16;
const UDP_FIELD: u32 = 6;
const IPV6_HEADER: u32 = 40;
const HOP_BY_HOP: u32 = 0;
const ROUTING: u32 = 43;
const DESTINATION: u32 = 60;
/** The fragment offset of an IPv4 header, as its bytes lie. */
const OFFSET_BITS: u32 = 0xff1f;

/** Of a packet put together: its longest fragment. The sums of fragments were finished before they were cut. */
let longest: u32 = 0;

/** The packet in hand was put together from fragments, the longest of which had so many bytes; 0: it came whole. */
export function setLongestFragment(bytes: u32): void {
  longest = bytes;
}

export function longestFragment(): u32 {
  return longest;
}

/** Of the packet looked at last: its protocol, and where its transport header begins. */
let protocol: u32 = 0;
let header: u32 = 0;

/**
 * Where the checksum stands; 0: the packet has none that a device makes, or the capture has not all of its header. Conntrack and rules part IPv6 headers each in its own way; devices step over those of options and routing. What
 * is authenticated was finished before.
 */
function fieldOf(slot: usize): usize {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const present = load<u32>(slot, PACKET_IP_CAPTURED);
  if (load<u32>(slot, FIELD_FAMILY * 4) === 4) {
    if ((load<u16>(ip, 6) & OFFSET_BITS) !== 0) return 0;
    protocol = load<u8>(ip, 9);
    header = ((load<u8>(ip) as u32) & 15) << 2;
  } else {
    protocol = load<u8>(ip, 6);
    header = IPV6_HEADER;
    while (protocol === HOP_BY_HOP || protocol === ROUTING || protocol === DESTINATION) {
      if (header + 2 > present) return 0;
      protocol = load<u8>(ip + (header as usize));
      header += ((load<u8>(ip + (header as usize), 1) as u32) + 1) << 3;
    }
  }
  if (protocol !== TCP && protocol !== UDP) return 0;
  const at = header + (protocol === TCP ? TCP_FIELD : UDP_FIELD);
  return at + 2 > present || header > load<u32>(slot, FIELD_LENGTH * 4) ? 0 : ip + (at as usize);
}

/** The pseudo header's folded sum, which is never 0. Behind fieldOf. */
function pseudoSum(slot: usize): u32 {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const length = load<u32>(slot, FIELD_LENGTH * 4) - header;
  let sum = protocol + (length >>> 16) + (length & 0xffff);
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const end: usize = six ? 40 : 20;
  for (let at: usize = six ? 8 : 12; at < end; at += 4) sum += sum32(ip + at);
  return folded(sum);
}

function folded(sum: u32): u32 {
  let rest = sum;
  while (rest > 0xffff) rest = (rest & 0xffff) + (rest >>> 16);
  return rest;
}

/** The packet came from a device that leaves checksums unfinished, and its own is. */
export function isUnfinished(slot: usize): bool {
  return offload && looksUnfinished(slot);
}

/** The packet came whole, and its checksum is one that a device is to finish, whether such devices are known or not. */
export function looksUnfinished(slot: usize): bool {
  if (longest !== 0) return false;
  const field = fieldOf(slot);
  return field !== 0 && sum16(field) === pseudoSum(slot);
}

/** The same of an IPv4 packet without options that holds a whole TCP segment. */
export function isSegmentUnfinished(ip: usize, length: u32): bool {
  if (!offload) return false;
  return sum16(ip + 20 + (TCP_FIELD as usize)) === folded(TCP + length - 20 + sum32(ip + 12) + sum32(ip + 16));
}

/** The packet was unfinished, and is what it is now: it still is. */
export function leaveUnfinished(slot: usize): void {
  const field = fieldOf(slot);
  if (field !== 0) put16(field, pseudoSum(slot));
}
