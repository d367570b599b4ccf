/**
 * The table of confirmed connections, in the last region of memory, beside the pool of records (pool.ts).
 * A lookup reads one bucket (bucket.ts), then the entry whose tag fits; removal leaves no tombstones. Doubling moves whole tags: the bucket
 * is the upper bits of the hash, no entry is read. Of a connection there may be but a half (half.ts), as its reference says.
 */
import { STATUS_CONFIRMED, STATUS_SRC_NAT } from '../../src/abi/fields';
import { ensureMemory } from '../memory';
import { ALIAS_ENTRY, ALIAS_SERIAL, aliasOf, goesThrough, isEntry, putKey } from './alias';
import {
  BUCKET_OVERFLOW,
  BUCKET_REFERENCES,
  BUCKET_SHIFT,
  BUCKET_SIZE,
  BUCKET_SLOTS,
  moveToTwice,
  place,
  probe,
  replace,
} from './bucket';
import { isOfCall } from './calls';
import { end } from './end';
import {
  ENTRY_EXTENSION,
  ENTRY_HASH,
  ENTRY_HIGH,
  ENTRY_LOW,
  ENTRY_SERIAL,
  ENTRY_SIDES,
  ENTRY_SIZE,
  ENTRY_STATUS,
  ENTRY_TIMEOUT,
  STATUS_ALIAS,
  STATUS_ALIASED,
} from './entry';
import { forgetHelp } from './expectations';
import { extended, limited, zonesOfOne } from './extension';
import { expandInto, guessedEntry, hashOfHalf, isHalf, isKeyOfHalf, REFERENCE_HALF } from './half';
import { dequeue, enqueue } from './limit';
import { linkMapping, unlinkMapping } from './mapped';
import { hz } from './parameters';
import {
  allocateRecord,
  becomeRecords,
  extraRecord,
  growPool,
  hasFreed,
  hasRecords,
  poolInit,
  releaseHalf,
  releaseRecord,
  takeUntouched,
} from './pool';
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
let limbo: usize = 0;
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
/** Halves that became entries: only the debug build counts them, for tests. */
let expanded: u32 = 0;

/** For `lookup`: whichever way the packet goes. */
export const EITHER_WAY: u32 = 2;

/** Starts with an empty table; everything from `heap` to the end of memory belongs to it. */
export function tableInit(heap: usize): void {
  buckets = (heap + (ENTRY_SIZE - 1)) & ~(ENTRY_SIZE - 1);
  bits = FIRST_BITS;
  limbo = 0;
  count = 0;
  entries = 0;
  confirmed = 0;
  insertedSinceSweep = 0;
  swept = 0;
  clock = 0;
  const size = BUCKET_SIZE << FIRST_BITS;
  const end = buckets + size;
  if (ensureMemory(end, end)) memory.fill(buckets, 0, size);
  else buckets = 0;
  poolInit(buckets === 0 ? 0 : end);
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
  const record = lookupRecord(keyLow, keyHigh, keyHash, keyIs6, keySwapped ? 1 : 0);
  if (record === 0) return 0;
  if (isHalf(record)) {
    foundAlias = false;
    if (load<i64>(record, ENTRY_TIMEOUT) > now) return expand(record);
    discardHalf(record);
    return 0;
  }
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
  const record = lookupRecord(low, high, hash, six, way);
  return record !== 0 && isHalf(record) ? expand(record) : record;
}

/** The same, which may be a half. */
export function lookupRecord(low: u64, high: u64, hash: u32, six: bool, way: u32): usize {
  let bucket = bucketOf(hash);
  while (true) {
    let hits = probe(bucket, hash);
    while (hits !== 0) {
      const reference = load<u32>(bucket + ((ctz(hits) as usize) << 2), BUCKET_REFERENCES);
      const entry = guessedEntry(reference);
      hits &= hits - 1;
      if ((reference & REFERENCE_HALF) !== 0) {
        if (isKeyOfHalf(entry, low, high)) return entry;
        continue;
      }
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

export function halvesExpanded(): u32 {
  return expanded;
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
  insertReference(load<u32>(record, ENTRY_HASH), record);
}

/** As `confirm`, of a half, whose time is there, with this hash. */
export function confirmHalf(half: usize, hash: u32): void {
  insertReference(hash, half | REFERENCE_HALF);
  entries++;
  confirmed++;
}

function insertReference(hash: u32, reference: usize): void {
  place(buckets, bits, hash, reference);
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

/** Takes a half out of the table and gives it back. */
function discardHalf(half: usize): void {
  removeReference(hashOfHalf(half), half | REFERENCE_HALF);
  entries--;
  releaseHalf(half);
}

/** The entry that a half in the table stands for takes its place. 0: memory is out. */
function expand(half: usize): usize {
  const entry = extraRecord();
  if (entry === 0) return 0;
  expandInto(half, entry);
  replace(buckets, bits, load<u32>(entry, ENTRY_HASH), half | REFERENCE_HALF, entry);
  releaseHalf(half);
  if (!ASC_NO_ASSERT) expanded++;
  return entry;
}

/** Takes a record out of the table; the record itself stays as it is. */
export function removeRecord(record: usize): void {
  removeReference(load<u32>(record, ENTRY_HASH), record);
}

function removeReference(hash: u32, reference: usize): void {
  let bucket = bucketOf(hash);
  while (true) {
    let hits = probe(bucket, hash);
    while (hits !== 0) {
      const slot = bucket + ((ctz(hits) as usize) << 2);
      hits &= hits - 1;
      if ((load<u32>(slot, BUCKET_REFERENCES) as usize) !== reference) continue;
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
  // An entry, and another record: what it has beside itself, or an entry in place of a half.
  const rooms = packets << 1;
  if (!hasRecords(rooms) || crowded(packets)) {
    const limit = clock - (hz() as i64) * (GRACE_SECONDS as i64);
    if (insertedSinceSweep >= count >>> 1 && limit >= swept) swept = min(sweep(limit), clock);
    while (crowded(packets)) {
      if (!double()) return false;
    }
    if (!hasRecords(rooms) || !hasFreed()) return growPool(rooms);
  }
  return true;
}

function crowded(packets: u32): bool {
  const size = (1 as u32) << bits;
  return count > size * BUCKET_LOAD || count + packets >= size * BUCKET_SLOTS;
}

/** Throws away what expired at `limit` or before, of others than calls or of calls; the latter take along what ends with them at `clock`. Out: when the next will. */
export function sweep(limit: i64, ofCalls: bool = false): i64 {
  let next: i64 = i64.MAX_VALUE;
  if (!ofCalls) insertedSinceSweep = 0;
  const end = buckets + (BUCKET_SIZE << bits);
  for (let bucket = buckets; bucket < end; bucket += BUCKET_SIZE) {
    for (let slot: usize = 0; slot < BUCKET_SLOTS; slot++) {
      const entry = guessedEntry(load<u32>(bucket + (slot << 2), BUCKET_REFERENCES));
      if (entry === 0 || !isEntry(entry)) continue;
      const timeout = load<i64>(entry, ENTRY_TIMEOUT);
      if (timeout > limit) {
        next = min(next, timeout);
        continue;
      }
      if (isHalf(entry)) {
        if (!ofCalls) discardHalf(entry);
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
  const fresh = takeUntouched(oldSize << 1);
  if (fresh === 0) return false;
  moveToTwice(old, bits, fresh);
  buckets = fresh;
  bits++;
  becomeRecords(old, oldSize);
  return true;
}
