/**
 * hashlimit (xt_hashlimit.c, revision 3). A table is one block of state: u32 used, u32 entries, u32 free, u32 untouched, u64 jiffies of the last sweep; the places of the hash (u32 each:
 * the first entry there); the entries, numbered from 1; 0 is none.
 * An entry: u32 next in its place, the key (three words or nine), then u64 each: jiffies when it expires, jiffies of the last change, credit (of a window: what passed), cap (of a
 * window: whether the one before held too much).
 */
import { FIELD_DESTINATION, FIELD_LENGTH, FIELD_SOURCE } from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_JIFFIES } from '../../src/abi/packet.ts';
import { BUCKET_CAP, BUCKET_CHANGED, BUCKET_CREDIT, BUCKET_EXPIRES } from '../../src/abi/shared-state.ts';
import {
  HASHLIMIT_ABOVE,
  HASHLIMIT_BYTES,
  HASHLIMIT_DESTINATION,
  HASHLIMIT_DESTINATION_PORT,
  HASHLIMIT_ENTRY6,
  HASHLIMIT_SIZE,
  HASHLIMIT_SOURCE,
  HASHLIMIT_SOURCE_PORT,
  HASHLIMIT_WINDOW,
  TEST_HIT,
  TEST_HOTDROP,
  TEST_MISS,
} from '../../src/abi/special.ts';
import { be16 } from '../packet/ethertype.ts';
import { skipExtensionHeaders, skippedKind, skippedTo } from '../packet/skip-headers.ts';
import { portsOffset } from './header.ts';
import { present } from './payload.ts';

/** Offsets of the parameters. */
const BUCKET: usize = 4;
const MODE: usize = 8;
const MOST: usize = 12;
const PLACE_MASK: usize = 16;
const ENTRY_SIZE: usize = 20;
const COLLECT: usize = 24;
const EXPIRE: usize = 32;
const COST: usize = 40;
const START: usize = 48;
const CAP: usize = 56;
const GAIN: usize = 64;
const WINDOW: usize = 72;
const SOURCE_MASK: usize = 76;
const DESTINATION_MASK: usize = 92;

const ENTRIES: usize = 4;
const FREE: usize = 8;
const UNTOUCHED: usize = 12;
const SWEPT: usize = 16;

/** In the packet's key: words, and their number. */
const KEY: usize = memory.data(36, 8);
let keyWords: usize = 0;

let table: usize = 0;
let rule: usize = 0;
let entrySize: usize = 0;

export function hashlimit(parameters: usize, state: usize, slot: usize): u32 {
  rule = parameters;
  table = state;
  entrySize = load<u32>(rule, ENTRY_SIZE) as usize;
  const flags = load<u32>(rule);
  const now = load<u64>(slot, PACKET_JIFFIES);
  if (load<u32>(table) === 0) {
    store<u32>(table, 1);
    store<u32>(table, 1, UNTOUCHED);
  }
  if (!takeKey(slot)) return TEST_HOTDROP;
  const collected = now - (now % wide(COLLECT));
  const place = placeOf(KEY);
  let number = findEntry(place);
  const entry = at(number);
  if (number === 0) {
    number = addEntry(place, collected);
    if (number === 0) return TEST_HOTDROP;
    begin(at(number), now);
  } else if (load<u64>(entry + expires()) <= collected) {
    begin(entry, now);
  } else {
    refill(entry, now);
  }
  const length = load<u32>(slot + FIELD_LENGTH * 4);
  const below = (flags & HASHLIMIT_WINDOW) !== 0 ? fits(at(number), flags, length) : pays(at(number), flags, length);
  return below !== ((flags & HASHLIMIT_ABOVE) !== 0) ? TEST_HIT : TEST_MISS;
}

/** A parameter of 64 bits. */
function wide(offset: usize): u64 {
  return (load<u32>(rule + offset) as u64) | ((load<u32>(rule + offset, 4) as u64) << 32);
}

/** Offsets behind the key. */
function expires(): usize {
  return entrySize - BUCKET_EXPIRES;
}
function changed(): usize {
  return entrySize - BUCKET_CHANGED;
}
function credit(): usize {
  return entrySize - BUCKET_CREDIT;
}
function cap(): usize {
  return entrySize - BUCKET_CAP;
}

/** False when the packet has no ports where its protocol has some. */
function takeKey(slot: usize): bool {
  const mode = load<u32>(rule, MODE);
  const words: usize = entrySize === (HASHLIMIT_ENTRY6 as usize) ? 4 : 1;
  keyWords = 2 * words + 1;
  for (let word: usize = 0; word < words; word++) {
    const offset = word << 2;
    const source = load<u32>(slot + FIELD_SOURCE * 4 + offset) & load<u32>(rule + offset, SOURCE_MASK);
    const destination = load<u32>(slot + FIELD_DESTINATION * 4 + offset) & load<u32>(rule + offset, DESTINATION_MASK);
    store<u32>(KEY + offset, (mode & HASHLIMIT_SOURCE) !== 0 ? source : 0);
    store<u32>(KEY + ((words + word) << 2), (mode & HASHLIMIT_DESTINATION) !== 0 ? destination : 0);
  }
  store<u32>(KEY + (words << 3), 0);
  if ((mode & (HASHLIMIT_SOURCE_PORT | HASHLIMIT_DESTINATION_PORT)) === 0) return true;
  return takePorts(slot, words === 4, mode, KEY + (words << 3));
}

