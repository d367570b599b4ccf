/** The region of sets: where sets and their entries lie, and how an entry is found. Layout: src/abi/sets.ts. */
import { PACKET_JIFFIES } from '../../src/abi/packet.ts';
import {
  ENTRY_EXPIRES,
  ENTRY_FLAGS,
  ENTRY_IS_HOLE,
  ENTRY_KEY,
  ENTRY_NEXT,
  ENTRY_SIZE,
  KEY_FACTOR,
  KEY_WORDS,
  PART_NET,
  PART_WORDS,
  SET_ADDED,
  SET_COUNT,
  SET_ENTRIES,
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
  for (let word: usize = 0; word < <usize>KEY_WORDS; word++) hash = (hash ^ load<u32>(key + (word << 2))) * KEY_FACTOR;
  const place = (hash ^ (hash >>> 15)) & load<u32>(set, SET_PLACE_MASK);
  return region + load<u32>(set, SET_PLACES) + ((place as usize) << 2);
}

/** The number of the entry with the key in hand, 0 without. */
export function find(set: usize): u32 {
  let number = load<u32>(placeOf(set, KEY));
  while (number !== 0) {
    const entry = entryAt(set, number);
    if (memory.compare(entry + ENTRY_KEY, KEY, KEY_WORDS << 2) === 0) return number;
    number = load<u32>(entry, ENTRY_NEXT);
  }
  return 0;
}
