/** What the target SET does to sets: xt_set.c; kadd and kdel of ip_set_hash_gen.h, ip_set_bitmap_gen.h and ip_set_list_set.c. Parameters as abi/effects.ts lists them. */
import {
  SET_DEED_ADD,
  SET_DEED_DEL,
  SET_DEED_EXIST,
  SET_DEED_MAP,
  SET_DEED_MARK,
  SET_DEED_OWN_TIMEOUT,
} from '../../src/abi/effects.ts';
import { FIELD_FAMILY, FIELD_MARK } from '../../src/abi/fields.ts';
import {
  ENTRY_EXPIRES,
  ENTRY_FLAGS,
  ENTRY_IS_FREE,
  ENTRY_IS_HOLE,
  ENTRY_IS_NEW,
  ENTRY_IS_NOMATCH,
  ENTRY_IS_RENEWED,
  ENTRY_IS_WAITING,
  ENTRY_KEY,
  ENTRY_NEXT,
  KEY_WORDS,
  PART_WORDS,
  SET_COUNT,
  SET_EARLIEST,
  SET_FEATURES,
  SET_FREE,
  SET_HAND,
  SET_HAS_BINDINGS,
  SET_HAS_FORCEADD,
  SET_HAS_IFACE,
  SET_HAS_MEMBERS,
  SET_HAS_TIMEOUTS,
  SET_HIGH,
  SET_IS_BITMAP,
  SET_LIVE,
  SET_LOW,
  SET_MOST,
  SET_PREFIX_COUNTS,
  SET_PREFIXES,
  SET_ROOM,
  SET_SOLID,
  SET_TIMEOUT,
  SET_USED,
} from '../../src/abi/sets.ts';
import { fillBinding, keepMac } from './binding.ts';
import { KEY, takeKey } from './parts.ts';
import { begin, entryAt, find, isOver, networkPart, partAt, placeOf, region, setAt, shorten, sinceStart } from './region.ts';
import { infoMark, infoMask, isInSet } from './table.ts';

/** Offsets of the parameters, and of those of one use of a set. */
const ADD: usize = 4;
const DEL: usize = 16;
const MAP: usize = 28;
const LIFE: usize = 40;
const SIDES: usize = 4;
const SOURCES: usize = 8;

/** Parameters of a plain question (SPECIAL_SET): set, flags, sides, sources; nothing is compared. */
const QUESTION: usize = memory.data(32, 8);

export function changeSets(parameters: usize, slot: usize): void {
  const flags = load<u32>(parameters);
  if ((flags & SET_DEED_ADD) !== 0) change(parameters + ADD, parameters, true, slot);
  if ((flags & SET_DEED_DEL) !== 0) change(parameters + DEL, parameters, false, slot);
  if ((flags & SET_DEED_MAP) === 0) return;
  store<u32>(QUESTION, load<u32>(parameters, MAP));
  store<u32>(QUESTION, load<u32>(parameters, MAP + SIDES), 8);
  store<u32>(QUESTION, load<u32>(parameters, MAP + SOURCES), 12);
  if (!isInSet(QUESTION, slot) || (flags & SET_DEED_MARK) === 0) return;
  store<u32>(slot, (load<u32>(slot, FIELD_MARK * 4) & ~infoMask) ^ infoMark, FIELD_MARK * 4);
}

/** `use`: set, sides and sources. Of a list the first set that changes. */
function change(use: usize, parameters: usize, adds: bool, slot: usize): void {
  const set = setAt(load<u32>(use));
  if ((load<u32>(set, SET_FEATURES) & SET_HAS_MEMBERS) === 0) {
    changeOne(set, use, parameters, adds, slot);
    return;
  }
  for (let number: u32 = 1; number <= load<u32>(set, SET_COUNT); number++) {
    const member = entryAt(set, number);
    if (isOver(member, slot)) continue;
    if (changeOne(setAt(load<u32>(member, ENTRY_KEY)), use, parameters, adds, slot)) return;
  }
}

function changeOne(set: usize, use: usize, parameters: usize, adds: bool, slot: usize): bool {
  if (!takeKey(set, load<u32>(use, SIDES), load<u32>(use, SOURCES), slot)) return false;
  takeLongest(set, 0, slot);
  takeLongest(set, 1, slot);
  return adds ? add(set, parameters, slot) : del(set, slot);
}

const ADDRESS: usize = memory.data(16, 8);

/** What is added or taken out is a network of the longest prefix that elements have; without elements all of the address. */
function takeLongest(set: usize, which: u32, slot: usize): void {
  const part = networkPart(set, which);
  if (part < 0) return;
  const list = region + load<u32>(set + (which << 2), SET_PREFIXES);
  const all: u32 = load<u32>(slot, FIELD_FAMILY * 4) === 6 ? 128 : 32;
  memory.copy(ADDRESS, partAt(part), 16);
  shorten(part, ADDRESS, load<u32>(list) === 0 ? all : load<u32>(list, 4));
}

