/** IPv6 addresses as text (net/core/utils.c, in6_pton), read in one go from left to right. */

/** The address that readAddress6 read: four words, host order, most significant first. */
export const ADDRESS6: usize = memory.data(16, 16);
/** Its eight halves on the way. */
const HALVES: usize = memory.data(8 * 4, 16);
const NO_GAP: u32 = 9;
const COLON: u32 = 58;
const DOT: u32 = 46;

/** 0 to 15; 16 for what is no hexadecimal digit. */
function hexadecimal(byte: u32): u32 {
  if (byte - 48 < 10) return byte - 48;
  const letter = (byte | 32) - 97;
  return letter < 6 ? letter + 10 : 16;
}

/** The address from `from` up to the byte `stop`, a zero byte or the end. Out: how long its text is; 0: none, or something else is there. */
export function readAddress6(from: usize, end: usize, stop: u32): u32 {
  let count: u32 = 0;
  let gap = NO_GAP;
  let at = from;
  // Where a half begins, or one of two colons stands.
  while (true) {
    const byte = byteAt(at, end, stop);
    if (byte === COLON) {
      if (byteAt(at + 1, end, stop) !== COLON || gap !== NO_GAP || at !== from) return 0;
      gap = 0;
      at += 2;
      if (byteAt(at, end, stop) === 0) break;
      continue;
    }
    const half = at;
    let value: u32 = 0;
    let digit = hexadecimal(byte);
    if (digit === 16) return 0;
    while (digit < 16) {
      value = (value << 4) | digit;
      if (value > 0xffff) return 0;
      at++;
      digit = hexadecimal(byteAt(at, end, stop));
    }
    const behind = byteAt(at, end, stop);
    if (behind === DOT) {
      const length = readDotted(half, end, stop, count);
      if (length === 0) return 0;
      count += 2;
      at = half + (length as usize);
      break;
    }
    if (count === 8) return 0;
    store<u32>(HALVES + ((count as usize) << 2), value);
    count++;
    if (behind === 0) break;
    if (behind !== COLON) return 0;
    at++;
    if (byteAt(at, end, stop) !== COLON) continue;
    if (gap !== NO_GAP) return 0;
    gap = count;
    at++;
    if (byteAt(at, end, stop) === 0) break;
  }
  return spread(count, gap) ? ((at - from) as u32) : 0;
}

/** The byte at a place; 0 where the address ends. */
function byteAt(at: usize, end: usize, stop: u32): u32 {
  if (at >= end) return 0;
  const byte = load<u8>(at) as u32;
  return byte === stop ? 0 : byte;
}

/** Halves number `count` and the one behind it, of four numbers up to 255 with dots between them, up to the end or a colon. Out: how long the text is; 0: it is none. */
function readDotted(from: usize, end: usize, stop: u32, count: u32): u32 {
  if (count > 6) return 0;
  let parts: u32 = 0;
  let value: u32 = 0;
  let all: u32 = 0;
  let digits = false;
  let at = from;
  for (; ; at++) {
    const byte = byteAt(at, end, stop);
    if (byte - 48 < 10) {
      value = value * 10 + (byte - 48);
      if (value > 255) return 0;
      digits = true;
      continue;
    }
    if (!digits) return 0;
    digits = false;
    all = (all << 8) | value;
    value = 0;
    parts++;
    if (byte === 0 || byte === COLON) break;
    if (byte !== DOT || parts === 4) return 0;
  }
  if (parts !== 4) return 0;
  store<u32>(HALVES + ((count as usize) << 2), all >>> 16);
  store<u32>(HALVES + ((count as usize) << 2), all & 0xffff, 4);
  return (at - from) as u32;
}

/** Puts the halves where they belong: a gap is one or more of zeros. */
function spread(count: u32, gap: u32): bool {
  if (gap === NO_GAP ? count !== 8 : count > 7) return false;
  const zeros = 8 - count;
  for (let index: u32 = 0; index < 8; index++) {
    let half: u32 = 0;
    if (index < gap) half = load<u32>(HALVES + ((index as usize) << 2));
    else if (index >= gap + zeros) half = load<u32>(HALVES + (((index - zeros) as usize) << 2));
    // Of the two halves of a word, the first in memory is the lower one: little-endian.
    store<u16>(ADDRESS6 + ((index as usize) << 1), half);
  }
  for (let word: usize = 0; word < 16; word += 4) store<u32>(ADDRESS6 + word, rotl<u32>(load<u32>(ADDRESS6 + word), 16));
  return true;
}
