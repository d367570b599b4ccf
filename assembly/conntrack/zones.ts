/**
 * Lookups where packets have zones. A zone can be of one direction of a connection only (CT --zone-orig, --zone-reply): its two directions have different keys then, so the reply has an alias (alias.ts),
 * and several connections may have a record under one key. The kernel takes the newest whose direction is in the packet's zone of that direction (nf_conntrack_core.c, nf_ct_key_equal).
 */
import { ALIAS_ENTRY, ALIAS_SERIAL, aliasOf, putAlias } from './alias';
import { BUCKET_OVERFLOW, BUCKET_REFERENCES, probe } from './bucket';
import {
  ENTRY_HIGH,
  ENTRY_LOW,
  ENTRY_SERIAL,
  ENTRY_STATUS,
  ENTRY_SWAPPED,
  ENTRY_TIMEOUT,
  STATUS_ALIAS,
  STATUS_ALIASED,
  STATUS_ZONE_OF_ONE,
} from './entry';
import { zonesOfOne } from './extension';
import { allocateRecord } from './pool';
import { addStatus } from './status';
import { bucketAfter, bucketOf, find, foundDirection, release, remove, setClock } from './table';
import { zone, zoneIn } from './template';
import {
  directionOf,
  keyAnswersOf,
  keyHash,
  keyHigh,
  keyInZone,
  keyIs6,
  keyLow,
  keyPlain,
  keySelf,
  keySwapped,
  keyTurned,
  keyZone,
  upperMatches,
} from './tuple';

/** Directions, as bits. */
const ORIGINAL: u32 = 1;
const REPLY: u32 = 2;

/** The hash of the packet's key without a zone. */
let plainHash: u32 = 0;
/** The direction of what was found. */
let way: u32 = 0;

/** The live entry of a packet in hand: its key is in hand, without a zone; afterwards in that of a connection it opens. 0: there is none. */
export function search(now: i64): usize {
  if (!zonesOfOne) {
    if (zone !== 0) keyZone(zone);
    return find(now);
  }
  return searchIn(zoneIn(0), zoneIn(1), now);
}

/** The same for who has these zones in the two directions (nf_conntrack_find_get). */
export function searchFor(first: u32, second: u32, now: i64): usize {
  if (zonesOfOne) return searchIn(first, second, now);
  if (first !== 0) keyZone(first);
  return find(now);
}

/** The same where some have a zone of one direction: the key is in that of the first afterwards. */
function searchIn(first: u32, second: u32, now: i64): usize {
  plainHash = keyHash;
  keyInZone(plainHash, first);
  if (first === second) return newest(ORIGINAL | REPLY, now);
  const asked = newest(ORIGINAL, now);
  if (asked !== 0) return asked;
  keyInZone(plainHash, second);
  const answered = newest(REPLY, now);
  keyInZone(plainHash, first);
  return answered;
}

/** The direction in which the key in hand goes through the entry that was found. */
export function searchedDirection(entry: usize): u32 {
  return zonesOfOne ? way : foundDirection(entry);
}

/** An entry that was just made for the packet: where its directions are in different zones, its reply gets a key. False: there is no memory. */
export function divide(entry: usize): bool {
  if (!zonesOfOne || zoneIn(0) === zoneIn(1)) return true;
  const alias = allocateRecord();
  if (alias === 0) return false;
  keyInZone(plainHash, zoneIn(1));
  keyTurned();
  putAlias(alias, entry);
  keyTurned();
  keyInZone(plainHash, zoneIn(0));
  addStatus(entry, STATUS_ZONE_OF_ONE);
  return true;
}

/** The live entry whose packets the answers of an unconfirmed entry would be taken for; 0 when there is none. */
export function findClash(entry: usize, now: i64): usize {
  keyAnswersOf(entry, aliasOf(entry));
  return findAnswers(entry, now);
}

/** The same, the key of the answers in hand. */
export function findAnswers(entry: usize, now: i64): usize {
  if (!zonesOfOne) return find(now);
  return newest(load<u32>(entry, ENTRY_STATUS) & STATUS_ZONE_OF_ONE ? REPLY : ORIGINAL | REPLY, now);
}

/** The live entry with the key in hand, for who has the key's zone in the original direction and `second` in the reply. What was found of the packet in hand stays known. */
export function findBeside(second: u32, now: i64): usize {
  if (!zonesOfOne) return find(now);
  const hash = plainHash;
  const direction = way;
  const first = (keyHigh >> 48) as u32;
  keyPlain();
  const found = searchIn(first, second, now);
  plainHash = hash;
  way = direction;
  return found;
}

/** Of the live entries with the key in hand the newest that it goes through in one of these directions. */
function newest(ways: u32, now: i64): usize {
  setClock(now);
  while (true) {
    const record = newestRecord(ways);
    if (record === 0) return 0;
    const entry = load<u32>(record, ENTRY_STATUS) & STATUS_ALIAS ? (load<u32>(record, ALIAS_ENTRY) as usize) : record;
    if (load<i64>(entry, ENTRY_TIMEOUT) > now) {
      way = wayThrough(record, ways) - 1;
      return entry;
    }
    remove(entry);
    release(entry);
  }
}

function newestRecord(ways: u32): usize {
  let best: usize = 0;
  let bucket = bucketOf(keyHash);
  while (true) {
    for (let hits = probe(bucket, keyHash); hits !== 0; hits &= hits - 1) {
      const record: usize = load<u32>(bucket + ((ctz(hits) as usize) << 2), BUCKET_REFERENCES);
      if (load<u64>(record, ENTRY_LOW) !== keyLow || load<u64>(record, ENTRY_HIGH) !== keyHigh) continue;
      if (keyIs6 && !upperMatches(record)) continue;
      if (wayThrough(record, ways) === 0) continue;
      if (best === 0 || serialOf(record) > serialOf(best)) best = record;
    }
    if (load<u32>(bucket, BUCKET_OVERFLOW) === 0) return best;
    bucket = bucketAfter(bucket);
  }
}

/** ORIGINAL or REPLY, whichever of `ways` the key in hand goes through a record; 0: none of them. A connection to itself has its reply first. */
function wayThrough(record: usize, ways: u32): u32 {
  const status = load<u32>(record, ENTRY_STATUS);
  if ((status & (STATUS_ALIAS | STATUS_ALIASED)) === 0) {
    if (keySelf) return ways & REPLY ? REPLY : ORIGINAL;
    return (1 << directionOf(record)) & ways;
  }
  const against = (load<u8>(record, ENTRY_SWAPPED) as u32) ^ (keySwapped ? 1 : 0);
  const alias: u32 = status & STATUS_ALIAS ? 1 : 0;
  return against === alias ? (1 << alias) & ways : 0;
}

function serialOf(record: usize): u32 {
  const status = load<u32>(record, ENTRY_STATUS);
  if (status & STATUS_ALIAS) return load<u32>(record, ALIAS_SERIAL);
  return status & STATUS_ALIASED ? load<u32>(aliasOf(record), ALIAS_SERIAL) : load<u32>(record, ENTRY_SERIAL);
}