function isFull(set: usize): bool {
  if ((load<u32>(set, SET_FEATURES) & SET_IS_BITMAP) !== 0) return false;
  return load<u32>(set, SET_LIVE) >= load<u32>(set, SET_MOST);
}

function add(set: usize, parameters: usize, slot: usize): bool {
  const features = load<u32>(set, SET_FEATURES);
  if ((features & SET_IS_BITMAP) !== 0) {
    const first = load<u32>(KEY);
    if (first < load<u32>(set, SET_LOW) || first > load<u32>(set, SET_HIGH)) return false;
  }
  const full = isFull(set);
  if (full) collect(set, slot);
  const flags = load<u32>(parameters);
  const life = lifeOf(set, parameters);
  const known = find(set);
  if (known !== 0) {
    const entry = entryAt(set, known);
    if ((load<u32>(entry, ENTRY_FLAGS) & ENTRY_IS_WAITING) !== 0) {
      // A timeout that is the set's own is taken for none.
      fillBinding(entry, life === (load<u32>(set, SET_TIMEOUT) as u64) ? load<u64>(entry, ENTRY_EXPIRES) : life, slot);
      return true;
    }
    if ((flags & SET_DEED_EXIST) === 0 && !isOver(entry, slot)) return false;
    // The place of one whose time was over takes it also where the set is full.
    if ((load<u32>(entry, ENTRY_FLAGS) & ENTRY_IS_HOLE) !== 0) revive(set, entry);
    else store<u32>(entry, (load<u32>(entry, ENTRY_FLAGS) & ~ENTRY_IS_NOMATCH) | ENTRY_IS_RENEWED, ENTRY_FLAGS);
    if ((flags & SET_DEED_EXIST) !== 0 && (features & SET_HAS_BINDINGS) !== 0) keepMac(entry);
    beginIn(set, entry, life, slot);
    return true;
  }
  if (full && isFull(set) && !makeRoom(set)) return false;
  const entry = insert(set);
  if (entry === 0) return false;
  beginIn(set, entry, life, slot);
  return true;
}

/** A life begins, and may be the first to end. */
function beginIn(set: usize, entry: usize, life: u64, slot: usize): void {
  begin(entry, life, slot);
  const expires = load<u64>(entry, ENTRY_EXPIRES);
  if (expires !== 0 && expires < load<u64>(set, SET_EARLIEST)) store<u64>(set, expires, SET_EARLIEST);
}

/** Jiffies that an element lives which is added; 0 for ever. */
function lifeOf(set: usize, parameters: usize): u64 {
  if ((load<u32>(set, SET_FEATURES) & SET_HAS_TIMEOUTS) === 0) return 0;
  const own = (load<u32>(parameters) & SET_DEED_OWN_TIMEOUT) !== 0;
  return own ? (load<u32>(set, SET_TIMEOUT) as u64) : load<u64>(parameters, LIFE);
}

function del(set: usize, slot: usize): bool {
  const number = find(set);
  if (number === 0) return false;
  const over = isOver(entryAt(set, number), slot);
  if (!over || (load<u32>(set, SET_FEATURES) & SET_IS_BITMAP) !== 0) remove(set, number);
  return !over;
}

/** An entry that was taken away is there again. */
function revive(set: usize, entry: usize): void {
  store<u32>(entry, ENTRY_IS_NEW, ENTRY_FLAGS);
  store<u32>(set, load<u32>(set, SET_LIVE) + 1, SET_LIVE);
  countPrefixes(set, entry, 1);
}

/** Where a set is full: elements whose time is over go, and leave a hole. Before the earliest of their times there is none. */
function collect(set: usize, slot: usize): void {
  if ((load<u32>(set, SET_FEATURES) & SET_HAS_TIMEOUTS) === 0 || sinceStart(slot) <= load<u64>(set, SET_EARLIEST)) return;
  let earliest = u64.MAX_VALUE;
  for (let number: u32 = 1; number <= load<u32>(set, SET_USED); number++) {
    const entry = entryAt(set, number);
    if ((load<u32>(entry, ENTRY_FLAGS) & (ENTRY_IS_FREE | ENTRY_IS_HOLE)) !== 0) continue;
    if (!isOver(entry, slot)) {
      const expires = load<u64>(entry, ENTRY_EXPIRES);
      if (expires !== 0) earliest = min<u64>(earliest, expires);
      continue;
    }
    store<u32>(entry, ENTRY_IS_HOLE, ENTRY_FLAGS);
    store<u32>(set, load<u32>(set, SET_LIVE) - 1, SET_LIVE);
    countPrefixes(set, entry, -1);
    store<u32>(set, min<u32>(load<u32>(set, SET_SOLID), number - 1), SET_SOLID);
  }
  store<u64>(set, earliest, SET_EARLIEST);
}

