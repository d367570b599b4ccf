/**
 * What the kernel keeps of a message of H.323 (nf_conntrack_h323_asn1.c), by its table of types: a list of roles in the order in which they are met, each with how deep it lies, so that what is in a value follows it.
 */
import {
  BITS,
  BYTE,
  CONSTRAINED,
  DIGITS,
  EXTENSIBLE,
  FIELD_TYPE,
  FIXED,
  H323_TYPES,
  HALF,
  INTEGER,
  KEPT,
  LENGTH,
  LIST,
  NUL,
  OCTETS,
  OPEN,
  OPTIONAL,
  ROLE_SHIFT,
  SEQUENCE,
  SKIPPED,
  SOME_BITS,
  STOP,
  WIDE,
} from '../../../src/abi/h323';
import {
  align,
  bitPlace,
  goTo,
  isThere,
  lengthTaken,
  skipBits,
  skipBytes,
  startBits,
  takeBits,
  takeByte,
  takeLength,
  takeMap,
} from './h323-bits';

/** Of each type u16: where its row begins, and how many fields stand in it. */
const ROWS: usize = memory.data((FIELD_TYPE + 1) << 2, 16);
let indexed = false;

/** Words of a row, behind its type. */
const ROW_KIND: u32 = 1;
const ROW_SIZE: u32 = 2;
const ROW_LOW: u32 = 3;
const ROW_HIGH: u32 = 4;
const ROW_FIELDS: u32 = 5;

/** What is kept: u16 role, u16 depth, u32 value. Lists end before there are too many: 30 channels at once, 4 messages of H.245, less than 40 roles each. */
const FOUND: usize = memory.data(16384, 16);
const FOUND_SIZE: usize = 8;
const FOUND_MOST: u32 = 2048;
let found: u32 = 0;
/** How deep what is read lies. */
let depth: u32 = 0;

/** The length of a string that was read last. */
let count: u32 = 0;

/** More optional fields, and more extensions, than these are too many. */
const FIELDS_MOST: u32 = 32;

function word(index: u32): u32 {
  return unchecked(H323_TYPES[index as i32]) as u32;
}

function indexTypes(): void {
  indexed = true;
  let row: u32 = 0;
  const all = H323_TYPES.length as u32;
  while (row < all) {
    let next = row + 1;
    while (next < all && (word(next) as i32) >= 0) next++;
    const place = ROWS + (((0 - word(row)) << 2) as usize);
    store<u16>(place, row as u16);
    store<u16>(place, (next - row - ROW_FIELDS) as u16, 2);
    row = next;
  }
}

/** Reads a value of that type from `from` to `to`; false: it cannot be. */
export function decode(type: u32, from: usize, to: usize): bool {
  if (!indexed) indexTypes();
  startBits(from, to);
  found = 0;
  depth = 0;
  return readValue(type, KEPT);
}

/** The first behind `from` with that role, in what `parent` holds; 0: none. */
export function findKept(role: u32, parent: u32, from: u32): u32 {
  const inside = depthOf(parent);
  for (let index = from + 1; index < found && depthOf(index) > inside; index++) if (roleOf(index) === role) return index;
  return 0;
}

/** The first in what `parent` holds; 0: nothing. */
export function firstIn(parent: u32): u32 {
  return parent + 1 < found && depthOf(parent + 1) > depthOf(parent) ? parent + 1 : 0;
}

/** The one behind `index` and what is in that, of the same parent; 0: none. */
export function nextTo(index: u32): u32 {
  const own = depthOf(index);
  let next = index + 1;
  while (next < found && depthOf(next) > own) next++;
  return next < found && depthOf(next) === own ? next : 0;
}

/** Of what is kept at `index`; 0 behind the last. */
export function roleOf(index: u32): u32 {
  return index < found ? (load<u16>(FOUND + (index as usize) * FOUND_SIZE) as u32) : 0;
}

function depthOf(index: u32): u32 {
  return load<u16>(FOUND + (index as usize) * FOUND_SIZE, 2) as u32;
}

/** Of octets where they lie, of a number itself. */
export function keptValue(index: u32): u32 {
  return load<u32>(FOUND + (index as usize) * FOUND_SIZE, 4);
}

function keep(role: u32, value: u32): void {
  if (role === 0 || found === FOUND_MOST) return;
  const place = FOUND + (found as usize) * FOUND_SIZE;
  store<u16>(place, role as u16);
  store<u16>(place, depth as u16, 2);
  store<u32>(place, value, 4);
  found++;
}

/** `role`: 0 for what is not kept. */
function readValue(type: u32, role: u32): bool {
  if (type === NUL) {
    keep(role, 0);
    return true;
  }
  if (type <= <u32>SOME_BITS) {
    skipBits(type);
    return isThere(0, 0);
  }
  const row: u32 = load<u16>(ROWS + ((type << 2) as usize));
  const kind = word(row + ROW_KIND) & ~EXTENSIBLE;
  if (kind < <u32>SEQUENCE) return readSimple(kind, row, role);
  const fields: u32 = load<u16>(ROWS + ((type << 2) as usize), 2);
  keep(role, 0);
  depth++;
  let whole = false;
  if (kind === SEQUENCE) whole = readSequence(row, fields, role);
  else if (kind === LIST) whole = readList(row, role);
  else whole = readChoice(row, fields, role);
  depth--;
  return whole;
}

