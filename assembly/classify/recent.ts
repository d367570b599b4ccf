/**
 * recent (xt_recent.c). A list is one block of state: u32 used, u32 entries, u32 oldest, u32 latest, u32 free, u32 untouched, then 128 places of a hash of addresses (u32 each: the
 * first entry there), then the entries, numbered from 1; 0 is none.
 * An entry: u32 next and u32 before by age, u32 next in its place of the hash (or in the list of free ones), u8 TTL at 12, u8 family at 13, u32 index at 16, u32 stamps in use at 20,
 * four address words at 24; the stamps, u64 jiffies, from 48 on.
 */
import { FIELD_DESTINATION, FIELD_FAMILY, FIELD_OUT_INTERFACE, FIELD_SOURCE, FIELD_TTL } from '../../src/abi/fields.ts';
import { PACKET_JIFFIES, PACKET_WAY, WAY_BROADCAST, WAY_LOOPBACK, WAY_OUTPUT } from '../../src/abi/packet.ts';
import {
  LIST_OLDEST,
  LISTED_ADDRESS,
  LISTED_FAMILY,
  LISTED_INDEX,
  LISTED_NEXT,
  LISTED_TTL,
  LISTED_USED,
} from '../../src/abi/shared-state.ts';
import {
  RECENT_DESTINATION,
  RECENT_ENTRIES,
  RECENT_ENTRY,
  RECENT_INVERT,
  RECENT_REAP,
  RECENT_REMOVE,
  RECENT_SECONDS,
  RECENT_SET,
  RECENT_SIZE,
  RECENT_TTL,
  RECENT_UPDATE,
} from '../../src/abi/special.ts';
import { copying } from '../broadcast.ts';

const ENTRIES: usize = 4;
const OLDEST: usize = LIST_OLDEST;
const LATEST: usize = 12;
const FREE: usize = 16;
const UNTOUCHED: usize = 20;
const PLACES: usize = 32;
const PLACE_MASK: u32 = 127;

const NEXT: usize = LISTED_NEXT;
const BEFORE: usize = 4;
const CHAIN: usize = 8;
const TTL: usize = LISTED_TTL;
const FAMILY: usize = LISTED_FAMILY;
const INDEX: usize = LISTED_INDEX;
const USED: usize = LISTED_USED;
const ADDRESS: usize = LISTED_ADDRESS;

/** Offsets of the parameters. */
const BACK: usize = 4;
const HITS: usize = 8;
const INDEX_MASK: usize = 12;
const MASK: usize = 16;
const STAMP_MASK: usize = 32;

/** The list in hand: its block, the size of an entry, and the parameters of the rule in hand. */
let list: usize = 0;
let entrySize: usize = 0;
let rule: usize = 0;
/** The masked address in hand, and its place in the hash. */
let word0: u32 = 0;
let word1: u32 = 0;
let word2: u32 = 0;
let word3: u32 = 0;
let place: usize = 0;

export function recent(parameters: usize, state: usize, slot: usize): bool {
  const flags = load<u32>(parameters);
  const inverted = (flags & RECENT_INVERT) !== 0;
  const now = load<u64>(slot, PACKET_JIFFIES);
  const ttl = ttlBeforeForwarding(slot);
  take(parameters, state);
  takeAddress(slot, (flags & RECENT_DESTINATION) !== 0);
  const entry = findEntry(slot, (flags & RECENT_TTL) !== 0 ? ttl : 0);
  if (entry === 0) {
    if ((flags & RECENT_SET) === 0) return inverted;
    addEntry(load<u32>(slot, FIELD_FAMILY * 4), ttl, now);
    return !inverted;
  }
  if ((flags & RECENT_SET) !== 0) {
    refresh(entry, ttl, now);
    return !inverted;
  }
  if ((flags & RECENT_REMOVE) !== 0) {
    removeEntry(entry);
    return !inverted;
  }
  const since = now - (load<u32>(parameters, BACK) as u64);
  const answer = enoughHits(entry, since, flags) !== inverted;
  const updates = answer && (flags & RECENT_UPDATE) !== 0;
  if ((flags & RECENT_REAP) !== 0) reap(since, updates ? entry : 0);
  if (updates) refresh(entry, ttl, now);
  return answer;
}

