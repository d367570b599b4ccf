/** pcapng files (draft-ietf-opsawg-pcapng): sections, interfaces, the three packet blocks; everything else is stepped over. */
import {
  BLOCK_MAXIMUM,
  CAPTURE_INTERFACES,
  CAPTURE_RECORD,
  CAPTURE_SKIP,
  CAPTURE_SKIP_OFFSET,
  CAPTURE_SKIP_TOTAL,
  DAMAGE_BLOCK_LENGTH,
  DAMAGE_BLOCK_SIZE,
  DAMAGE_BLOCK_TRAILER,
  DAMAGE_BYTE_ORDER,
  DAMAGE_CUT,
  DAMAGE_VERSION,
} from '../../src/abi/capture.ts';
import { describeInterface } from './description.ts';
import { enhancedPacket, oldPacket, simplePacket } from './packets.ts';
import {
  advance,
  cursor,
  damage,
  damageAt,
  drained,
  fileOffset,
  half,
  isLast,
  limit,
  setSwapped,
  short,
  state,
  word,
} from './state.ts';

/** The same in both byte orders. */
export const BLOCK_SECTION: u32 = 0x0a0d0d0a;
const BLOCK_INTERFACE: u32 = 1;
const BLOCK_OLD_PACKET: u32 = 2;
const BLOCK_SIMPLE_PACKET: u32 = 3;
const BLOCK_ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b3c4d;
const SECTION_MINIMUM: u32 = 28;
const BLOCK_MINIMUM: u32 = 12;

/** The next packet. */
export function pcapngNext(slot: usize): i32 {
  while (true) {
    if (load<u32>(state, CAPTURE_SKIP_TOTAL) !== 0) {
      const answer = skip();
      if (answer !== CAPTURE_RECORD) return answer;
    }
    const room = limit - cursor;
    if (room === 0) return drained();
    if (room < <usize>BLOCK_MINIMUM) return short();
    const section = load<u32>(cursor) === BLOCK_SECTION;
    if (section) {
      const answer = byteOrder();
      if (answer !== CAPTURE_RECORD) return answer;
    }
    const total = word(cursor + 4);
    const least = section ? SECTION_MINIMUM : BLOCK_MINIMUM;
    if (least > total || (total & 3) !== 0) return damage(DAMAGE_BLOCK_LENGTH);
    const type = section ? BLOCK_SECTION : word(cursor);
    if (total > <u32>BLOCK_MAXIMUM) {
      if (isNeeded(type)) return damage(DAMAGE_BLOCK_SIZE);
      if (section && room < <usize>SECTION_MINIMUM) return short();
      startSkip(total);
    } else {
      if (room < <usize>total) return short();
      if (word(cursor + total - 4) !== total) return damage(DAMAGE_BLOCK_TRAILER);
    }
    if (section) {
      const answer = startSection();
      if (answer !== CAPTURE_RECORD) return answer;
    } else if (isNeeded(type)) {
      // A packet, or damage, which stays.
      if (type !== BLOCK_INTERFACE) return packet(slot, type, total);
      const answer = describeInterface(total);
      if (answer !== CAPTURE_RECORD) return answer;
    }
    if (load<u32>(state, CAPTURE_SKIP_TOTAL) === 0) advance(total);
  }
}

function isNeeded(type: u32): bool {
  return type === BLOCK_ENHANCED_PACKET || type === BLOCK_SIMPLE_PACKET || type === BLOCK_INTERFACE || type === BLOCK_OLD_PACKET;
}

function packet(slot: usize, type: u32, total: u32): i32 {
  let answer: i32;
  if (type === BLOCK_ENHANCED_PACKET) answer = enhancedPacket(slot, total);
  else if (type === BLOCK_SIMPLE_PACKET) answer = simplePacket(slot, total);
  else answer = oldPacket(slot, total);
  if (answer === CAPTURE_RECORD) advance(total);
  return answer;
}

/** A section header names its byte order before anything else can be read. */
function byteOrder(): i32 {
  const magic = load<u32>(cursor + 8);
  if (magic === BYTE_ORDER) setSwapped(false);
  else if (magic === bswap<u32>(BYTE_ORDER)) setSwapped(true);
  else return damage(DAMAGE_BYTE_ORDER);
  return CAPTURE_RECORD;
}

function startSection(): i32 {
  if (half(cursor + 12) !== 1) {
    store<u32>(state, 0, CAPTURE_SKIP_TOTAL);
    return damage(DAMAGE_VERSION);
  }
  store<u32>(state, 0, CAPTURE_INTERFACES);
  return CAPTURE_RECORD;
}

/** A block nobody needs may be larger than any buffer. */
function startSkip(total: u32): void {
  store<u32>(state, total, CAPTURE_SKIP_TOTAL);
  store<u64>(state, total - 4, CAPTURE_SKIP);
  store<u64>(state, fileOffset(), CAPTURE_SKIP_OFFSET);
}

/** CAPTURE_RECORD when the block lies behind. */
function skip(): i32 {
  const offset = load<u64>(state, CAPTURE_SKIP_OFFSET);
  const left = load<u64>(state, CAPTURE_SKIP);
  const step = min<u64>(left, u64(limit - cursor));
  advance(usize(step));
  store<u64>(state, left - step, CAPTURE_SKIP);
  if (left > step || limit - cursor < 4) return isLast() ? damageAt(DAMAGE_CUT, offset) : short();
  if (word(cursor) !== load<u32>(state, CAPTURE_SKIP_TOTAL)) return damageAt(DAMAGE_BLOCK_TRAILER, offset);
  advance(4);
  store<u32>(state, 0, CAPTURE_SKIP_TOTAL);
  return CAPTURE_RECORD;
}
