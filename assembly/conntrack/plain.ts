/**
 * The way of most packets: a plain segment inside the windows of an open TCP connection. It is what track.ts, tcp.ts and tcp-window.ts
 * do with such a packet and with no other; whatever is not plain is left as it was, for them to judge. Nothing is written before all is known.
 */
import { TCP_ESTABLISHED, TRACKING_FLAG_NAT, TRACKING_MAX_RETRANS } from '../../src/abi/conntrack';
import {
  CT_ESTABLISHED,
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_DESTINATION,
  FIELD_L4_LENGTH,
  FIELD_LENGTH,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  FIELD_TCP_FLAGS,
  STATUS_ASSURED,
  STATUS_CONFIRMED,
  STATUS_ENTRY,
  STATUS_SEEN_REPLY,
} from '../../src/abi/fields';
import {
  PACKET_CT_ENTRY,
  PACKET_CT_HIGH,
  PACKET_CT_LOW,
  PACKET_IP,
  PACKET_JIFFIES,
  PACKET_L4_OFFSET,
} from '../../src/abi/packet';
import { isSegmentUnfinished, isUnfinished } from '../stack/unfinished';
import { ALIAS_ENTRY } from './alias';
import { pseudoHeaderOf, sumHolds } from './checksum';
import { due } from './collector';
import {
  ENTRY_ALIAS,
  ENTRY_HIGH,
  ENTRY_LOW,
  ENTRY_STATUS,
  ENTRY_SWAPPED,
  ENTRY_TCP_FLAGS,
  ENTRY_TCP_STATE,
  ENTRY_TIMEOUT,
  ENTRY_UPPER,
  FAMILY_MASK,
  PROTOCOL_TCP,
  STATUS_ALIAS,
  STATUS_ALIASED,
  STATUS_DYING,
  STATUS_HEAD,
  STATUS_SHIFTED,
  STATUS_TRANSLATED,
  STATUS_VISIBLE,
  STATUS_ZONE_OF_ONE,
} from './entry';
import { accounting, zonesOfOne } from './extension';
import { follow } from './follow';
import { guessedEntry } from './half';
import { flag, parameter } from './parameters';
import { setClock } from './table';
import { TCP_HEADER_SIZE, TIMESTAMP_ONLY } from './tcp-options';
import { SIDE_MAXACK_SET } from './tcp-window';

export const FLAG_PSH: u32 = 8;
export const FLAG_ACK: u32 = 16;
/** Of entryWord. */
const STATE_SHIFT: u64 = ((ENTRY_TCP_STATE - ENTRY_STATUS) << 3) as u64;
const BOTH_ACKNOWLEDGED: u64 =
  ((SIDE_MAXACK_SET | (SIDE_MAXACK_SET << 8)) as u64) << (((ENTRY_TCP_FLAGS - ENTRY_STATUS) << 3) as u64);
/** Of the byte with the length of a TCP header: it has no options, or twelve bytes of them. */
const NO_OPTIONS: u32 = 0x50;
const TIMESTAMP_OPTIONS: u32 = 0x80;
/** Bytes of a segment whose sum is made, wanted or not. */
const SUM_ANYWAY: u32 = 64;
const IPV4_HEADER: u32 = 20;
/** Of an IPv4 header: where its addresses lie, in front of a segment, with which they are summed. */
const ADDRESSES: usize = 12;
const ADDRESSES_SIZE: u32 = 8;
/** The same of IPv6. */
const IPV6_HEADER: u32 = 40;
const ADDRESSES6: usize = 8;
const ADDRESSES6_SIZE: u32 = 32;
const OPEN: u32 = STATUS_CONFIRMED | STATUS_SEEN_REPLY | STATUS_ASSURED;

/** Whether plain packets can be told: the short way does not count packets (conntrack/extension.ts), knows one entry of a key, and does not count retransmissions. */
export function hasShortWay(): bool {
  return !accounting && !zonesOfOne && parameter(TRACKING_MAX_RETRANS) !== 0;
}

