/** The kernel's jhash2 (include/linux/jhash.h; Bob Jenkins' lookup3), by which an address is chosen from a range: the same everywhere, on little-endian machines. */

const INITIAL = 0xdeadbeef;

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/** `words`: as a little-endian machine reads them from memory. Unsigned. */
export function jhash2(words: readonly number[], seed: number): number {
  let a = (INITIAL + (words.length << 2) + seed) | 0;
  let [b, c] = [a, a];
  let at = 0;
  const word = (): number => words[at++] ?? 0;
  for (; words.length - at > 3; ) {
    a = (a + word()) | 0;
    b = (b + word()) | 0;
    c = (c + word()) | 0;
    a = (a - c) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = (a - c) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 4);
    b = (b + a) | 0;
  }
  if (at === words.length) return c >>> 0;
  a = (a + word()) | 0;
  b = (b + word()) | 0;
  c = (c + word()) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
  return c >>> 0;
}
