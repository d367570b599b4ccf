/** The region of sets: where sets and their entries lie, and how an entry is found. Layout: src/abi/sets.ts. */
import { FIELD_LENGTH } from '../../src/abi/fields.ts';
import { PACKET_JIFFIES } from '../../src/abi/packet.ts';
import {
  ENTRY_BYTES,
  ENTRY_EXPIRES,
  ENTRY_FLAGS,
  ENTRY_IS_HOLE,
  ENTRY_IS_WAITING,
  ENTRY_KEY,
  ENTRY_MARK,
  ENTRY_MARK_MASK,
  ENTRY_NEXT,
  ENTRY_PACKETS,
  ENTRY_SIZE,
  KEY_FACTOR,
  KEY_WORDS,
  PART_NET,
  PART_WORDS,
  SET_ADDED,
  SET_COUNT,
  SET_ENTRIES,
  SET_FEATURES,
  SET_HAS_BINDINGS,
  SET_HAS_IFACE,
  SET_HEADER_SIZE,
  SET_PARTS,
  SET_PLACE_MASK,
  SET_PLACES,
  SETS_FIRST,
} from '../../src/abi/sets.ts';
import { KEY } from './parts.ts';

const HALF: usize = 32;
export const ADDRESS_BYTES: usize = 16;

export let region: usize = 0;
/** Jiffies of the first packet: timeouts run from then on. */
let start: u64 = 0;

export function setSets(at: usize): void {
  region = at;
}

export function startSets(jiffies: u64): void {
  start = jiffies;
}

export function setsStart(): u64 {
  return start;
}

/** Jiffies of the packet since then. */
export function sinceStart(slot: usize): u64 {
  return load<u64>(slot, PACKET_JIFFIES) - start;
}

export function setAt(number: u32): usize {
  return region + SETS_FIRST + (number as usize) * SET_HEADER_SIZE;
}

export function entryAt(set: usize, number: u32): usize {
  const count = load<u32>(set, SET_COUNT);
  if (number <= count) return region + load<u32>(set, SET_ENTRIES) + ((number - 1) as usize) * ENTRY_SIZE;
  return region + load<u32>(set, SET_ADDED) + ((number - count - 1) as usize) * ENTRY_SIZE;
}

export function isOver(entry: usize, slot: usize): bool {
  if ((load<u32>(entry, ENTRY_FLAGS) & ENTRY_IS_WAITING) !== 0) return false;
  if ((load<u32>(entry, ENTRY_FLAGS) & ENTRY_IS_HOLE) !== 0) return true;
  const expires = load<u64>(entry, ENTRY_EXPIRES);
  return expires !== 0 && sinceStart(slot) > expires;
}

export function hasNetworks(set: usize): bool {
  return networkPart(set, 0) >= 0;
}

/** Which part is the network number `which`; -1 where there are fewer. */
export function networkPart(set: usize, which: u32): i32 {
  const parts = load<u32>(set, SET_PARTS);
  let left = which;
  for (let index: u32 = 0; index < parts >>> 12; index++) {
    if (((parts >>> (4 * index)) & 15) !== PART_NET) continue;
    if (left === 0) return index as i32;
    left--;
  }
  return -1;
}

export function partAt(part: i32): usize {
  return KEY + (((part as usize) * PART_WORDS) << 2);
}

/** Writes the network of `prefix` bits of an address into the key. */
export function shorten(part: i32, address: usize, prefix: u32): void {
  if (part < 0) return;
  const to = partAt(part);
  let left = prefix;
  for (let at: usize = 0; at < ADDRESS_BYTES; at += 4) {
    const bits = min<u32>(left, 32);
    left -= bits;
    store<u32>(to + at, bits === 0 ? 0 : load<u32>(address + at) & (0xffffffff << (HALF - bits)));
  }
  store<u32>(to, prefix, ADDRESS_BYTES);
}

/** Where the number of the first entry is kept that a key at `key` may be. */
export function placeOf(set: usize, key: usize): usize {
  let hash: u32 = 0;
  const words = hashedWords(set);
  for (let word: usize = 0; word < words; word++) hash = (hash ^ load<u32>(key + (word << 2))) * KEY_FACTOR;
  const place = (hash ^ (hash >>> 15)) & load<u32>(set, SET_PLACE_MASK);
  return region + load<u32>(set, SET_PLACES) + ((place as usize) << 2);
}

/** How much of a key says where it lies; of bitmap:ip,mac that is all that says what it is. */
export function hashedWords(set: usize): usize {
  return (load<u32>(set, SET_FEATURES) & (SET_HAS_IFACE | SET_HAS_BINDINGS)) !== 0 ? PART_WORDS : KEY_WORDS;
}

/** The number of the entry with the key in hand, 0 without. Of devices the first that means it; else the very hole that it left. */
export function find(set: usize): u32 {
  const interfaces = (load<u32>(set, SET_FEATURES) & SET_HAS_IFACE) !== 0;
  const size = hashedWords(set) << 2;
  let left: u32 = 0;
  let number = load<u32>(placeOf(set, KEY));
  while (number !== 0) {
    const entry = entryAt(set, number);
    if (memory.compare(entry + ENTRY_KEY, KEY, size) === 0) {
      const hole = (load<u32>(entry, ENTRY_FLAGS) & ENTRY_IS_HOLE) !== 0;
      if (!interfaces || (!hole && isOfInterface(entry))) return number;
      if (hole && memory.compare(entry + ENTRY_KEY, KEY, KEY_WORDS << 2) === 0) left = number;
    }
    number = load<u32>(entry, ENTRY_NEXT);
  }
  return left;
}

const INTERFACE: usize = <usize>(PART_WORDS << 2);

/** The device in hand is one of the entry's, which are no ports of bridges. */
export function isOfInterface(entry: usize): bool {
  const id = load<u32>(KEY, INTERFACE);
  const at = entry + ENTRY_KEY;
  return load<u32>(at, INTERFACE + 16) === 0 && id >= load<u32>(at, INTERFACE) && id <= load<u32>(at, INTERFACE + 4);
}

/** What every element begins with that a packet brings: it is counted, and has nothing to say of marks. `life` in jiffies, 0 for ever. */
export function begin(entry: usize, life: u64, slot: usize): void {
  store<u64>(entry, life === 0 ? 0 : sinceStart(slot) + life, ENTRY_EXPIRES);
  store<u64>(entry, 1, ENTRY_PACKETS);
  store<u64>(entry, load<u32>(slot, FIELD_LENGTH * 4) as u64, ENTRY_BYTES);
  store<u32>(entry, 0, ENTRY_MARK);
  store<u32>(entry, 0, ENTRY_MARK_MASK);
}
