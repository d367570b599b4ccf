/**
 * Half an entry, one cache line: of a TCP connection over IPv4 of a known service, in no zone and with nothing beside it, as long as its packets are as they usually are (begin.ts, bare.ts). Many connections are no
 * older than a few packets, and memory that is touched for the first time is dear. What last_* of an entry are follows from the rest: the last segment ended where its side ends, and acknowledged the most.
 * A half is known to the table and to guesses (ahead.ts) alone, both of which say that it is one. Whoever else asks for the connection finds an entry, which takes the half's place (table.ts), and stays.
 */
import { TCP_ESTABLISHED, TCP_SYN_RECV, TCP_SYN_SENT } from '../../src/abi/conntrack';
import { STATUS_ASSURED, STATUS_CONFIRMED, STATUS_SEEN_REPLY } from '../../src/abi/fields';
import { PACKET_CT_HIGH, PACKET_CT_LOW } from '../../src/abi/packet';
import {
  ENDPOINT_MASK,
  ENTRY_EDGE_CHECKS,
  ENTRY_HASH,
  ENTRY_HIGH,
  ENTRY_LAST_ACK,
  ENTRY_LAST_DIRECTION,
  ENTRY_LAST_END,
  ENTRY_LAST_INDEX,
  ENTRY_LAST_SEQ,
  ENTRY_LAST_WINDOW,
  ENTRY_LOW,
  ENTRY_SIDES,
  ENTRY_STATUS,
  ENTRY_SWAPPED,
  ENTRY_TCP_FLAGS,
  ENTRY_TCP_SCALE,
  ENTRY_TCP_STATE,
  ENTRY_TIMEOUT,
  SIDE_END,
  SIDE_MAXACK,
  SIDE_MAXEND,
  SIDE_SIZE,
  STATUS_HALF,
  STATUS_VISIBLE,
} from './entry';
import { keeperOf } from './pairs';
import { CLASS_ACK, CLASS_SYNACK } from './tcp-matrix';
import { SIDE_MAXACK_SET } from './tcp-window';
import { hashIPv4 } from './tuple';

/** In a reference of the table, and so in a guess (which has another bit below): it is of a half. */
export const REFERENCE_HALF: u32 = 2;
const REFERENCE_BITS: u32 = 3;

export const HALF_SIZE: usize = 64;
/** ENTRY_LOW, ENTRY_HIGH, ENTRY_TIMEOUT and ENTRY_STATUS are where an entry has them; behind the high end, in place of the zone: u16, the place of a pair (pairs.ts), never 0. */
export const HALF_PAIR: usize = 14;
/** u16, the upper half of the status word: bytes of data of the last segment. */
export const HALF_DATA: usize = 26;
/** u8 each: in the lower four bits the state, and whether the ends are swapped; in the upper ones the window scales of the two sides. */
export const HALF_SCALES: usize = ENTRY_TCP_STATE;
/** u8 each: flags of the two sides, as an entry has them; and HALF_LAST in the first: the last segment went in direction 1. */
export const HALF_FLAGS: usize = ENTRY_TCP_FLAGS;
export const HALF_LAST: u32 = 64;
/** The two sides, as an entry has them. */
export const HALF_SIDES: usize = 32;
/** u32: of a half that is free, the next one. */
export const HALF_NEXT: usize = 60;

/** Of the word at ENTRY_STATUS: the status, the state, the flags. */
const STATUS: u64 = 0xffff;
const STATE_SHIFT: u64 = 32;
const STATE: u64 = (0xf as u64) << 32;
const SCALE_SHIFT: u64 = 36;
/** Of the side that began. */
const SCALE: u64 = (0xf as u64) << 36;
const SWAPPED_SHIFT: u64 = ((ENTRY_SWAPPED - ENTRY_STATUS) << 3) as u64;
const SWAPPED: u64 = (1 as u64) << 40;
const NO_DATA: u64 = 0xffff0000;
const FLAGS_SHIFT: u64 = 48;
const SIDE_FLAGS: u32 = 0x3f;
/** Of a status, what an entry has of it. */
const STATUS_ALL: u32 = STATUS_HALF - 1;
const ASKED: u32 = STATUS_HALF | STATUS_CONFIRMED;
const ANSWERED: u32 = ASKED | STATUS_SEEN_REPLY;
const OPEN: u32 = ANSWERED | STATUS_ASSURED;
/** What rules see of the status of all of which isOpenHalf says that they are. */
export const OPEN_STATUS: u32 = OPEN & STATUS_VISIBLE;

/** The entry, or half, that a reference of the table or a guess is of. */
export function guessedEntry(reference: u32): usize {
  return (reference & ~REFERENCE_BITS) as usize;
}

export function isHalf(record: usize): bool {
  return (load<u32>(record, ENTRY_STATUS) & STATUS_HALF) !== 0;
}

/** Whether what has this word at ENTRY_STATUS is a half of which nothing was seen but a SYN; the answer to it; and what acknowledged that. */
export function isAskedHalf(word: u64): bool {
  return (word & (STATUS | STATE)) === ((ASKED as u64) | ((TCP_SYN_SENT as u64) << STATE_SHIFT));
}

export function isAnsweredHalf(word: u64): bool {
  return (word & (STATUS | STATE)) === ((ANSWERED as u64) | ((TCP_SYN_RECV as u64) << STATE_SHIFT));
}

export function isOpenHalf(word: u64): bool {
  return (word & (STATUS | STATE)) === ((OPEN as u64) | ((TCP_ESTABLISHED as u64) << STATE_SHIFT));
}

/** That word of a half of which a SYN was seen, with the flags of its side. */
export function wordOfAsked(swapped: u32, scale: u32, flags: u32): u64 {
  const first = ((scale << 4) | TCP_SYN_SENT) as u64;
  return (ASKED as u64) | (first << STATE_SHIFT) | ((swapped as u64) << SWAPPED_SHIFT) | ((flags as u64) << FLAGS_SHIFT);
}