function readSimple(kind: u32, row: u32, role: u32): bool {
  const size = word(row + ROW_SIZE);
  const low = word(row + ROW_LOW);
  if (kind === INTEGER && size === CONSTRAINED) return readLong(low, role);
  if (kind === OCTETS && size === FIXED) return readFixed(low, role);
  if (kind === BITS || size >= <u32>BYTE) align();
  if (kind === INTEGER && size !== LENGTH) {
    skipBytes(size === BYTE ? 1 : 2);
    return isThere(0, 0);
  }
  if (!readCount(size)) return false;
  const all = count + low;
  if (kind === BITS) {
    // What follows is not aligned.
    skipBytes(all >>> 3);
    skipBits(all & 7);
  } else if (kind === DIGITS) {
    skipBits(all << 2);
  } else {
    skipBytes(kind === WIDE ? all << 1 : all);
  }
  return isThere(0, 0);
}

/** How long a string is, but for the least it is. False: that is not there. */
function readCount(size: u32): bool {
  if (size === LENGTH) {
    const whole = takeLength();
    count = lengthTaken;
    return whole;
  }
  if (size < <u32>BYTE) {
    if (!isThere(0, size)) return false;
    count = takeBits(size);
    align();
    return true;
  }
  if (!isThere(size === HALF ? 2 : 1, 0)) return false;
  count = takeByte();
  if (size === HALF) count = (count << 8) | takeByte();
  return true;
}

/** Two octets and less are not aligned. */
function readFixed(size: u32, role: u32): bool {
  if (size > 2) align();
  keep(role, bitPlace() as u32);
  skipBytes(size);
  return isThere(0, 0);
}

/** Behind a number that it keeps the kernel skips as many bytes once more. */
function readLong(low: u32, role: u32): bool {
  if (!isThere(0, 2)) return false;
  const size = takeBits(2) + 1;
  if (!isThere(size, 0)) return false;
  align();
  if (role !== 0) {
    let value: u32 = 0;
    for (let byte: u32 = 0; byte < size; byte++) value = (value << 8) | takeByte();
    keep(role, value + low);
  }
  skipBytes(size);
  return isThere(0, 0);
}

/** The role of a field whose parent has that one. */
function roleIn(field: u32, role: u32): u32 {
  return role === 0 ? 0 : field >>> ROLE_SHIFT;
}

function readSequence(row: u32, fields: u32, role: u32): bool {
  if (!isThere(0, 1)) return false;
  const extended = (word(row + ROW_KIND) & EXTENSIBLE) !== 0 && takeBits(1) !== 0;
  const optionals = word(row + ROW_SIZE);
  if (!isThere(0, optionals)) return false;
  let there = takeMap(optionals);
  const root = word(row + ROW_LOW);
  for (let index: u32 = 0; index < root; index++) {
    const field = word(row + ROW_FIELDS + index);
    const type = field & FIELD_TYPE;
    if (type === STOP) return true;
    if ((field & OPTIONAL) !== 0) {
      const absent = there >>> 31 === 0;
      there <<= 1;
      if (absent) continue;
    }
    const own = roleIn(field, role);
    if (!((field & OPEN) !== 0 ? readOpen(type, own, own !== 0) : readValue(type, own))) return false;
  }
  return !extended || readExtensions(row, fields, role);
}

/** Extensions that the kernel does not know stand there whether the message says so or not. */
function readExtensions(row: u32, fields: u32, role: u32): bool {
  if (!isThere(0, 7)) return false;
  const extensions = takeBits(7) + 1;
  if (!isThere(0, extensions) || extensions > FIELDS_MOST) return false;
  const there = takeMap(extensions);
  align();
  const root = word(row + ROW_LOW);
  const known = word(row + ROW_HIGH) - root;
  for (let index: u32 = 0; index < extensions; index++) {
    const field: u32 = index < known && root + index < fields ? word(row + ROW_FIELDS + root + index) : SKIPPED;
    if (field === STOP) return true;
    if (index < known && ((there << index) as i32) >= 0) continue;
    const own = roleIn(field, role);
    if (!readOpen(field & FIELD_TYPE, own, own !== 0)) return false;
  }
  return true;
}

/** A value behind its length; `looked`: not skipped. */
function readOpen(type: u32, role: u32, looked: bool): bool {
  if (!takeLength() || !isThere(lengthTaken, 0)) return false;
  if (!looked) {
    skipBytes(lengthTaken);
    return true;
  }
  const behind = bitPlace() + (lengthTaken as usize);
  if (!readValue(type, role)) return false;
  goTo(behind);
  return true;
}

/** Elements that do not count are looked at, too. */
function readList(row: u32, role: u32): bool {
  align();
  if (!takeLength()) return false;
  const elements = lengthTaken;
  const counting = word(row + ROW_HIGH);
  const field = word(row + ROW_FIELDS);
  const type = field & FIELD_TYPE;
  const open = (field & OPEN) !== 0;
  for (let index: u32 = 0; index < elements; index++) {
    const own = index < counting ? roleIn(field, role) : 0;
    if (open) align();
    if (!(open ? readOpen(type, own, roleIn(field, role) !== 0) : readValue(type, own))) return false;
  }
  return true;
}

function readChoice(row: u32, fields: u32, role: u32): bool {
  if (!isThere(0, 1)) return false;
  const extended = (word(row + ROW_KIND) & EXTENSIBLE) !== 0 && takeBits(1) !== 0;
  const root = word(row + ROW_LOW);
  const size: u32 = extended ? 7 : word(row + ROW_SIZE);
  if (!isThere(0, size)) return false;
  const taken = takeBits(size);
  if (!extended && taken >= root) return false;
  const chosen = extended ? root + taken : taken;
  const field: u32 = chosen < fields ? word(row + ROW_FIELDS + chosen) : SKIPPED;
  if (field === STOP) return true;
  const own = roleIn(field, role);
  if (!extended) return readValue(field & FIELD_TYPE, own);
  align();
  return readOpen(field & FIELD_TYPE, own, own !== 0);
}
