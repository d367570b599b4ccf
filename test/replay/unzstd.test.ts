/** Damaged zstd: every whole block before the damage, and what the damage is. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { unzstd } from '../../src/replay/unzstd.ts';
import { Random, SEED } from '../cli/random.ts';

/** What three-blocks.zst holds (zstd -9 --check): 300,000 bytes in blocks of 131,072, 131,072 and 37,856. */
const lines = Array.from({ length: 30_000 }, (_, i) => `packet ${(i * i) % 59} of ${i % 13}\n`);
const text = Buffer.from(lines.join('').slice(0, 300_000));
const BLOCK = 131_072;
const packed = new Uint8Array(readFileSync(new URL('three-blocks.zst', import.meta.url)));

interface Unpacked {
  bytes: Buffer;
  offset?: number;
  reason?: string;
}

async function unpack(bytes: Uint8Array, chunk = 65_536): Promise<Unpacked> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += chunk) yield bytes.slice(at, at + chunk);
  }
  const pieces: Uint8Array[] = [];
  const stream = unzstd(chunks());
  for (;;) {
    const step = await stream.next();
    if (step.done === true) return { bytes: Buffer.concat(pieces), ...step.value };
    pieces.push(step.value);
  }
}

/** Where the blocks of the file end, by their headers (the frame's own takes nine bytes); the last end is where the checksum begins. */
function blockEnds(): number[] {
  const ends: number[] = [];
  for (let at = 9, last = false; !last; ) {
    const header = packed[at]! | (packed[at + 1]! << 8) | (packed[at + 2]! << 16);
    last = (header & 1) === 1;
    at += 3 + (header >>> 3);
    ends.push(at);
  }
  return ends;
}

const changed = (at: number, value: number): Uint8Array => packed.map((byte, index) => (index === at ? value : byte));
const join = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

test.each([1, 17, 999, 65_536])('whole files, several frames, skippable ones (chunks of %i)', async (chunk) => {
  expect(blockEnds().length).toBe(3);
  const { bytes, ...rest } = await unpack(packed, chunk);
  expect([bytes.equals(text), rest]).toEqual([true, {}]);
  const skippable = Uint8Array.of(0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3);
  const raw = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 2, 0x11, 0, 0, 0x61, 0x62);
  expect(await unpack(join(skippable, raw, skippable, raw), chunk)).toEqual({ bytes: Buffer.from('abab') });
});

test('a file cut anywhere gives its whole blocks', async () => {
  const ends = blockEnds();
  for (let length = 4; length < packed.length; length += length < 30 ? 1 : 211) {
    const got = await unpack(packed.subarray(0, length), 4096);
    const whole = ends.filter((end) => end <= length).length;
    expect([length, got.reason, got.bytes.length]).toEqual([
      length,
      'zstd: the stream is cut',
      Math.min(whole * BLOCK, text.length),
    ]);
    expect(got.offset).toBe(got.bytes.length);
    expect(got.bytes.equals(text.subarray(0, got.bytes.length))).toBe(true);
  }
});

test('what fzstd does not look at is refused, and what came before is given', async () => {
  const [first, second] = blockEnds() as [number, number];
  const cases: [string, Uint8Array, number, string][] = [
    ['block type', changed(first, packed[first]! | 6), BLOCK, 'a block of unknown type'],
    ['block size', changed(second + 2, 0xff), 2 * BLOCK, 'a block is too large'],
    ['reserved bit', changed(4, packed[4]! | 8), 0, 'a reserved bit is set'],
    ['checksum', changed(packed.length - 1, packed.at(-1)! ^ 1), text.length, 'checksum differs'],
    ['size', changed(6, packed[6]! ^ 1), text.length, 'a frame has another size than it says'],
    ['behind', join(packed, Uint8Array.from(Buffer.from('something'))), text.length, 'something else follows a whole frame'],
    // A window of almost 4 TiB would take the machine down.
    [
      'window',
      Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0xff, 1, 0, 0),
      0,
      'it wants a window of 4123168604160 bytes, more than 134217728',
    ],
    ['dictionary', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 1, 0, 7, 1, 0, 0), 0, 'it needs a dictionary'],
  ];
  for (const [what, bytes, given, reason] of cases) {
    const got = await unpack(bytes);
    expect([what, got.reason, got.offset, got.bytes.length]).toEqual([what, `zstd: ${reason}`, given, given]);
    expect(got.bytes.equals(text.subarray(0, given))).toBe(true);
  }
});

test('a spoilt file is damaged, and gives the same whatever the chunks', async () => {
  const random = new Random(SEED);
  let late = 0;
  for (let round = 0; round < 60; round++) {
    const spoilt = packed.slice();
    const at = 9 + random.below(packed.length - 9);
    spoilt[at] = spoilt[at]! ^ (1 << random.below(8));
    const { bytes, ...rest } = await unpack(spoilt);
    const again = await unpack(spoilt, 200 + random.below(3000));
    expect({ ...again, bytes: 0 }, `seed ${SEED} round ${round} byte ${at}`).toEqual({ ...rest, bytes: 0 });
    expect(again.bytes.equals(bytes)).toBe(true);
    expect([rest.reason?.slice(0, 5), rest.offset]).toEqual(['zstd:', bytes.length]);
    const before = blockEnds().filter((end) => end <= at).length * BLOCK;
    expect(bytes.subarray(0, before).equals(text.subarray(0, before))).toBe(true);
    if (rest.reason === 'zstd: checksum differs') late++;
  }
  // Most damage decodes to something: only the checksum tells.
  expect(late).toBeGreaterThan(10);
});
