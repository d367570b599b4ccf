/** The reader's place in the bytes it was fed, and its ways to stop. What outlives a chunk is in the state block (src/abi/capture.ts). */
import {
  CAPTURE_DAMAGE_OFFSET,
  CAPTURE_DAMAGED,
  CAPTURE_END,
  CAPTURE_FORMAT,
  CAPTURE_MORE,
  CAPTURE_OFFSET,
  CAPTURE_REASON,
  CAPTURE_STATE_SIZE,
  DAMAGE_CUT,
  DAMAGE_NONE,
} from '../../src/abi/capture.ts';

export let state: usize = 0;
/** First unread byte, first byte behind the chunk. */
export let cursor: usize = 0;
export let limit: usize = 0;
/** The words of this file or section are big-endian. */
export let swapped: bool = false;
let base: usize = 0;
let last: bool = false;

export function resetState(at: usize): void {
  state = at;
  memory.fill(at + CAPTURE_FORMAT, 0, CAPTURE_STATE_SIZE - CAPTURE_FORMAT);
  cursor = 0;
  limit = 0;
  base = 0;
  swapped = false;
  last = false;
}

export function feed(pointer: usize, length: u32, isLast: bool): void {
  store<u64>(state, load<u64>(state, CAPTURE_OFFSET) + u64(cursor - base), CAPTURE_OFFSET);
  base = pointer;
  cursor = pointer;
  limit = pointer + length;
  last = isLast;
}

/** Of bytes that another engine was fed (pipeline.ts). */
export function setLimitOfInput(end: usize): void {
  limit = end;
}

export function consumed(): u32 {
  return u32(cursor - base);
}

export function advance(bytes: usize): void {
  cursor += bytes;
}

export function setSwapped(value: bool): void {
  swapped = value;
}

/** Offset in the file of the cursor. */
export function fileOffset(): u64 {
  return load<u64>(state, CAPTURE_OFFSET) + u64(cursor - base);
}

/** The record at the cursor is not all here: ask for more, or call the file cut at the cursor. */
export function short(): i32 {
  return last ? damage(DAMAGE_CUT) : CAPTURE_MORE;
}

/** Nothing of a next record is here. */
export function drained(): i32 {
  return last ? CAPTURE_END : CAPTURE_MORE;
}

/** Damage of what begins at the cursor. */
export function damage(reason: u32): i32 {
  return damageAt(reason, fileOffset());
}

export function damageAt(reason: u32, offset: u64): i32 {
  store<u32>(state, reason, CAPTURE_REASON);
  store<u64>(state, offset, CAPTURE_DAMAGE_OFFSET);
  return CAPTURE_DAMAGED;
}

export function damaged(): bool {
  return load<u32>(state, CAPTURE_REASON) !== <u32>DAMAGE_NONE;
}

export function isLast(): bool {
  return last;
}

/** Words in the byte order of the file. */
export function word(at: usize): u32 {
  const value = load<u32>(at);
  return swapped ? bswap<u32>(value) : value;
}

export function half(at: usize): u32 {
  const value = load<u16>(at);
  return u32(swapped ? bswap<u16>(value) : value);
}

export function wide(at: usize): u64 {
  const value = load<u64>(at);
  return swapped ? bswap<u64>(value) : value;
}
