/** A bucket of the table, one cache line: seven tags (hash | 1, 0 when free), a count of those that found it full and live further on, seven references. */

export const BUCKET_SIZE: usize = 64;
export const BUCKET_SHIFT: usize = 6;
export const BUCKET_SLOTS: u32 = 7;
export const BUCKET_OVERFLOW: usize = 28;
export const BUCKET_REFERENCES: usize = 32;

/** The bits (one a slot) of a bucket where the tag stands. */
export function probe(bucket: usize, tag: u32): u32 {
  if (ASC_FEATURE_SIMD) {
    const wanted = i32x4.splat(tag as i32);
    const first = i32x4.bitmask(i32x4.eq(v128.load(bucket), wanted));
    const second = i32x4.bitmask(i32x4.eq(v128.load(bucket, 16), wanted));
    return (first | (second << 4)) & 0x7f;
  }
  let hits: u32 = 0;
  for (let slot: usize = 0; slot < BUCKET_SLOTS; slot++) {
    hits |= (load<u32>(bucket + (slot << 2)) === tag ? 1 : 0) << (slot as u32);
  }
  return hits;
}

/** Puts a record where its hash says, in one of the 2 ^ `bits` buckets at `buckets`, which are not all full. */
export function place(buckets: usize, bits: u32, hash: u32, record: usize): void {
  const last = buckets + (BUCKET_SIZE << bits) - BUCKET_SIZE;
  let bucket = buckets + (((hash >>> (32 - bits)) as usize) << BUCKET_SHIFT);
  let open = probe(bucket, 0);
  while (open === 0) {
    store<u32>(bucket, load<u32>(bucket, BUCKET_OVERFLOW) + 1, BUCKET_OVERFLOW);
    bucket = bucket === last ? buckets : bucket + BUCKET_SIZE;
    open = probe(bucket, 0);
  }
  const slot = bucket + ((ctz(open) as usize) << 2);
  store<u32>(slot, hash);
  store<u32>(slot, record as u32, BUCKET_REFERENCES);
}

/** Another record with the hash of one that is there takes its place. */
export function replace(buckets: usize, bits: u32, hash: u32, record: usize, by: usize): void {
  const last = buckets + (BUCKET_SIZE << bits) - BUCKET_SIZE;
  let bucket = buckets + (((hash >>> (32 - bits)) as usize) << BUCKET_SHIFT);
  while (true) {
    for (let hits = probe(bucket, hash); hits !== 0; hits &= hits - 1) {
      const slot = bucket + ((ctz(hits) as usize) << 2);
      if ((load<u32>(slot, BUCKET_REFERENCES) as usize) !== record) continue;
      store<u32>(slot, by as u32, BUCKET_REFERENCES);
      return;
    }
    bucket = bucket === last ? buckets : bucket + BUCKET_SIZE;
  }
}

/** Moves what lies in the 2 ^ `bits` buckets at `old` to twice as many at `fresh`, which are free. No record is read. */
export function moveToTwice(old: usize, bits: u32, fresh: usize): void {
  const end = old + (BUCKET_SIZE << bits);
  for (let bucket = old; bucket < end; bucket += BUCKET_SIZE)
    part(bucket, (bucket - old) >>> BUCKET_SHIFT, 32 - bits, fresh + ((bucket - old) << 1));
  // Those that lie behind a full bucket, once all others have their places.
  let full = load<u32>(end - BUCKET_SIZE, BUCKET_OVERFLOW) !== 0;
  for (let bucket = old; bucket < end; bucket += BUCKET_SIZE) {
    if (full) moveGuests(bucket, (bucket - old) >>> BUCKET_SHIFT, bits, fresh);
    full = load<u32>(bucket, BUCKET_OVERFLOW) !== 0;
  }
}

/** What has its own place in bucket number `index`, told by its hash without the lower `shift` bits, goes to the two free ones at `low`: by chance, so there is no branch. */
function part(bucket: usize, index: usize, shift: u32, low: usize): void {
  let high = low + BUCKET_SIZE;
  for (let slot = bucket; slot < bucket + BUCKET_OVERFLOW; slot += 4) {
    const hash = load<u32>(slot);
    const upper = (hash >>> (shift - 1)) & 1;
    const stays = (hash !== 0 && ((hash >>> shift) as usize) === index) as u32;
    // Behind the last place of a bucket, zeros change nothing.
    const to = select(high, low, upper !== 0);
    store<u32>(to, hash & (0 - stays));
    store<u32>(to, load<u32>(slot, BUCKET_REFERENCES) & (0 - stays), BUCKET_REFERENCES);
    low += ((stays & (upper ^ 1)) << 2) as usize;
    high += ((stays & upper) << 2) as usize;
  }
}

function moveGuests(bucket: usize, index: usize, bits: u32, fresh: usize): void {
  for (let slot = bucket; slot < bucket + BUCKET_OVERFLOW; slot += 4) {
    const hash = load<u32>(slot);
    if (hash !== 0 && ((hash >>> (32 - bits)) as usize) !== index)
      place(fresh, bits + 1, hash, load<u32>(slot, BUCKET_REFERENCES));
  }
}
