/**
 * The table of confirmed connections and the pool of entries, in the last region of memory.
 * A lookup reads one bucket (bucket.ts), then the entry whose tag fits; removal leaves no tombstones. Doubling moves whole tags: the bucket
 * is the upper bits of the hash, no entry is read.
 * Entries come from a free list, then from untouched memory. The room only grows in `reserve`, between batches; but for `extraRecord`.
 */
import { STATUS_CONFIRMED, STATUS_SRC_NAT } from '../../src/abi/fields';
import { ensureAmple, ensureMemory, memorySize } from '../memory';
import { ALIAS_ENTRY, ALIAS_SERIAL, aliasOf, isEntry, putKey } from './alias';
import { BUCKET_OVERFLOW, BUCKET_REFERENCES, BUCKET_SHIFT, BUCKET_SIZE, BUCKET_SLOTS, moveToTwice, place, probe } from './bucket';
import { isOfCall } from './calls';
import { end } from './end';
import {
  clearRecord,
  ENTRY_EXTENSION,
  ENTRY_HASH,
  ENTRY_HIGH,
  ENTRY_LOW,
  ENTRY_NEXT,
  ENTRY_SERIAL,
  ENTRY_SIDES,
  ENTRY_SIZE,
  ENTRY_STATUS,
  ENTRY_SWAPPED,
  ENTRY_TIMEOUT,
  STATUS_ALIAS,
  STATUS_ALIASED,
} from './entry';
import { forgetHelp } from './expectations';
import { extended, limited, zonesOfOne } from './extension';
import { dequeue, enqueue } from './limit';
import { linkMapping, unlinkMapping } from './mapped';
import { hz } from './parameters';
import { addStatus } from './status';
import { directionOf, keyHash, keyHigh, keyIs6, keyLow, keySwapped, upperMatches } from './tuple';

/** Entries per bucket above which the table doubles: 4 / 7. */
const BUCKET_LOAD: u32 = 4;
const FIRST_BITS: u32 = 8;
const MOST_BITS: u32 = 26;
/** Expired entries stay this long, for packets a little out of order. */
const GRACE_SECONDS: u32 = 60;

export let buckets: usize = 0;
export let bits: u32 = 0;
let free: usize = 0;
let freeCount: u32 = 0;
let limbo: usize = 0;
/** Untouched memory, all zeros, up to the end of memory. */
let untouched: usize = 0;
/** Entries that exist, free or not. */
let total: u32 = 0;
/** Records in the table, and connections of them, expired ones included. */
export let count: u32 = 0;
export let entries: u32 = 0;
/** Connections confirmed so far. */
let confirmed: u32 = 0;
let insertedSinceSweep: u32 = 0;
/** What expired before this is gone: since then, nothing got a time that was over. */
let swept: i64 = 0;
/** Jiffies of the last lookup. */
export let clock: i64 = 0;
/** What `find` found was an alias. */
let foundAlias: bool = false;
let serial: u32 = 0;

/** For `lookup`: whichever way the packet goes. */
export const EITHER_WAY: u32 = 2;

/** Starts with an empty table; everything from `heap` to the end of memory belongs to it. */
export function tableInit(heap: usize): void {
  buckets = (heap + (ENTRY_SIZE - 1)) & ~(ENTRY_SIZE - 1);
  bits = FIRST_BITS;
  free = 0;
  freeCount = 0;
  limbo = 0;
  total = 0;
  count = 0;
  entries = 0;
  confirmed = 0;
  insertedSinceSweep = 0;
  swept = 0;
  clock = 0;
  const size = BUCKET_SIZE << FIRST_BITS;
  untouched = buckets + size;
  if (ensureMemory(untouched, untouched)) memory.fill(buckets, 0, size);
  else buckets = 0;
}

export function bucketOf(hash: u32): usize {
  return buckets + (((hash >>> (32 - bits)) as usize) << BUCKET_SHIFT);
}

