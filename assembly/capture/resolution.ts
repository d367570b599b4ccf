/** pcapng timestamps: if_tsresol and if_tsoffset to seconds and nanoseconds, without overflow (draft-ietf-opsawg-pcapng 4.2). */
import { INTERFACE_OFFSET, INTERFACE_RESOLUTION, INTERFACE_UNITS } from '../../src/abi/capture.ts';
import { putTime } from './interface.ts';

const BASE_TWO: u32 = 0x80;
/** The second of the packet before, where it starts and in which units. */
let lastSeconds: u64 = 0;
let lastStart: u64 = 0;
let lastUnit: u64 = 0;

/** Sets if_tsresol of an interface: the option's byte. */
export function putResolution(entry: usize, resolution: u32): void {
  store<u32>(entry, resolution, INTERFACE_RESOLUTION);
  store<u64>(entry, (resolution & BASE_TWO) === 0 && resolution <= 19 ? power(resolution) : 0, INTERFACE_UNITS);
}

/** Time of a record with the timestamp `high`, `low` in the units of its interface. */
export function putUnits(slot: usize, entry: usize, high: u32, low: u32): void {
  const units = (u64(high) << 32) | low;
  const resolution = load<u32>(entry, INTERFACE_RESOLUTION);
  let seconds: u64 = 0;
  let nanoseconds: u32 = 0;
  if (resolution === 6) {
    seconds = wholeSeconds(units, 1000000);
    nanoseconds = u32(units - seconds * 1000000) * 1000;
  } else if (resolution === 9) {
    seconds = wholeSeconds(units, 1000000000);
    nanoseconds = u32(units - seconds * 1000000000);
  } else if ((resolution & BASE_TWO) === 0) {
    const unit = load<u64>(entry, INTERFACE_UNITS);
    if (unit !== 0) seconds = units / unit;
    nanoseconds = decimal(unit !== 0 ? units % unit : units, resolution);
  } else {
    const bits = resolution & 127;
    if (bits < 64) seconds = units >> bits;
    nanoseconds = binary(bits < 64 ? units & ((u64(1) << bits) - 1) : units, bits);
  }
  putTime(slot, shifted(seconds, load<i64>(entry, INTERFACE_OFFSET)), nanoseconds);
}

/** units / unit, without the division while the packets stay in one second. */
function wholeSeconds(units: u64, unit: u64): u64 {
  if (unit !== lastUnit || units - lastStart >= unit) {
    lastUnit = unit;
    lastSeconds = units / unit;
    lastStart = lastSeconds * unit;
  }
  return lastSeconds;
}

/** A fraction of a second in units of 10^-digits. */
function decimal(fraction: u64, digits: u32): u32 {
  if (digits <= 9) return u32(fraction * power(9 - digits));
  return digits > 28 ? 0 : u32(fraction / power(digits - 9));
}

/** A fraction of a second in units of 2^-bits: floor(fraction * 10^9 / 2^bits), by halves, as the product has up to 94 bits. */
function binary(fraction: u64, bits: u32): u32 {
  const low = (fraction & 0xffffffff) * 1000000000;
  if (bits < 32) return u32(low >> bits);
  const upper = (fraction >> 32) * 1000000000 + (low >> 32);
  return bits - 32 < 64 ? u32(upper >> (bits - 32)) : 0;
}

/** Seconds with if_tsoffset; times before the epoch are the epoch. */
function shifted(seconds: u64, offset: i64): u64 {
  if (offset >= 0) {
    const sum = seconds + u64(offset);
    return sum < seconds ? u64.MAX_VALUE : sum;
  }
  const back = u64(0) - u64(offset);
  return seconds > back ? seconds - back : 0;
}

function power(exponent: u32): u64 {
  let value: u64 = 1;
  for (let i: u32 = 0; i < exponent; i++) value *= 10;
  return value;
}
