/** Sets of ipset in their region: ip_set_core.c, ip_set_hash_gen.h, ip_set_list_set.c of net/netfilter/ipset. Layout: src/abi/sets.ts. */
import { FIELD_LENGTH } from '../../src/abi/fields.ts';
import { PACKET_JIFFIES } from '../../src/abi/packet.ts';
import {
  ENTRY_BYTES,
  ENTRY_EXPIRES,
  ENTRY_KEY,
  ENTRY_NEXT,
  ENTRY_NOMATCH,
  ENTRY_PACKETS,
  ENTRY_SIZE,
  KEY_FACTOR,
  KEY_WORDS,
  PART_NET,
  PART_WORDS,
  SET_COUNT,
  SET_ENTRIES,
  SET_FEATURES,
  SET_HAS_COUNTERS,
  SET_HAS_MEMBERS,
  SET_HEADER_SIZE,
  SET_PARTS,
  SET_PLACE_MASK,
  SET_PLACES,
  SET_PREFIXES,
  SETS_FIRST,
} from '../../src/abi/sets.ts';
import {
  SET_COUNT_BYTES,
  SET_COUNT_EQUAL,
  SET_COUNT_LESS,
  SET_COUNT_PACKETS,
  SET_COUNT_UNEQUAL,
  SET_NO_SUB_UPDATE,
  SET_NO_UPDATE,
  SET_NOMATCH,
} from '../../src/abi/special.ts';
import { KEY, takeKey } from './parts.ts';

/** Offsets of a test's parameters. */
const FLAGS: usize = 4;
const SIDES: usize = 8;
const SOURCES: usize = 12;
const PACKETS: usize = 16;
const BYTES: usize = 24;

const COUNTERS: u32 = ~((1 << SET_COUNT_PACKETS) - 1);
const HALF: usize = 32;
const ADDRESS_BYTES: usize = 16;

let region: usize = 0;
/** Jiffies of the first packet: timeouts run from then on. */
let start: u64 = 0;

export function setSets(at: usize): void {
  region = at;
}

export function startSets(jiffies: u64): void {
  start = jiffies;
}

function setAt(number: u32): usize {
  return region + SETS_FIRST + (number as usize) * SET_HEADER_SIZE;
}

function entryAt(set: usize, number: u32): usize {
  return region + load<u32>(set, SET_ENTRIES) + ((number - 1) as usize) * ENTRY_SIZE;
}

/** ip_set_test, with the parameters of SPECIAL_SET. */
export function isInSet(parameters: usize, slot: usize): bool {
  const set = setAt(load<u32>(parameters));
  const flags = load<u32>(parameters, FLAGS);
  if ((load<u32>(set, SET_FEATURES) & SET_HAS_MEMBERS) === 0) return testSet(set, flags, parameters, slot);
  // What sets in a list count is never compared.
  let inner = flags & ~COUNTERS;
  if ((flags & SET_NO_SUB_UPDATE) !== 0) inner |= SET_NO_UPDATE;
  for (let number: u32 = 1; number <= load<u32>(set, SET_COUNT); number++) {
    const member = entryAt(set, number);
    if (!testSet(setAt(load<u32>(member, ENTRY_KEY)), inner, parameters, slot)) continue;
    if (holds(set, member, flags, parameters, slot)) return true;
  }
  return false;
}

function testSet(set: usize, flags: u32, parameters: usize, slot: usize): bool {
  if (!takeKey(set, load<u32>(parameters, SIDES), load<u32>(parameters, SOURCES), slot)) return false;
  const entry = search(set, flags, parameters, slot);
  if (entry === 0) return false;
  return (load<u32>(entry, ENTRY_NOMATCH) !== 0) === ((flags & SET_NOMATCH) !== 0 && hasNetworks(set));
}

function hasNetworks(set: usize): bool {
  return networkPart(set, 0) >= 0;
}