function takePorts(slot: usize, six: bool, mode: u32, to: usize): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  let protocol: u32 = load<u8>(ip, 9);
  let offset: u32 = ((load<u8>(ip) as u32) & 15) << 2;
  if (six) {
    if (!skipExtensionHeaders(ip, present(slot))) return false;
    protocol = skippedKind;
    offset = skippedTo;
  }
  offset = portsOffset(protocol, offset);
  if (offset === 0) return true;
  if (offset + 4 > present(slot)) return false;
  const ports = ip + (offset as usize);
  const source = (mode & HASHLIMIT_SOURCE_PORT) !== 0 ? be16(ports) : 0;
  const destination = (mode & HASHLIMIT_DESTINATION_PORT) !== 0 ? be16(ports + 2) : 0;
  store<u32>(to, (source << 16) | destination);
  return true;
}

function placeOf(key: usize): usize {
  let hash: u32 = 0;
  for (let offset: usize = 0; offset < keyWords << 2; offset += 4)
    hash = (rotl<u32>(hash, 13) ^ load<u32>(key + offset)) * 0x9e3779b1;
  hash ^= hash >>> 16;
  return table + (HASHLIMIT_SIZE as usize) + (((hash & load<u32>(rule, PLACE_MASK)) as usize) << 2);
}

function at(number: u32): usize {
  const places = ((load<u32>(rule, PLACE_MASK) as usize) + 1) << 2;
  return table + (HASHLIMIT_SIZE as usize) + places + ((number - 1) as usize) * entrySize;
}

function findEntry(place: usize): u32 {
  let number = load<u32>(place);
  while (number !== 0 && memory.compare(at(number) + 4, KEY, keyWords << 2) !== 0) number = load<u32>(at(number));
  return number;
}

/** 0 when the table is full. The collector came at `collected`. */
function addEntry(place: usize, collected: u64): u32 {
  const most = load<u32>(rule, MOST);
  if (load<u32>(table, ENTRIES) >= most && load<u64>(table, SWEPT) < collected) sweep(collected);
  if (load<u32>(table, ENTRIES) >= most) return 0;
  let number = load<u32>(table, FREE);
  if (number !== 0) {
    store<u32>(table, load<u32>(at(number)), FREE);
  } else {
    number = load<u32>(table, UNTOUCHED);
    store<u32>(table, number + 1, UNTOUCHED);
  }
  store<u32>(table, load<u32>(table, ENTRIES) + 1, ENTRIES);
  store<u32>(at(number), load<u32>(place));
  store<u32>(place, number);
  memory.copy(at(number) + 4, KEY, keyWords << 2);
  return number;
}

/** htable_selective_cleanup: until a table is full, entries whose time is over are found out when they are asked for. */
function sweep(collected: u64): void {
  store<u64>(table, collected, SWEPT);
  const end = at(1);
  for (let place = table + (HASHLIMIT_SIZE as usize); place < end; place += 4) {
    let link = place;
    for (let number = load<u32>(link); number !== 0; number = load<u32>(link)) {
      const entry = at(number);
      if (load<u64>(entry + expires()) > collected) {
        link = entry;
        continue;
      }
      store<u32>(link, load<u32>(entry));
      store<u32>(entry, load<u32>(table, FREE));
      store<u32>(table, number, FREE);
      store<u32>(table, load<u32>(table, ENTRIES) - 1, ENTRIES);
    }
  }
}

/** rateinfo_init. */
function begin(entry: usize, now: u64): void {
  const window = (load<u32>(rule, MODE) & HASHLIMIT_WINDOW) !== 0;
  store<u64>(entry + expires(), now + wide(EXPIRE));
  store<u64>(entry + changed(), now);
  store<u64>(entry + credit(), window ? 0 : wide(START));
  store<u64>(entry + cap(), wide(CAP));
}

/** rateinfo_recalc. */
function refill(entry: usize, now: u64): void {
  store<u64>(entry + expires(), now + wide(EXPIRE));
  const passed = now - load<u64>(entry + changed());
  if (passed === 0) return;
  const mode = load<u32>(rule, MODE);
  const held = load<u64>(entry + credit());
  if ((mode & HASHLIMIT_WINDOW) !== 0) {
    const length = load<u32>(rule, WINDOW) as u64;
    if (passed < length) return;
    store<u64>(entry + changed(), now);
    store<u64>(entry + cap(), held * length > passed * wide(COST) ? 1 : 0);
    store<u64>(entry + credit(), 0);
    return;
  }
  store<u64>(entry + changed(), now);
  const ofBytes = (mode & HASHLIMIT_BYTES) !== 0;
  const gained = held + passed * wide(GAIN);
  const most = ofBytes ? (load<u32>(rule, BUCKET) as u64) : load<u64>(entry + cap());
  const full = gained > most || (ofBytes && held >= gained);
  store<u64>(entry + credit(), full ? most : gained);
}

/** A window is over its limit when it holds too much, or the one before did. */
function fits(entry: usize, flags: u32, length: u32): bool {
  const passed = load<u64>(entry + credit()) + ((flags & HASHLIMIT_BYTES) !== 0 ? (length as u64) : 1);
  store<u64>(entry + credit(), passed);
  return load<u64>(entry + cap()) === 0 && passed <= wide(START);
}

function pays(entry: usize, flags: u32, length: u32): bool {
  let cost = wide(COST);
  if ((flags & HASHLIMIT_BYTES) !== 0) {
    const bucket = load<u32>(rule, BUCKET) as u64;
    cost *= ((length >>> 4) + 1) as u64;
    if (cost > bucket) cost = bucket;
    // An empty bucket is filled again as long as there are refills.
    const refills = load<u64>(entry + cap());
    if (load<u64>(entry + credit()) < cost && refills !== 0) {
      store<u64>(entry + cap(), refills - 1);
      store<u64>(entry + credit(), bucket);
    }
  }
  const have = load<u64>(entry + credit());
  if (have < cost) return false;
  store<u64>(entry + credit(), have - cost);
  return true;
}