/** What the host itself sends has a socket and was not forwarded; the copy of its broadcast has none. */
function ttlBeforeForwarding(slot: usize): u32 {
  const ttl = load<u32>(slot, FIELD_TTL * 4);
  if (load<u32>(slot, FIELD_OUT_INTERFACE * 4) === 0) return ttl;
  const way = load<u32>(slot, PACKET_WAY);
  const own = way === WAY_OUTPUT || way === WAY_LOOPBACK || (way === WAY_BROADCAST && !copying);
  return own ? ttl : (ttl + 1) & 255;
}

function take(parameters: usize, state: usize): void {
  rule = parameters;
  list = state;
  entrySize = (RECENT_ENTRY as usize) + (((load<u32>(parameters, STAMP_MASK) as usize) + 1) << 3);
  if (load<u32>(state) === 0) {
    store<u32>(state, 1);
    store<u32>(state, 1, UNTOUCHED);
  }
}

function takeAddress(slot: usize, destination: bool): void {
  const address = slot + (destination ? FIELD_DESTINATION : FIELD_SOURCE) * 4;
  word0 = load<u32>(address) & load<u32>(rule, MASK);
  word1 = load<u32>(address, 4) & load<u32>(rule, MASK + 4);
  word2 = load<u32>(address, 8) & load<u32>(rule, MASK + 8);
  word3 = load<u32>(address, 12) & load<u32>(rule, MASK + 12);
  place = placeOf(word0, word1, word2, word3);
}

function placeOf(one: u32, two: u32, three: u32, four: u32): usize {
  const hash: u32 = (one ^ (two * 31) ^ (three * 961) ^ (four * 29791)) * 0x9e3779b1;
  return list + PLACES + (((hash ^ (hash >>> 15)) & PLACE_MASK) << 2);
}

function at(number: u32): usize {
  return list + (RECENT_SIZE as usize) + ((number - 1) as usize) * entrySize;
}

/** The number of the entry of the address in hand; 0 when there is none, or it has another TTL (0 is any). */
function findEntry(slot: usize, ttl: u32): u32 {
  const family = load<u32>(slot, FIELD_FAMILY * 4);
  for (let number = load<u32>(place); number !== 0; number = load<u32>(at(number), CHAIN)) {
    const entry = at(number);
    if (
      load<u32>(entry, ADDRESS) !== word0 ||
      load<u32>(entry, ADDRESS + 4) !== word1 ||
      load<u32>(entry, ADDRESS + 8) !== word2 ||
      load<u32>(entry, ADDRESS + 12) !== word3 ||
      (load<u8>(entry, FAMILY) as u32) !== family
    )
      continue;
    const known = load<u8>(entry, TTL) as u32;
    return ttl === 0 || known === 0 || known === ttl ? number : 0;
  }
  return 0;
}

/** Of a full list the entry that was changed longest ago makes room. */
function addEntry(family: u32, ttl: u32, now: u64): void {
  if (load<u32>(list, ENTRIES) >= <u32>RECENT_ENTRIES) removeEntry(load<u32>(list, OLDEST));
  let number = load<u32>(list, FREE);
  if (number !== 0) {
    store<u32>(list, load<u32>(at(number), CHAIN), FREE);
  } else {
    number = load<u32>(list, UNTOUCHED);
    store<u32>(list, number + 1, UNTOUCHED);
  }
  const entry = at(number);
  store<u32>(entry, load<u32>(place), CHAIN);
  store<u32>(place, number);
  store<u8>(entry, ttl as u8, TTL);
  store<u8>(entry, family as u8, FAMILY);
  store<u32>(entry, 1, INDEX);
  store<u32>(entry, 1, USED);
  store<u32>(entry, word0, ADDRESS);
  store<u32>(entry, word1, ADDRESS + 4);
  store<u32>(entry, word2, ADDRESS + 8);
  store<u32>(entry, word3, ADDRESS + 12);
  store<u64>(entry, now, RECENT_ENTRY);
  store<u32>(list, load<u32>(list, ENTRIES) + 1, ENTRIES);
  append(number);
}

