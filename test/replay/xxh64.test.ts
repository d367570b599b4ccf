/** The checksum of zstd frames, against digests that others publish and one that zstd wrote. */
import { expect, test } from 'vitest';
import { Xxh64 } from '../../src/replay/xxh64.ts';

const hash = (text: string, step = 1000): string => {
  const sum = new Xxh64();
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += step) sum.take(bytes.subarray(at, at + step));
  return sum.hex();
};

test.each([
  ['', 'ef46db3751d8e999'],
  ['a', 'd24ec4f1a98c6e5b'],
  ['abc', '44bc2cf5ad770999'],
  ['xxhash', '32dd38952c4bc720'],
  ['Call me Ishmael. Some years ago--never mind how long precisely-', '02a2e85470d6fd96'],
])('%j', (text, digest) => {
  for (const step of [1000, 1, 7]) expect(hash(text, step)).toBe(digest);
});

test('pieces change nothing', () => {
  const text = 'The quick brown fox jumps over the lazy dog. '.repeat(9);
  for (let length = 0; length < text.length; length += 5)
    for (const step of [1, 3, 31, 32, 33, 64]) expect(hash(text.slice(0, length), step)).toBe(hash(text.slice(0, length)));
});
