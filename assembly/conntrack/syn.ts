/**
 * How nearly every TCP connection begins: with a SYN that was looked up ahead and found nothing (ahead.ts). What opening.ts, tcp.ts and tcp-window.ts find out about it step by step is known beforehand;
 * whatever else may be asked of it (extensions, translation, expectations, another connection in its place) is for them.
 */
import {
  TCP_SYN_SENT,
  TRACKING_FLAG_CHECKSUM,
  TRACKING_FLAG_NAT,
  TRACKING_TCP,
  TRACKING_TCP_RETRANS,
} from '../../src/abi/conntrack';
import {
  CT_NEW,
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_L4_LENGTH,
  FIELD_LENGTH,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  FIELD_SPORT,
  FIELD_TCP_FLAGS,
  STATUS_ENTRY,
} from '../../src/abi/fields';
import {
  PACKET_CT_ENTRY,
  PACKET_CT_HASH,
  PACKET_CT_HIGH,
  PACKET_CT_LOW,
  PACKET_EDGE,
  PACKET_IP,
  PACKET_JIFFIES,
  PACKET_L4_OFFSET,
} from '../../src/abi/packet';
import { checksumHolds } from './checksum';
import { due } from './collector';
import {
  ENDPOINT_MASK,
  ENTRY_HASH,
  ENTRY_HIGH,
  ENTRY_LOW,
  ENTRY_SIDES,
  ENTRY_STATUS,
  ENTRY_SWAPPED,
  ENTRY_TCP_STATE,
  ENTRY_TIMEOUT,
  PROTOCOL_TCP,
  SIDE_END,
  SIDE_MAXEND,
  SIDE_MAXWIN,
  SIDE_SIZE,
} from './entry';
import { expectationCount } from './expectations';
import { extended } from './extension';
import { followInit } from './follow';
import { HALF_PAIR, HALF_SIDES, wordOfAsked } from './half';
import { flag, parameter } from './parameters';
import { hasShortWay } from './plain';
import { allocateHalf, allocateRecord } from './pool';
import { confirm, confirmHalf, isUnknown, setClock } from './table';
import { optionHasSack, optionHasScale, optionScale, optionsThere, readOptions, TCP_HEADER_SIZE } from './tcp-options';
import { SIDE_SACK_PERMITTED, SIDE_WINDOW_SCALE, takeOptions } from './tcp-window';
import { hashIPv4 } from './tuple';

export const FLAG_SYN: u32 = 2;
const IPV4_HEADER: u32 = 20;
/** Direction, original, and behind it the status that rules see of a connection that was just made. */
export const OPENING: u64 = ((<u32>STATUS_ENTRY) as u64) << 32;
/** Connections begin with nothing beside their entries. */
let wanted: bool = false;
/** Connections that began here: only the debug build counts them, for tests. */
let opened: u32 = 0;

export function synsOpened(): u32 {
  return opened;
}

/** Once the parameters are there. */
export function shortWaysInit(): void {
  followInit();
  wanted = hasShortWay() && !extended && !flag(TRACKING_FLAG_NAT);
}

/** A packet whose plan is short (plan.ts). Out: it opened a connection, which the slot knows; or false, and nothing is changed. */
export function conntrackSyn(slot: usize, prerouting: bool): bool {
  // With an edge that was found ahead comes the key, and that nobody had it.
  if (load<u32>(slot, PACKET_EDGE) === 0 || load<u32>(slot, FIELD_TCP_FLAGS * 4) !== FLAG_SYN) return false;
  if (load<u32>(slot, FIELD_PROTOCOL * 4) !== PROTOCOL_TCP || load<u32>(slot, PACKET_CT_ENTRY) !== 0) return false;
  const now = load<i64>(slot, PACKET_JIFFIES);
  if (!wanted || now >= due || expectationCount() !== 0) return false;
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  const header: usize = load<u32>(slot, PACKET_IP) + offset;
  const length = load<u32>(slot, FIELD_LENGTH * 4) - offset;
  if (present < TCP_HEADER_SIZE) return false;
  const size = ((load<u8>(header, 12) >> 4) as u32) << 2;
  if (size < TCP_HEADER_SIZE || length < size) return false;
  if (prerouting && flag(TRACKING_FLAG_CHECKSUM) && !checksumHolds(slot, PROTOCOL_TCP, present)) return false;
  const from = ((load<u32>(slot, FIELD_SOURCE * 4) as u64) << 16) | (load<u32>(slot, FIELD_SPORT * 4) as u64);
  const entry = openUnknown(slot, from);
  if (entry === 0) return false;
  setClock(now);
  begin(entry, header, length - size, optionsThere(size, present));
  store<u32>(slot, CT_NEW, FIELD_CT_STATE * 4);
  store<u64>(slot, OPENING, FIELD_CT_DIRECTION * 4);
  // Behind the entry, that it is not confirmed.
  store<u64>(slot, (entry as u64) | (1 << 32), PACKET_CT_ENTRY);
  if (!ASC_NO_ASSERT) opened++;
  return true;
}

/**
 * The same for a packet of `length` bytes at `ip` whose slot is not decoded, nor has a guess, and whose checksum need not be asked any more. The connection is confirmed at once. Out: its entry; or 0, and nothing is changed.
 */