export function bucketAfter(bucket: usize): usize {
  const next = bucket + BUCKET_SIZE;
  return next === buckets + (BUCKET_SIZE << bits) ? buckets : next;
}

/**
 * The entry with the key in hand, 0 if there is none. One whose time is over at `now` is as good as absent and is thrown away
 * (nf_conntrack_core.c, ____nf_conntrack_find).
 */
export function find(now: i64): usize {
  clock = now;
  const record = lookup(keyLow, keyHigh, keyHash, keyIs6, keySwapped ? 1 : 0);
  if (record === 0) return 0;
  foundAlias = (load<u32>(record, ENTRY_STATUS) & STATUS_ALIAS) !== 0;
  const entry = foundAlias ? (load<u32>(record, ALIAS_ENTRY) as usize) : record;
  if (load<i64>(entry, ENTRY_TIMEOUT) > now) return entry;
  remove(entry);
  release(entry);
  return 0;
}

/** The direction in which the key in hand goes through the entry that `find` found: 0 original, 1 reply. */
export function foundDirection(entry: usize): u32 {
  if ((load<u32>(entry, ENTRY_STATUS) & STATUS_ALIASED) !== 0) return foundAlias ? 1 : 0;
  return directionOf(entry);
}

/**
 * The record with a key, its time over or not; 0 if there is none. `six`: and with the upper words of the key in hand. `way`: 1 when the packet goes from the high to the
 * low end, or EITHER_WAY: of a connection whose addresses are translated each record stands for one direction.
 */
export function lookup(low: u64, high: u64, hash: u32, six: bool, way: u32): usize {
  let bucket = bucketOf(hash);
  while (true) {
    let hits = probe(bucket, hash);
    while (hits !== 0) {
      const entry = load<u32>(bucket + ((ctz(hits) as usize) << 2), BUCKET_REFERENCES) as usize;
      hits &= hits - 1;
      if (load<u64>(entry, ENTRY_LOW) !== low || load<u64>(entry, ENTRY_HIGH) !== high) continue;
      if (six && !upperMatches(entry)) continue;
      if (way === EITHER_WAY || goesThrough(entry, way)) return entry;
    }
    if (load<u32>(bucket, BUCKET_OVERFLOW) === 0) return 0;
    bucket = bucketAfter(bucket);
  }
}

/** Whether nobody in the table has the hash, as far as its bucket tells: false, where others of the bucket live further on. */
export function isUnknown(hash: u32): bool {
  const bucket = bucketOf(hash);
  return (probe(bucket, hash) | load<u32>(bucket, BUCKET_OVERFLOW)) === 0;
}

function goesThrough(record: usize, way: u32): bool {
  const status = load<u32>(record, ENTRY_STATUS);
  if ((status & (STATUS_ALIASED | STATUS_ALIAS)) === 0) return true;
  return ((load<u8>(record, ENTRY_SWAPPED) as u32) ^ way) === (status & STATUS_ALIAS ? 1 : 0);
}

/** A packet was seen at `now` (jiffies) that needed no `find`. */
export function setClock(now: i64): void {
  clock = now;
}

/** An unconfirmed entry for the key in hand, its original direction that of the packet, all else zero. 0 when memory is out. */
export function create(): usize {
  const entry = allocateRecord();
  if (entry === 0) return 0;
  if (extended) {
    const extension = allocateRecord();
    if (extension === 0) {
      releaseRecord(entry);
      return 0;
    }
    store<u32>(entry, extension as u32, ENTRY_EXTENSION);
  }
  putKey(entry, 0);
  return entry;
}

/** A record (an entry, an extension, an alias), all zeros; 0 when memory is out. */
export function allocateRecord(): usize {
  const room = free;
  if (room !== 0) {
    free = load<u32>(room, ENTRY_NEXT);
    freeCount--;
    clearRecord(room);
    return room;
  }
  if (untouched + ENTRY_SIZE > memorySize()) return 0;
  total++;
  untouched += ENTRY_SIZE;
  return untouched - ENTRY_SIZE;
}

