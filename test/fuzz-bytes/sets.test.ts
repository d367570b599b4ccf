/** Damaged sets of ipset in images whose rules change them, the checksum made right: refused, or run without a trap and without a hang, and read back. */
import { expect, test } from 'vitest';
import * as abi from '../../src/abi/image.ts';
import { checksum } from '../../src/compile/image.ts';
import { compile } from '../../src/compile/index.ts';
import { ImageError, readImage } from '../../src/engine/index.ts';
import { EngineError } from '../../src/engine/regions.ts';
import { captureOf, generateCase } from '../../src/fuzz/case.ts';
import { jobOf } from '../../src/fuzz/differential.ts';
import { seededDraw } from '../../src/fuzz/draw.ts';
import { LONG, type Random, rounds, SEED } from './rounds.ts';
import { byEngine } from './witnesses.ts';

console.log(`WASMTABLES_SEED=${SEED} repeats test/fuzz-bytes/sets.test.ts`);

/** Headers and lists come first. */
const FRONT = 700;

/** One to three words of the region of sets are others; undefined where there are no sets. */
function damaged(image: Uint8Array, random: Random): Uint8Array | undefined {
  const bytes = image.slice();
  const words = new Uint32Array(bytes.buffer);
  const at = words[abi.IMAGE_WORD_SETS]! / 4;
  const size = words[abi.IMAGE_WORD_SETS_SIZE]! / 4;
  if (size === 0) return undefined;
  for (let left = 1 + random.below(3); left > 0; left--) {
    const word = at + random.below(random.below(2) === 0 ? size : Math.min(size, FRONT));
    const before = words[word]!;
    words[word] = random.pick([0, 1, 2, before + 1, before ^ (1 << random.below(32)), 0xffffffff, random.below(64)]);
  }
  words[abi.IMAGE_WORD_CHECKSUM] = checksum(bytes);
  return bytes;
}

test(
  'refused, or run to the end',
  async () => {
    let ran = 0;
    let refused = 0;
    await rounds('sets', 150, async (random, keep) => {
      const one = generateCase(seededDraw(random.below(1_000_000)), { packets: 40, judge: 'software', only: ['SET', 'set'] });
      const job = jobOf(one);
      const image = compile(job, { effort: 0.02 });
      const bytes = damaged(image.bytes, random);
      if (bytes === undefined) return;
      keep(bytes, 'image');
      try {
        readImage(bytes);
      } catch (error) {
        if (!(error instanceof ImageError)) throw error;
        refused++;
        return;
      }
      ran++;
      try {
        const answer = await byEngine({ job, image: { ...image, bytes } }, captureOf(one));
        answer.sets();
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
      }
    });
    expect(ran).toBeGreaterThan(15);
    expect(refused).toBeGreaterThan(30);
  },
  LONG,
);