/** What becomes of a half's word with the answer to its SYN: that side's scale and flags. `scaled`: windows are. No segment has as many bytes of data as HALF_DATA says then. */
export function wordOfAnswered(word: u64, scale: u32, flags: u32, scaled: bool): u64 {
  const kept = word & (((((SIDE_FLAGS as u64) << FLAGS_SHIFT) | SWAPPED) as u64) | (scaled ? SCALE : 0));
  const second = scaled ? (scale as u64) << (SCALE_SHIFT + 8) : 0;
  const state = ((TCP_SYN_RECV as u64) << STATE_SHIFT) | NO_DATA | (ANSWERED as u64);
  return kept | second | ((flags as u64) << (FLAGS_SHIFT + 8)) | state;
}

/** And with what acknowledges that. */
export function wordOfOpen(word: u64): u64 {
  const state = ((TCP_ESTABLISHED as u64) << STATE_SHIFT) | (OPEN as u64);
  return (word & ~(STATUS | STATE)) | state | ((SIDE_MAXACK_SET as u64) << FLAGS_SHIFT);
}

/** Of a word: the flags of a side. */
export function flagsIn(word: u64, direction: u32): u32 {
  return ((word >>> (FLAGS_SHIFT + ((direction << 3) as u64))) as u32) & SIDE_FLAGS;
}

/** As hasKeyOf (plain.ts), of a half: behind its ends there is a pair, and behind those of a slot nothing, for it is in no zone. */
export function hasKeyOfHalf(half: usize, slot: usize): bool {
  const low = load<u64>(half, ENTRY_LOW) ^ load<u64>(slot, PACKET_CT_LOW);
  return (low | ((load<u64>(half, ENTRY_HIGH) ^ load<u64>(slot, PACKET_CT_HIGH)) << 16)) === 0;
}

/** Whether this is its key, in whatever zone. */
export function isKeyOfHalf(half: usize, low: u64, high: u64): bool {
  return load<u64>(half, ENTRY_LOW) === low && (load<u64>(half, ENTRY_HIGH) & ENDPOINT_MASK) === high;
}

export function hashOfHalf(half: usize): u32 {
  return hashIPv4(load<u64>(half, ENTRY_LOW), load<u64>(half, ENTRY_HIGH) & ENDPOINT_MASK);
}

/** Writes the entry that a half stands for into ENTRY_SIZE bytes of zeros. */
export function expandInto(half: usize, entry: usize): void {
  const word = load<u64>(half, ENTRY_STATUS);
  store<u64>(entry, load<u64>(half, ENTRY_LOW), ENTRY_LOW);
  store<u64>(entry, load<u64>(half, ENTRY_HIGH) & ENDPOINT_MASK, ENTRY_HIGH);
  store<i64>(entry, load<i64>(half, ENTRY_TIMEOUT), ENTRY_TIMEOUT);
  store<u32>(entry, (word as u32) & STATUS_ALL, ENTRY_STATUS);
  store<u8>(entry, ((word >>> STATE_SHIFT) as u32) & 15, ENTRY_TCP_STATE);
  store<u8>(entry, ((word >>> SWAPPED_SHIFT) as u32) & 1, ENTRY_SWAPPED);
  for (let direction: u32 = 0; direction < 2; direction++) {
    store<u8>(entry + (direction as usize), flagsIn(word, direction), ENTRY_TCP_FLAGS);
    store<u8>(entry + (direction as usize), scaleIn(word, direction), ENTRY_TCP_SCALE);
  }
  store<u32>(entry, hashOfHalf(half), ENTRY_HASH);
  memory.copy(entry + ENTRY_SIDES, half + HALF_SIDES, 2 * SIDE_SIZE);
  const keeper = keeperOf(load<u16>(half, HALF_PAIR) as u32);
  memory.copy(entry + ENTRY_EDGE_CHECKS, keeper + ENTRY_EDGE_CHECKS, 24);
  expandLast(entry, word);
}

function scaleIn(word: u64, direction: u32): u32 {
  return ((word >>> (SCALE_SHIFT + ((direction << 3) as u64))) as u32) & 15;
}

/** What the last segment left behind. */
function expandLast(entry: usize, word: u64): void {
  // A SYN leaves its class, which is 0, and nothing else.
  if (isAskedHalf(word)) return;
  store<u8>(entry, CLASS_SYNACK, ENTRY_LAST_INDEX);
  store<u8>(entry, 1, ENTRY_LAST_DIRECTION);
  if (isAnsweredHalf(word)) return;
  const direction = ((word >>> FLAGS_SHIFT) & (HALF_LAST as u64)) !== 0 ? (1 as u32) : 0;
  const sender = entry + ENTRY_SIDES + (direction as usize) * SIDE_SIZE;
  const receiver = entry + ENTRY_SIDES + ((direction ^ 1) as usize) * SIDE_SIZE;
  const ack = load<u32>(sender, SIDE_MAXACK);
  const end = load<u32>(sender, SIDE_END);
  store<u8>(entry, CLASS_ACK, ENTRY_LAST_INDEX);
  store<u8>(entry, direction, ENTRY_LAST_DIRECTION);
  store<u32>(entry, end - (((word >>> 16) as u32) & 0xffff), ENTRY_LAST_SEQ);
  store<u32>(entry, ack, ENTRY_LAST_ACK);
  store<u32>(entry, end, ENTRY_LAST_END);
  store<u16>(entry, (load<u32>(receiver, SIDE_MAXEND) - ack) >>> scaleIn(word, direction), ENTRY_LAST_WINDOW);
}