export function openBare(slot: usize, ip: usize, length: u32, now: i64): usize {
  if (!wanted || expectationCount() !== 0) return 0;
  const header = ip + IPV4_HEADER;
  const present = length - IPV4_HEADER;
  const size = ((load<u8>(header, 12) >> 4) as u32) << 2;
  if (size < TCP_HEADER_SIZE || present < size) return 0;
  const from = ((bswap(load<u32>(ip, 12)) as u64) << 16) | (bswap(load<u16>(header)) as u64);
  const entry = openUnknown(slot, from);
  if (entry === 0) return 0;
  begin(entry, header, present - size, size - TCP_HEADER_SIZE);
  confirm(entry, now);
  if (!ASC_NO_ASSERT) opened++;
  return entry;
}

/** The same, and of the connection there is but a half (half.ts), whose plain segments leave by the pair at place `pair` (pairs.ts). False, and nothing is changed: it is for openBare. */
export function openHalf(slot: usize, ip: usize, length: u32, now: i64, pair: u32): bool {
  const directed = load<u32>(slot, PACKET_CT_HASH);
  if (!wanted || directed === 0 || expectationCount() !== 0) return false;
  const header = ip + IPV4_HEADER;
  const present = length - IPV4_HEADER;
  const size = ((load<u8>(header, 12) >> 4) as u32) << 2;
  if (size < TCP_HEADER_SIZE || present < size) return false;
  const hash = directed | 1;
  if (!isUnknown(hash)) return false;
  const half = allocateHalf();
  if (half === 0) return false;
  let flags: u32 = 0;
  let scale: u32 = 0;
  if (size !== TCP_HEADER_SIZE) {
    readOptions(header, size - TCP_HEADER_SIZE);
    flags = (optionHasSack ? SIDE_SACK_PERMITTED : 0) | (optionHasScale ? SIDE_WINDOW_SCALE : 0);
    scale = optionScale;
  }
  const end = bswap(load<u32>(header, 4)) + present - size + 1;
  const room = max(bswap(load<u16>(header, 14)) as u32, 1);
  store<u64>(half, load<u64>(slot, PACKET_CT_LOW), ENTRY_LOW);
  store<u64>(half, load<u64>(slot, PACKET_CT_HIGH) | ((pair as u64) << ((HALF_PAIR - ENTRY_HIGH) << 3)), ENTRY_HIGH);
  store<i64>(half, now + (synTimeout() as i64), ENTRY_TIMEOUT);
  store<u64>(half, wordOfAsked(directed & 1, scale, flags), ENTRY_STATUS);
  store<u64>(half, (end as u64) | ((end as u64) << 32), HALF_SIDES + SIDE_END);
  store<u64>(half, room as u64, HALF_SIDES + SIDE_MAXWIN);
  store<u64>(half, (room as u64) << 32, HALF_SIDES + SIDE_SIZE + SIDE_END);
  store<u64>(half, 0, HALF_SIDES + SIDE_SIZE + SIDE_MAXWIN);
  confirmHalf(half, hash);
  if (!ASC_NO_ASSERT) opened++;
  return true;
}

/** An entry with the slot's key, whose original direction comes from an endpoint, all else zero. 0: another connection may have the key by now, or memory is out. */
function openUnknown(slot: usize, from: u64): usize {
  const low = load<u64>(slot, PACKET_CT_LOW);
  const high = load<u64>(slot, PACKET_CT_HIGH);
  const hash = hashIPv4(low, high);
  if (!isUnknown(hash)) return 0;
  const entry = allocateRecord();
  if (entry === 0) return 0;
  store<u64>(entry, low, ENTRY_LOW);
  store<u64>(entry, high, ENTRY_HIGH);
  // No status; behind it whether the ends are swapped, and no more.
  const swapped = (from !== (low & ENDPOINT_MASK)) as u64;
  store<u64>(entry, swapped << ((ENTRY_SWAPPED - ENTRY_STATUS) << 3), ENTRY_STATUS);
  store<u32>(entry, hash, ENTRY_HASH);
  return entry;
}

/** What tcp_new and tcp_in_window make of a SYN with `data` bytes behind its header of `options` bytes more than the shortest: the other side may send as much as this one takes. */
function begin(entry: usize, header: usize, data: u32, options: u32): void {
  const end = bswap(load<u32>(header, 4)) + data + 1;
  const room = max(bswap(load<u16>(header, 14)) as u32, 1);
  store<u8>(entry, TCP_SYN_SENT, ENTRY_TCP_STATE);
  takeOptions(entry, 0, header, options);
  store<u32>(entry, end, ENTRY_SIDES + SIDE_END);
  store<u32>(entry, end, ENTRY_SIDES + SIDE_MAXEND);
  store<u32>(entry, room, ENTRY_SIDES + SIDE_MAXWIN);
  store<u32>(entry, room, ENTRY_SIDES + SIDE_SIZE + SIDE_MAXEND);
  store<i64>(entry, synTimeout() as i64, ENTRY_TIMEOUT);
}

/** No ACK was seen yet, so there is no window either: the kernel takes the time of a retransmission where that is shorter. */
function synTimeout(): u32 {
  return min(parameter(TRACKING_TCP + (TCP_SYN_SENT << 2)), parameter(TRACKING_TCP_RETRANS));
}