/** A packet with a guess (ahead.ts): one with ports, no later fragment, of IPv6 without extension headers. `verify`: its checksum counts. Out: it was plain, and the slot and its entry know it. */
export function plainSegment(slot: usize, guess: u32, verify: bool): bool {
  if (load<u32>(slot, FIELD_PROTOCOL * 4) !== PROTOCOL_TCP) return false;
  if ((load<u32>(slot, FIELD_TCP_FLAGS * 4) & ~FLAG_PSH) !== FLAG_ACK) return false;
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (present < TCP_HEADER_SIZE) return false;
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  const header = (load<u32>(slot, PACKET_IP) + offset) as usize;
  const now = load<i64>(slot, PACKET_JIFFIES);
  let entry = openConnection(slot, guess, now);
  let direction = directionIn(entry, guess);
  if (entry === 0) {
    entry = isCollected(now) ? 0 : openTranslated(slot, guess, now);
    if (entry === 0) return false;
    direction = translatedDirection;
  }
  // Whether it counts depends on the packet's direction, which nobody can foresee: a short sum costs less than guessing wrong.
  if (verify | (present <= SUM_ANYWAY)) {
    if (verify & !sumHolds(header, present, pseudoHeaderOf(slot, PROTOCOL_TCP, present)) && !isUnfinished(slot)) return false;
  }
  if (!follow(entry, direction, header, present, load<u32>(slot, FIELD_LENGTH * 4) - offset, now)) return false;
  setClock(now);
  const status = (load<u32>(entry, ENTRY_STATUS) & STATUS_VISIBLE) | STATUS_ENTRY;
  store<u32>(slot, CT_ESTABLISHED, FIELD_CT_STATE * 4);
  // The direction and the status behind it; the entry and, behind it, that it is confirmed.
  store<u64>(slot, (direction as u64) | ((status as u64) << 32), FIELD_CT_DIRECTION * 4);
  store<u64>(slot, entry as u64, PACKET_CT_ENTRY);
  return true;
}

/** Whether the checksum of the segment, or datagram, in a packet of `length` bytes at `ip` is right. */
export function segmentSumHolds(ip: usize, length: u32, protocol: u32): bool {
  const present = length - IPV4_HEADER;
  // Of a datagram whose device is to finish its sum, udp.ts knows.
  if (protocol === PROTOCOL_TCP && isSegmentUnfinished(ip, length)) return true;
  return sumHolds(ip + ADDRESSES, present + ADDRESSES_SIZE, (protocol as u64) + (present as u64));
}

/** Whether the TCP header has no options. */
export function hasNoOptions(header: usize): bool {
  return (load<u8>(header, 12) & 0xf0) === <u8>NO_OPTIONS;
}

/** Whether its options are what Linux sends with every segment: a timestamp, behind two NOPs. */
export function hasTimestampOnly(header: usize): bool {
  if ((load<u8>(header, 12) & 0xf0) !== <u8>TIMESTAMP_OPTIONS) return false;
  return load<u32>(header, TCP_HEADER_SIZE) === TIMESTAMP_ONLY;
}

/** As followBare, of a packet of IPv6 with one header. */
export function followBare6(entry: usize, direction: u32, ip: usize, length: u32, now: i64): bool {
  const present = length - IPV6_HEADER;
  return follow(entry, direction, ip + (IPV6_HEADER as usize), present, present, now);
}

/** Whether the checksum of the segment, or datagram, in such a packet is right. */
export function segmentSumHolds6(ip: usize, length: u32, protocol: u32): bool {
  const present = length - IPV6_HEADER;
  return sumHolds(ip + ADDRESSES6, present + ADDRESSES6_SIZE, (protocol as u64) + (present as u64));
}

/** As plainSegment, of a packet of `length` bytes at `ip` whose slot is not decoded (WAY_BARE), whose checksum need not be asked any more, and whose connection is open: only its entry knows it. False, and nothing is changed, when it is not plain. */
export function followBare(entry: usize, direction: u32, ip: usize, length: u32, now: i64): bool {
  const present = length - IPV4_HEADER;
  return follow(entry, direction, ip + IPV4_HEADER, present, present, now);
}

/** The guess, if it still is the packet's connection: open, assured and in its state ESTABLISHED. 0 otherwise. */
function openConnection(slot: usize, guess: u32, now: i64): usize {
  const entry = guessedEntry(guess);
  const open = isOpenWord(entryWord(entry)) && hasWholeKeyOf(guess, slot);
  return open && !isOver(entry, now) && !isCollected(now) ? entry : 0;
}

/** The direction of the packet in what `translatedConnection` found. */
export let translatedDirection: u32 = 0;

/** As openConnection, of a connection whose addresses are translated. */
export function openTranslated(slot: usize, guess: u32, now: i64): usize {
  const entry = translatedConnection(slot, guess);
  if (entry === 0 || !isOpenWord(entryWord(entry) & ~(STATUS_TRANSLATED as u64)) || isOver(entry, now)) return 0;
  return entry;
}

/** The connection of a guess, if its addresses are translated: its entry is of the original direction alone, the alias of its reply. 0 otherwise, or where its sequence numbers are shifted, or its directions in different zones. */
export function translatedConnection(slot: usize, guess: u32): usize {
  if (!flag(TRACKING_FLAG_NAT)) return 0;
  const record = guessedEntry(guess);
  if (!hasWholeKeyOf(guess, slot)) return 0;
  const replies = (load<u32>(record, ENTRY_STATUS) & STATUS_ALIAS) !== 0;
  const entry = replies ? (load<u32>(record, ALIAS_ENTRY) as usize) : record;
  if (replies && load<u32>(entry, ENTRY_ALIAS) !== (record as u32)) return 0;
  const status = load<u32>(entry, ENTRY_STATUS);
  if ((status & STATUS_TRANSLATED) === 0 || (status & (STATUS_ZONE_OF_ONE | STATUS_SHIFTED)) !== 0) return 0;
  translatedDirection = replies as u32;
  return directionIn(record, guess) === translatedDirection ? entry : 0;
}

