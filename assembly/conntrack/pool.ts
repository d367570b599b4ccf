/**
 * The pool of records: entries and what is as large as one (extensions, aliases, lists), and halves (half.ts), two of which are a record's memory. They come from free lists, then from untouched memory, all zeros, up to
 * the end of memory. The room only grows between batches; but for `extraRecord`.
 */
import { ensureAmple, ensureMemory, memorySize } from '../memory';
import { clearRecord, ENTRY_NEXT, ENTRY_SIZE, ENTRY_STATUS } from './entry';
import { HALF_NEXT, HALF_SIZE } from './half';

let free: usize = 0;
let freeCount: u32 = 0;
/** What was a half stays one. */
let freeHalf: usize = 0;
/** The second half of the record that halves were made of last; 0: it is used. */
let otherHalf: usize = 0;
let untouched: usize = 0;
/** Records that exist, free or not. */
let total: u32 = 0;

/** Everything from `start` to the end of memory is the pool's; 0: there is none. */
export function poolInit(start: usize): void {
  free = 0;
  freeCount = 0;
  freeHalf = 0;
  otherHalf = 0;
  total = 0;
  untouched = start;
}

/** A record, all zeros; 0 when memory is out. */
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

/** Gives back a record that is not in the table. */
export function releaseRecord(record: usize): void {
  store<u32>(record, 0, ENTRY_STATUS);
  store<u32>(record, free as u32, ENTRY_NEXT);
  free = record;
  freeCount++;
}

/** A half, with whatever it had; 0 when memory is out. */
export function allocateHalf(): usize {
  const room = freeHalf;
  if (room !== 0) {
    freeHalf = load<u32>(room, HALF_NEXT);
    return room;
  }
  const half = otherHalf;
  if (half !== 0) {
    otherHalf = 0;
    return half;
  }
  const record = allocateRecord();
  if (record !== 0) otherHalf = record + HALF_SIZE;
  return record;
}

/** Gives back a half that is not in the table. Without a status it is nobody's, should a guess still point to it. */
export function releaseHalf(half: usize): void {
  store<u64>(half, 0, ENTRY_STATUS);
  store<u32>(half, freeHalf as u32, HALF_NEXT);
  freeHalf = half;
}

/** Whether so many records are free without more memory; and whether those that were given back are enough to go on with. */
export function hasRecords(records: u32): bool {
  return available() >= records;
}

export function hasFreed(): bool {
  return freeCount >= total >>> 2;
}

function available(): u32 {
  return freeCount + (((memorySize() - untouched) / ENTRY_SIZE) as u32);
}

/** More memory: for so many records, and half of what there is, so that the next time is far. False when there is no more. */
export function growPool(records: u32): bool {
  const wanted = max(records, total >>> 1);
  const have = available();
  if (have >= wanted) return true;
  const end = memorySize() + ((wanted - have) as usize) * ENTRY_SIZE;
  if (ensureAmple(untouched, end)) return true;
  return have >= records || ensureMemory(untouched, memorySize() + ((records - have) as usize) * ENTRY_SIZE);
}

/** Untouched memory for a table, of `size` bytes, a multiple of ENTRY_SIZE; 0: there is no more. */
export function takeUntouched(size: usize): usize {
  const at = untouched;
  if (!ensureAmple(at, at + size)) return 0;
  untouched += size;
  return at;
}

/** Such memory becomes records. */
export function becomeRecords(at: usize, size: usize): void {
  for (let record = at; record < at + size; record += ENTRY_SIZE) {
    releaseRecord(record);
    total++;
  }
}

/** Memory for others, zeroed: `bytes` is a multiple of ENTRY_SIZE. What was reserved for connections stays reserved. 0 when memory is out. */
export function carve(bytes: usize): usize {
  if (untouched === 0 || !ensureMemory(untouched, memorySize() + bytes)) return 0;
  const at = untouched;
  untouched += bytes;
  return at;
}