/** As allocateRecord, and beyond what was reserved: memory grows in the middle of a batch, for lists of which nobody can know how long they get. */
export function extraRecord(): usize {
  const reserved = allocateRecord();
  if (reserved !== 0) return reserved;
  const room = carve(ENTRY_SIZE);
  if (room !== 0) total++;
  return room;
}

/** Gives an entry that is not in the table back, and what it has beside itself. Without a status it is nobody's, should a guess still point to it. */
export function release(entry: usize): void {
  end(entry);
  releaseRecords(entry);
}

/** Behind `end`: gives the records of a connection back. */
export function releaseRecords(entry: usize): void {
  const alias = aliasOf(entry);
  if (alias !== 0) releaseRecord(alias);
  if (extended) releaseRecord(load<u32>(entry, ENTRY_EXTENSION) as usize);
  releaseRecord(entry);
}

/** Gives back a record that is not in the table. */
export function releaseRecord(record: usize): void {
  store<u32>(record, 0, ENTRY_STATUS);
  store<u32>(record, free as u32, ENTRY_NEXT);
  free = record;
  freeCount++;
}

/** As `release`, for an entry that the packet in hand still refers to: it is used again only after the next `reserve`. */
export function releaseLater(entry: usize): void {
  forgetHelp(entry);
  // No window is looked at any more; what rules see, and its key, stay.
  store<u32>(entry, limbo as u32, ENTRY_SIDES);
  limbo = entry;
}

/** An entry that was just released for later stays, for who releases its records. False: others were released since. */
export function takeBack(entry: usize): bool {
  if (limbo !== entry) return false;
  limbo = load<u32>(entry, ENTRY_SIDES);
  return true;
}

/** Puts an entry into the table. `reserve` has made sure of a free slot. */
export function insert(entry: usize): void {
  insertRecord(entry);
  entries++;
  if (limited) enqueue(entry);
  const alias = aliasOf(entry);
  if (zonesOfOne) store<u32>(alias === 0 ? entry + ENTRY_SERIAL : alias + ALIAS_SERIAL, ++serial);
  if (alias === 0) return;
  insertRecord(alias);
  if ((load<u32>(entry, ENTRY_STATUS) & STATUS_SRC_NAT) !== 0) linkMapping(entry, alias);
}

/** Connections confirmed so far. */
export function conntrackConfirmed(): u32 {
  return confirmed;
}

/** A connection is real from `now` on: its time begins, and others find it. */
export function confirm(entry: usize, now: i64): void {
  store<i64>(entry, load<i64>(entry, ENTRY_TIMEOUT) + now, ENTRY_TIMEOUT);
  addStatus(entry, STATUS_CONFIRMED);
  insert(entry);
  confirmed++;
}

/** Puts a record with a key into the table. */
export function insertRecord(record: usize): void {
  place(buckets, bits, load<u32>(record, ENTRY_HASH), record);
  count++;
  insertedSinceSweep++;
}

/** Takes an entry out of the table; the entry itself stays as it is. */
export function remove(entry: usize): void {
  removeRecord(entry);
  entries--;
  if (limited) dequeue(entry);
  const alias = aliasOf(entry);
  if (alias === 0) return;
  removeRecord(alias);
  unlinkMapping(alias);
}

/** Takes a record out of the table; the record itself stays as it is. */
export function removeRecord(entry: usize): void {
  const hash = load<u32>(entry, ENTRY_HASH);
  let bucket = bucketOf(hash);
  while (true) {
    let hits = probe(bucket, hash);
    while (hits !== 0) {
      const slot = bucket + ((ctz(hits) as usize) << 2);
      hits &= hits - 1;
      if ((load<u32>(slot, BUCKET_REFERENCES) as usize) !== entry) continue;
      store<u32>(slot, 0);
      store<u32>(slot, 0, BUCKET_REFERENCES);
      count--;
      return;
    }
    const overflow = load<u32>(bucket, BUCKET_OVERFLOW);
    assert(overflow !== 0);
    store<u32>(bucket, overflow - 1, BUCKET_OVERFLOW);
    bucket = bucketAfter(bucket);
  }
}