/** All of an entry from ENTRY_STATUS to its flags. */
export function entryWord(entry: usize): u64 {
  return load<u64>(entry, ENTRY_STATUS);
}

/** Whether an entry with this word is a connection, assured, whose answers have the same key, in its state ESTABLISHED, and both sides acknowledged something. */
export function isOpenWord(word: u64): bool {
  const asked = ((OPEN | STATUS_DYING | STATUS_ALIASED) as u64) | ((0xff as u64) << STATE_SHIFT) | BOTH_ACKNOWLEDGED;
  return (word & asked) === ((OPEN as u64) | ((TCP_ESTABLISHED as u64) << STATE_SHIFT) | BOTH_ACKNOWLEDGED);
}

/** The direction, in such a connection, of the packet whose guess it is. */
export function directionOf(word: u64, guess: u32): u32 {
  return (guess ^ ((word >>> ((ENTRY_SWAPPED - ENTRY_STATUS) << 3)) as u32)) & 1;
}

/** The same of an entry or a half (half.ts), which has its scale above. Asked of memory: what can be computed the engine's code computes anew wherever it is used. */
export function directionThrough(entry: usize, guess: u32): u32 {
  return (guess ^ (load<u8>(entry, ENTRY_SWAPPED) as u32)) & 1;
}

/** Whether a guess still is the connection of the packet in `slot`: since then it can have become another's. */
export function hasKeyOf(entry: usize, slot: usize): bool {
  const low = load<u64>(entry, ENTRY_LOW) ^ load<u64>(slot, PACKET_CT_LOW);
  return (low | (load<u64>(entry, ENTRY_HIGH) ^ load<u64>(slot, PACKET_CT_HIGH))) === 0;
}

/** The same of a packet of either family whose addresses stand in the slot, which a guess is for. */
export function hasWholeKeyOf(guess: u32, slot: usize): bool {
  const entry = guessedEntry(guess);
  if (!hasKeyOf(entry, slot)) return false;
  return ((load<u64>(slot, PACKET_CT_LOW) >>> 56) & FAMILY_MASK) !== 6 || hasUpperOf(entry, slot, (guess & 1) !== 0);
}

/** The upper words of both addresses are those of the entry: a packet that is `swapped` goes from the high end. */
function hasUpperOf(entry: usize, slot: usize, swapped: bool): bool {
  const low = slot + select<usize>(FIELD_DESTINATION * 4, FIELD_SOURCE * 4, swapped);
  const high = slot + select<usize>(FIELD_SOURCE * 4, FIELD_DESTINATION * 4, swapped);
  const first = load<u64>(low) ^ load<u64>(entry, ENTRY_UPPER);
  const second = (load<u32>(low, 8) ^ load<u32>(entry, ENTRY_UPPER + 8)) | (load<u32>(high) ^ load<u32>(entry, ENTRY_UPPER + 12));
  return (first | (second as u64) | (load<u64>(high, 4) ^ load<u64>(entry, ENTRY_UPPER + 16))) === 0;
}

/** Its time is over at `now`. */
export function isOver(entry: usize, now: i64): bool {
  return load<i64>(entry, ENTRY_TIMEOUT) <= now;
}

/** The collector comes before a packet at `now`. */
export function isCollected(now: i64): bool {
  return now >= due;
}

/** The guess, if it still is the packet's connection, in whatever state, and its time is not over; no key is in hand then. 0: it has to be looked up. */
export function foreseenConnection(slot: usize, guess: u32, now: i64): usize {
  if (guess === 0 || flag(TRACKING_FLAG_NAT)) return 0;
  const entry = guessedEntry(guess);
  const status = load<u32>(entry, ENTRY_STATUS);
  if ((status & (STATUS_CONFIRMED | STATUS_DYING | STATUS_ALIASED | STATUS_ALIAS | STATUS_HEAD)) !== STATUS_CONFIRMED) return 0;
  if (!hasWholeKeyOf(guess, slot) || isOver(entry, now)) return 0;
  setClock(now);
  return entry;
}

/** The direction of the packet in the connection that its guess is. */
export function directionIn(entry: usize, guess: u32): u32 {
  return (guess & 1) ^ (load<u8>(entry, ENTRY_SWAPPED) as u32);
}