/** One stamp more, over the oldest when all are in use; the entry is the latest then. */
function refresh(number: u32, ttl: u32, now: u64): void {
  const entry = at(number);
  const index = load<u32>(entry, INDEX) & load<u32>(rule, STAMP_MASK);
  store<u64>(entry + ((index as usize) << 3), now, RECENT_ENTRY);
  // The kernel's index is a number of 8 or 16 bits: where it comes round to 0, the last stamp is not counted.
  const next = (index + 1) & load<u32>(rule, INDEX_MASK);
  store<u32>(entry, next, INDEX);
  if (next > load<u32>(entry, USED)) store<u32>(entry, next, USED);
  store<u8>(entry, ttl as u8, TTL);
  detach(number);
  append(number);
}

function enoughHits(number: u32, since: u64, flags: u32): bool {
  const entry = at(number);
  const limited = (flags & RECENT_SECONDS) !== 0;
  const wanted = load<u32>(rule, HITS);
  let hits: u32 = 0;
  const end = entry + ((load<u32>(entry, USED) as usize) << 3);
  for (let stamp = entry; stamp < end; stamp += 8) {
    if (limited && ((load<u64>(stamp, RECENT_ENTRY) - since) as i64) < 0) continue;
    hits++;
    if (hits >= wanted) return true;
  }
  return false;
}

/** Throws the oldest entry away when nothing was seen of it since; not the one that is about to be refreshed. */
function reap(since: u64, spared: u32): void {
  const number = load<u32>(list, OLDEST);
  if (number === 0 || number === spared) return;
  const entry = at(number);
  const index = load<u32>(entry, INDEX);
  // The kernel looks before the first stamp then, and finds no time that is over.
  if (index === 0) return;
  const last = load<u64>(entry + (((index - 1) as usize) << 3), RECENT_ENTRY);
  if (((last - since) as i64) < 0) removeEntry(number);
}

function removeEntry(number: u32): void {
  const entry = at(number);
  detach(number);
  let link = placeOf(
    load<u32>(entry, ADDRESS),
    load<u32>(entry, ADDRESS + 4),
    load<u32>(entry, ADDRESS + 8),
    load<u32>(entry, ADDRESS + 12),
  );
  while (load<u32>(link) !== number) link = at(load<u32>(link)) + CHAIN;
  store<u32>(link, load<u32>(entry, CHAIN));
  store<u32>(entry, load<u32>(list, FREE), CHAIN);
  store<u32>(list, number, FREE);
  store<u32>(list, load<u32>(list, ENTRIES) - 1, ENTRIES);
}

/** Takes an entry out of the order of age. */
function detach(number: u32): void {
  const entry = at(number);
  const next = load<u32>(entry, NEXT);
  const before = load<u32>(entry, BEFORE);
  if (next !== 0) store<u32>(at(next), before, BEFORE);
  else store<u32>(list, before, LATEST);
  if (before !== 0) store<u32>(at(before), next, NEXT);
  else store<u32>(list, next, OLDEST);
}

/** Puts an entry behind all others. */
function append(number: u32): void {
  const latest = load<u32>(list, LATEST);
  store<u32>(at(number), 0, NEXT);
  store<u32>(at(number), latest, BEFORE);
  if (latest !== 0) store<u32>(at(latest), number, NEXT);
  else store<u32>(list, number, OLDEST);
  store<u32>(list, number, LATEST);
}