/**
 * Makes room for `packets` more connections; between batches only, for memory may grow. Reclaims what expired first.
 * False when there is no more memory.
 */
export function reserve(packets: u32): bool {
  if (buckets === 0) return false;
  for (let entry = limbo; entry !== 0; entry = limbo) {
    takeBack(entry);
    release(entry);
  }
  const rooms = extended ? packets << 1 : packets;
  if (available() < rooms || crowded(packets)) {
    const limit = clock - (hz() as i64) * (GRACE_SECONDS as i64);
    if (insertedSinceSweep >= count >>> 1 && limit >= swept) swept = min(sweep(limit), clock);
    while (crowded(packets)) {
      if (!double()) return false;
    }
    if (available() < rooms || freeCount < total >>> 2) return grow(rooms);
  }
  return true;
}

/** Entries that can be created without more memory. */
function available(): u32 {
  return freeCount + (((memorySize() - untouched) / ENTRY_SIZE) as u32);
}

function crowded(packets: u32): bool {
  const size = (1 as u32) << bits;
  return count > size * BUCKET_LOAD || count + packets >= size * BUCKET_SLOTS;
}

/** More memory: what is asked for, and half of what there is, so that the next time is far. */
function grow(packets: u32): bool {
  const wanted = max(packets, total >>> 1);
  const have = available();
  if (have >= wanted) return true;
  const end = memorySize() + ((wanted - have) as usize) * ENTRY_SIZE;
  if (ensureAmple(untouched, end)) return true;
  return have >= packets || ensureMemory(untouched, memorySize() + ((packets - have) as usize) * ENTRY_SIZE);
}

/** Throws away what expired at `limit` or before, of others than calls or of calls; the latter take along what ends with them at `clock`. Out: when the next will. */
export function sweep(limit: i64, ofCalls: bool = false): i64 {
  let next: i64 = i64.MAX_VALUE;
  if (!ofCalls) insertedSinceSweep = 0;
  const end = buckets + (BUCKET_SIZE << bits);
  for (let bucket = buckets; bucket < end; bucket += BUCKET_SIZE) {
    for (let slot: usize = 0; slot < BUCKET_SLOTS; slot++) {
      const entry = load<u32>(bucket + (slot << 2), BUCKET_REFERENCES) as usize;
      if (entry === 0 || !isEntry(entry)) continue;
      const timeout = load<i64>(entry, ENTRY_TIMEOUT);
      if (timeout > limit) {
        next = min(next, timeout);
        continue;
      }
      if (isOfCall(entry) !== ofCalls) continue;
      remove(entry);
      release(entry);
    }
  }
  return next;
}

/** Twice as many buckets, in fresh memory; the old ones become entries. */
function double(): bool {
  if (bits === MOST_BITS) return false;
  const old = buckets;
  const oldSize = BUCKET_SIZE << bits;
  const fresh = untouched;
  if (!ensureAmple(untouched, fresh + (oldSize << 1))) return false;
  untouched = fresh + (oldSize << 1);
  moveToTwice(old, bits, fresh);
  buckets = fresh;
  bits++;
  for (let entry = old; entry < old + oldSize; entry += ENTRY_SIZE) {
    releaseRecord(entry);
    total++;
  }
  return true;
}

/** Memory for others, zeroed: `bytes` is a multiple of ENTRY_SIZE. What was reserved for connections stays reserved. 0 when memory is out. */
export function carve(bytes: usize): usize {
  if (buckets === 0 || !ensureMemory(untouched, memorySize() + bytes)) return 0;
  const at = untouched;
  untouched += bytes;
  return at;
}