/** Which part is the network number `which`; -1 where there are fewer. */
function networkPart(set: usize, which: u32): i32 {
  const parts = load<u32>(set, SET_PARTS);
  let left = which;
  for (let index: u32 = 0; index < parts >>> 12; index++) {
    if (((parts >>> (4 * index)) & 15) !== PART_NET) continue;
    if (left === 0) return index as i32;
    left--;
  }
  return -1;
}

const WHOLE: usize = memory.data(32, 8);

/** The first entry that speaks of the packet: of networks the smallest, the first part's before the second's. 0: there is none. */
function search(set: usize, flags: u32, parameters: usize, slot: usize): usize {
  const first = networkPart(set, 0);
  const second = networkPart(set, 1);
  const firsts = region + load<u32>(set, SET_PREFIXES);
  const seconds = region + load<u32>(set, SET_PREFIXES + 4);
  keepAddress(first, WHOLE);
  keepAddress(second, WHOLE + ADDRESS_BYTES);
  for (let one: u32 = 1; one <= load<u32>(firsts); one++) {
    shorten(first, WHOLE, load<u32>(firsts + (one << 2)));
    for (let two: u32 = 1; two <= load<u32>(seconds); two++) {
      shorten(second, WHOLE + ADDRESS_BYTES, load<u32>(seconds + (two << 2)));
      const entry = find(set);
      if (entry !== 0 && holds(set, entry, flags, parameters, slot)) return entry;
    }
  }
  return 0;
}

function keepAddress(part: i32, to: usize): void {
  if (part >= 0) memory.copy(to, partAt(part), ADDRESS_BYTES);
}

function partAt(part: i32): usize {
  return KEY + (((part as usize) * PART_WORDS) << 2);
}

/** Writes the network of `prefix` bits of an address into the key. */
function shorten(part: i32, address: usize, prefix: u32): void {
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

/** The entry with the key in hand. */
function find(set: usize): usize {
  let hash: u32 = 0;
  for (let word: usize = 0; word < <usize>KEY_WORDS; word++) hash = (hash ^ load<u32>(KEY + (word << 2))) * KEY_FACTOR;
  const place = (hash ^ (hash >>> 15)) & load<u32>(set, SET_PLACE_MASK);
  let number = load<u32>(region + load<u32>(set, SET_PLACES) + ((place as usize) << 2));
  while (number !== 0) {
    const entry = entryAt(set, number);
    if (memory.compare(entry + ENTRY_KEY, KEY, KEY_WORDS << 2) === 0) return entry;
    number = load<u32>(entry, ENTRY_NEXT);
  }
  return 0;
}

/** ip_set_match_extensions: expired ones are not there; what is looked at counts, and then its counters decide. */
function holds(set: usize, entry: usize, flags: u32, parameters: usize, slot: usize): bool {
  const expires = load<u64>(entry, ENTRY_EXPIRES);
  if (expires !== 0 && load<u64>(slot, PACKET_JIFFIES) - start > expires) return false;
  if ((load<u32>(set, SET_FEATURES) & SET_HAS_COUNTERS) === 0) return true;
  if ((flags & SET_NO_UPDATE) === 0) {
    store<u64>(entry, load<u64>(entry, ENTRY_PACKETS) + 1, ENTRY_PACKETS);
    store<u64>(entry, load<u64>(entry, ENTRY_BYTES) + (load<u32>(slot, FIELD_LENGTH * 4) as u64), ENTRY_BYTES);
  }
  return (
    compare((flags >>> SET_COUNT_PACKETS) & 7, load<u64>(entry, ENTRY_PACKETS), load<u64>(parameters + PACKETS)) &&
    compare((flags >>> SET_COUNT_BYTES) & 7, load<u64>(entry, ENTRY_BYTES), load<u64>(parameters + BYTES))
  );
}

function compare(how: u32, counter: u64, value: u64): bool {
  if (how === 0) return true;
  if (how === SET_COUNT_EQUAL) return counter === value;
  if (how === SET_COUNT_UNEQUAL) return counter !== value;
  return how === SET_COUNT_LESS ? counter < value : counter > value;
}
