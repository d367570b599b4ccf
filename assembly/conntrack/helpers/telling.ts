/** Text that tells an address and a port as the other side of a translation sees them. */
import { entryAddress, entryFamily } from '../accessors';

/** Where it is written, and how long it is. */
export const TOLD: usize = memory.data(64, 16);
export let toldLength: u32 = 0;

/** What is told: six numbers; address and port, or a port alone, between delimiters; two numbers; one. */
export const TELL_SIX: u32 = 0;
export const TELL_EXTENDED: u32 = 1;
export const TELL_EXTENDED_PORT: u32 = 2;
export const TELL_NUMBERS: u32 = 3;
export const TELL_PORT: u32 = 4;

const COMMA: u32 = 44;
const FULL_STOP: u32 = 46;
const COLON: u32 = 58;
const BAR: u32 = 124;
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
  } else {
    if (kind === TELL_NUMBERS) {
      decimal(address);
      character(BLANK);
    }
    decimal(port);
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
