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
