/** The whole table, place by place: for the end of a job, and for listings. */
import { isEntry } from './alias';
import { BUCKET_REFERENCES, BUCKET_SHIFT, BUCKET_SIZE, BUCKET_SLOTS } from './bucket';
import { clearRecord, ENTRY_SIZE, ENTRY_TIMEOUT } from './entry';
import { expandInto, guessedEntry, REFERENCE_HALF } from './half';
import { bits, buckets, clock, count } from './table';

/** Of a half, what it stands for. */
const WHOLE: usize = memory.data(ENTRY_SIZE as i32, 16);

/** Confirmed connections whose time is not over at the last packet seen. Reads the whole table. */
export function tableLive(): u32 {
  let live: u32 = 0;
  const end = buckets + (BUCKET_SIZE << bits);
  for (let bucket = buckets; bucket < end; bucket += BUCKET_SIZE) {
    for (let slot: usize = 0; slot < BUCKET_SLOTS; slot++) {
      const entry = guessedEntry(load<u32>(bucket + (slot << 2), BUCKET_REFERENCES));
      if (entry !== 0 && isEntry(entry) && load<i64>(entry, ENTRY_TIMEOUT) > clock) live++;
    }
  }
  return live;
}

/** Places of the table, each free or with an entry. */
export function tablePlaces(): u32 {
  return buckets === 0 ? 0 : BUCKET_SLOTS << bits;
}

/** There is room for one more record and another. */
export function hasPlace(): bool {
  return count + 1 < tablePlaces();
}

/** The entry at a place, its time over or not, good until the next place is asked; 0 when the place is free. */
export function tableEntry(place: u32): usize {
  const bucket = buckets + (((place / BUCKET_SLOTS) as usize) << BUCKET_SHIFT);
  const reference = load<u32>(bucket + (((place % BUCKET_SLOTS) as usize) << 2), BUCKET_REFERENCES);
  const entry = guessedEntry(reference);
  if ((reference & REFERENCE_HALF) !== 0) {
    clearRecord(WHOLE);
    expandInto(entry, WHOLE);
    return WHOLE;
  }
  return entry !== 0 && isEntry(entry) ? entry : 0;
}