/** One element goes, where the set says so: the places take turns. */
function makeRoom(set: usize): bool {
  if ((load<u32>(set, SET_FEATURES) & SET_HAS_FORCEADD) === 0 || load<u32>(set, SET_LIVE) === 0) return false;
  let hand = load<u32>(set, SET_HAND);
  do {
    hand = (hand % load<u32>(set, SET_USED)) + 1;
  } while ((load<u32>(entryAt(set, hand), ENTRY_FLAGS) & (ENTRY_IS_FREE | ENTRY_IS_HOLE)) !== 0);
  store<u32>(set, hand, SET_HAND);
  remove(set, hand);
  return true;
}

/** A new entry of the key in hand; 0: there is no room for it, which only happens to sets that no rule should add to. */
function insert(set: usize): usize {
  if (load<u32>(set, SET_FREE) === 0 && load<u32>(set, SET_USED) === load<u32>(set, SET_COUNT) + load<u32>(set, SET_ROOM))
    if (!freeHole(set)) return 0;
  let number = load<u32>(set, SET_FREE);
  if (number !== 0) {
    store<u32>(set, load<u32>(entryAt(set, number), ENTRY_NEXT), SET_FREE);
  } else {
    number = load<u32>(set, SET_USED) + 1;
    store<u32>(set, number, SET_USED);
  }
  const entry = entryAt(set, number);
  let place = placeOf(set, KEY);
  // Where their order counts the new one is the last.
  if ((load<u32>(set, SET_FEATURES) & SET_HAS_IFACE) !== 0)
    while (load<u32>(place) !== 0) place = entryAt(set, load<u32>(place)) + ENTRY_NEXT;
  store<u32>(entry, load<u32>(place), ENTRY_NEXT);
  store<u32>(entry, ENTRY_IS_NEW, ENTRY_FLAGS);
  memory.copy(entry + ENTRY_KEY, KEY, KEY_WORDS << 2);
  store<u32>(place, number);
  store<u32>(set, load<u32>(set, SET_LIVE) + 1, SET_LIVE);
  countPrefixes(set, entry, 1);
  return entry;
}

/** The first hole is one no more. False: there is none. */
function freeHole(set: usize): bool {
  for (let number: u32 = load<u32>(set, SET_SOLID) + 1; number <= load<u32>(set, SET_USED); number++) {
    store<u32>(set, number, SET_SOLID);
    if ((load<u32>(entryAt(set, number), ENTRY_FLAGS) & ENTRY_IS_HOLE) === 0) continue;
    unlink(set, number);
    return true;
  }
  return false;
}

function remove(set: usize, number: u32): void {
  unlink(set, number);
  store<u32>(set, load<u32>(set, SET_LIVE) - 1, SET_LIVE);
  countPrefixes(set, entryAt(set, number), -1);
}

/** Out of its place, and free. */
function unlink(set: usize, number: u32): void {
  const entry = entryAt(set, number);
  let link = placeOf(set, entry + ENTRY_KEY);
  while (load<u32>(link) !== number) link = entryAt(set, load<u32>(link)) + ENTRY_NEXT;
  store<u32>(link, load<u32>(entry, ENTRY_NEXT));
  store<u32>(entry, load<u32>(set, SET_FREE), ENTRY_NEXT);
  store<u32>(entry, ENTRY_IS_FREE, ENTRY_FLAGS);
  store<u32>(set, number, SET_FREE);
}

/** Keeps the lists of prefixes that elements have. */
function countPrefixes(set: usize, entry: usize, more: i32): void {
  for (let which: u32 = 0; which < 2; which++) {
    const part = networkPart(set, which);
    if (part < 0) return;
    const prefix = load<u32>(entry + ENTRY_KEY + (((part as usize) * PART_WORDS) << 2), 16);
    const counter = region + load<u32>(set + (which << 2), SET_PREFIX_COUNTS) + (prefix << 2);
    const left = load<u32>(counter) + more;
    const list = region + load<u32>(set + (which << 2), SET_PREFIXES);
    store<u32>(counter, left);
    if (left === 0) dropPrefix(list, prefix);
    else if (left === 1 && more > 0) addPrefix(list, prefix);
  }
}

/** The longest stands first. */
function addPrefix(list: usize, prefix: u32): void {
  const count = load<u32>(list);
  let at: usize = list + ((count as usize) << 2);
  for (; at > list && load<u32>(at) < prefix; at -= 4) store<u32>(at, load<u32>(at), 4);
  store<u32>(at, prefix, 4);
  store<u32>(list, count + 1);
}

function dropPrefix(list: usize, prefix: u32): void {
  const count = load<u32>(list);
  const end = list + ((count as usize) << 2);
  let at: usize = list + 4;
  while (at < end && load<u32>(at) !== prefix) at += 4;
  for (; at < end; at += 4) store<u32>(at, load<u32>(at, 4));
  store<u32>(list, count - 1);
}
