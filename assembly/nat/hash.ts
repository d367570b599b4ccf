/** jhash2 (include/linux/jhash.h) of an address: how the kernel picks one from a range. */

const INITIAL: u32 = 0xdeadbeef;

/** Of four words in host order at `words`, which the kernel reads from memory in network order on a little-endian machine. */
export function addressHash(words: usize, seed: u32): u32 {
  let a = INITIAL + 16 + seed;
  let b = a;
  let c = a;
  a += bswap(load<u32>(words));
  b += bswap(load<u32>(words, 4));
  c += bswap(load<u32>(words, 8));
  a -= c;
  a ^= rotl<u32>(c, 4);
  c += b;
  b -= a;
  b ^= rotl<u32>(a, 6);
  a += c;
  c -= b;
  c ^= rotl<u32>(b, 8);
  b += a;
  a -= c;
  a ^= rotl<u32>(c, 16);
  c += b;
  b -= a;
  b ^= rotl<u32>(a, 19);
  a += c;
  c -= b;
  c ^= rotl<u32>(b, 4);
  b += a;
  a += bswap(load<u32>(words, 12));
  return hashFinal(a, b, c);
}

/** jhash_1word. */
export function oneHash(word: u32, seed: u32): u32 {
  const start = INITIAL + 4 + seed;
  return hashFinal(start + word, start, start);
}

/** __jhash_final. */
export function hashFinal(a: u32, b: u32, c: u32): u32 {
  c ^= b;
  c -= rotl<u32>(b, 14);
  a ^= c;
  a -= rotl<u32>(c, 11);
  b ^= a;
  b -= rotl<u32>(a, 25);
  c ^= b;
  c -= rotl<u32>(b, 16);
  a ^= c;
  a -= rotl<u32>(c, 4);
  b ^= a;
  b -= rotl<u32>(a, 14);
  c ^= b;
  c -= rotl<u32>(b, 24);
  return c;
}
