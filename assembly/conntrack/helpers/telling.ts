/** Text that tells an address and a port as the other side of a translation sees them. */
import { entryAddress, entryFamily } from '../accessors';

/** Where it is written, and how long it is. */
export const TOLD: usize = memory.data(64, 16);
export let toldLength: u32 = 0;

/** What is told: six numbers; address and port, or a port alone, between delimiters; two numbers; one; one as two bytes. */
export const TELL_SIX: u32 = 0;
export const TELL_EXTENDED: u32 = 1;
export const TELL_EXTENDED_PORT: u32 = 2;
export const TELL_NUMBERS: u32 = 3;
export const TELL_PORT: u32 = 4;
export const TELL_BYTES: u32 = 5;

const COMMA: u32 = 44;
const FULL_STOP: u32 = 46;
const COLON: u32 = 58;
const BAR: u32 = 124;
const OPEN: u32 = 91;
const CLOSE: u32 = 93;
const BLANK: u32 = 32;

/** Writes `kind` of text: the address is that of the destination in `direction`. */
export function tell(kind: u32, entry: usize, direction: u32, port: u32): void {
  toldLength = 0;
  const address = entryAddress(entry, direction, false, 0);
  if (kind === TELL_SIX) {
    tellBytes(address, COMMA);
    character(COMMA);
    decimal(port >>> 8);
    character(COMMA);
    decimal(port & 255);
  } else if (kind === TELL_EXTENDED || kind === TELL_EXTENDED_PORT) {
    character(BAR);
    if (kind === TELL_EXTENDED) decimal(entryFamily(entry) === 4 ? 1 : 2);
    character(BAR);
    if (kind === TELL_EXTENDED) tellAddress(entry, direction);
    character(BAR);
    decimal(port);
    character(BAR);
  } else if (kind === TELL_BYTES) {
    character(port >>> 8);
    character(port & 255);
  } else {
    if (kind === TELL_NUMBERS) {
      decimal(address);
      character(BLANK);
    }
    decimal(port);
  }
}

/** Instead: a number. */
export function tellNumber(number: u32): void {
  toldLength = 0;
  decimal(number);
}

/** Instead: the address at `words`, four of them. `bracketed`: one of IPv6 in brackets. */
export function tellHost(words: usize, family: u32, bracketed: bool): void {
  toldLength = 0;
  if (family === 4) {
    tellBytes(load<u32>(words), FULL_STOP);
    return;
  }
  if (bracketed) character(OPEN);
  tellShort(words);
  if (bracketed) character(CLOSE);
}

/** Instead: the address at `words`, and a port. */
export function tellUri(words: usize, family: u32, port: u32): void {
  tellHost(words, family, true);
  character(COLON);
  decimal(port);
}

function halfOf(words: usize, index: u32): u32 {
  const word = load<u32>(words + ((index >>> 1) << 2));
  return (index & 1) === 0 ? word >>> 16 : word & 0xffff;
}

/** An IPv6 address without its longest run of zeros (lib/vsprintf.c, ip6_compressed_string), the first of several, if there are two and more; one that holds an address of IPv4 ends with that. */
function tellShort(words: usize): void {
  const mapped = load<u64>(words) === 0 && load<u32>(words, 8) === 0xffff;
  const holds = mapped || (load<u32>(words, 8) & ~0x02000000) === 0x5efe;
  const count: u32 = holds ? 6 : 8;
  let gap = count;
  let most: u32 = 1;
  for (let from: u32 = 0; from < count; from++) {
    let end = from;
    while (end < count && halfOf(words, end) === 0) end++;
    if (end - from <= most) continue;
    gap = from;
    most = end - from;
  }
  for (let index: u32 = 0; index < count; index++) {
    if (index === gap) {
      if (index === 0) character(COLON);
      character(COLON);
      index += most - 1;
      continue;
    }
    hexadecimal(halfOf(words, index));
    if (index !== 7) character(COLON);
  }
  if (holds) tellBytes(load<u32>(words, 12), FULL_STOP);
}

function hexadecimal(value: u32): void {
  let shift: i32 = 12;
  while (shift > 0 && value >>> shift === 0) shift -= 4;
  for (; shift >= 0; shift -= 4) {
    const digit = (value >>> shift) & 15;
    character(digit < 10 ? 48 + digit : 87 + digit);
  }
}

/** All digits of an IPv6 address. */
function tellAddress(entry: usize, direction: u32): void {
  if (entryFamily(entry) === 4) {
    tellBytes(entryAddress(entry, direction, false, 0), FULL_STOP);
    return;
  }
  for (let half: u32 = 0; half < 8; half++) {
    if (half !== 0) character(COLON);
    const word = entryAddress(entry, direction, false, half >>> 1);
    const value = (half & 1) === 0 ? word >>> 16 : word & 0xffff;
    for (let shift: i32 = 12; shift >= 0; shift -= 4) {
      const digit = (value >>> shift) & 15;
      character(digit < 10 ? 48 + digit : 87 + digit);
    }
  }
}

function tellBytes(word: u32, separator: u32): void {
  for (let shift: i32 = 24; shift >= 0; shift -= 8) {
    decimal((word >>> shift) & 255);
    if (shift !== 0) character(separator);
  }
}

function character(byte: u32): void {
  store<u8>(TOLD + (toldLength as usize), byte as u8);
  toldLength++;
}

function decimal(value: u32): void {
  let scale: u32 = 1;
  while (value / scale >= 10) scale *= 10;
  for (; scale !== 0; scale /= 10) character(48 + ((value / scale) % 10));
}
