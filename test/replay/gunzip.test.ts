/** Damaged gzip: every byte before the damage, and what the damage is. */
import { constants, deflateRawSync, gunzipSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { gunzip } from '../../src/replay/gunzip.ts';
import { Random, SEED } from '../cli/random.ts';

/** Bytes that deflate well, differ everywhere, and are more than any buffer of zlib's. */
const random = new Random(1);
const text = new Uint8Array(200_000).map((_, index) => (index % 7 === 0 ? random.below(256) : index % 19));

async function unpack(
  packed: Uint8Array,
  chunk = 65_536,
): Promise<{ bytes: Buffer; offset?: number; packed?: number; reason?: string }> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < packed.length; at += chunk) yield packed.subarray(at, at + chunk);
  }
  const pieces: Uint8Array[] = [];
  const stream = gunzip(chunks());
  for (;;) {
    const step = await stream.next();
    if (step.done === true) return { bytes: Buffer.concat(pieces), ...step.value };
    pieces.push(step.value);
  }
}

const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
const packed = new Uint8Array(gzipSync(text));
const changed = (at: number): Uint8Array => packed.map((byte, index) => (index === at ? byte ^ 1 : byte));

test.each([1, 999, 65_536])('whole files, several members, padding (chunks of %i)', async (chunk) => {
  const small = text.subarray(0, 3000);
  const one = gzipSync(small);
  for (const [bytes, times] of [
    [one, 1],
    [Buffer.concat([one, one, one]), 3],
    [Buffer.concat([one, new Uint8Array(40_000)]), 1],
    [Buffer.concat([gzipSync(''), one]), 1],
  ] as const) {
    const got = await unpack(bytes, chunk);
    expect(got).toEqual({ bytes: Buffer.concat(Array.from({ length: times }, () => small)) });
  }
});

const { length } = packed;

/** The last: where it shows, from the beginning of the file, give or take the few bytes that zlib looks at in one go. */
test.each([
  ['CRC', changed(length - 8), 'gzip: CRC differs', length - 4],
  ['length', changed(length - 1), 'gzip: length differs', length],
  ['cut in the CRC', packed.subarray(0, -6), 'gzip stream is cut', length - 6],
  [
    'something behind',
    Buffer.concat([packed, Buffer.from('something else')]),
    'gzip: something else follows a whole member',
    length + 2,
  ],
  [
    'padding, then something',
    Buffer.concat([packed, new Uint8Array(9), packed]),
    'gzip: something else follows its end',
    length + 9,
  ],
  [
    'padding, then something far behind',
    Buffer.concat([packed, new Uint8Array(70_000), packed]),
    'gzip: something else follows its end',
    length + 70_000,
  ],
  [
    'a bad member behind',
    Buffer.concat([packed, Buffer.from([0x1f, 0x8b, 9, 9, 9])]),
    'gzip: unknown compression method',
    length + 3,
  ],
])('%s: everything is given', async (_what, bytes, reason, place) => {
  const got = await unpack(bytes);
  expect(got.reason).toBe(reason);
  expect(Math.abs(got.packed! - place)).toBeLessThan(4);
  expect(got.offset).toBe(text.length);
  expect(got.bytes.equals(text)).toBe(true);
});

test('a cut file gives what zlib makes of the bytes that are there', async () => {
  const lengths = Array.from({ length: 60 }, (_, index) => 18 + Math.floor(((packed.length - 19) * index) / 59));
  for (const length of lengths) {
    const cut = packed.subarray(0, length);
    const had = gunzipSync(cut, { finishFlush: constants.Z_SYNC_FLUSH });
    const got = await unpack(cut);
    expect([length, got.reason, got.offset, got.packed]).toEqual([length, 'gzip stream is cut', had.length, length]);
    expect(got.bytes.equals(had)).toBe(true);
  }
  expect(await unpack(packed.subarray(0, 5))).toEqual({
    bytes: Buffer.alloc(0),
    offset: 0,
    packed: 5,
    reason: 'gzip stream is cut',
  });
});

test('corrupt deflate data give all before the first impossible code', async () => {
  for (const length of [0, 1, 1000, 16_383, 65_535, 100_000, 200_000]) {
    const good = deflateRawSync(text.subarray(0, length), { finishFlush: constants.Z_SYNC_FLUSH });
    // A block of type 3 does not exist.
    const got = await unpack(Buffer.concat([HEADER, good, Uint8Array.of(7), Buffer.from(text.subarray(0, 500))]));
    expect([got.reason, got.offset, got.bytes.length]).toEqual(['gzip: invalid block type', length, length]);
    expect(got.bytes.equals(text.subarray(0, length))).toBe(true);
  }
});

test('a spoilt file is damaged, and gives the same whatever the chunks', async () => {
  const seeded = new Random(SEED);
  for (let round = 0; round < 12; round++) {
    const spoilt = packed.slice();
    const at = 10 + seeded.below(packed.length - 10);
    spoilt[at] = spoilt[at]! ^ (1 << seeded.below(8));
    const [whole, pieces] = [await unpack(spoilt), await unpack(spoilt, 500 + seeded.below(5000))];
    expect({ ...whole, bytes: 0 }, `seed ${SEED} round ${round} byte ${at}`).toEqual({ ...pieces, bytes: 0 });
    expect(whole.bytes.equals(pieces.bytes)).toBe(true);
    expect(whole.reason).toMatch(/^gzip/);
    expect(whole.offset).toBe(whole.bytes.length);
  }
});
