/**
 * Damaged images, their checksum made right so that the checks behind it are met: refused with a typed error, or run without a trap, without a hang, and without reading or
 * writing outside of their regions.
 */
import { expect, test } from 'vitest';
import * as abi from '../../src/abi/image.ts';
import { compile } from '../../src/compile/index.ts';
import { ImageError, readImage } from '../../src/engine/index.ts';
import { EngineError } from '../../src/engine/regions.ts';
import { generateCase } from '../../src/fuzz/case.ts';
import { jobOf } from '../../src/fuzz/differential.ts';
import { seededDraw } from '../../src/fuzz/draw.ts';
import { captures } from './corpus.ts';
import { drawJob } from './jobs.ts';
import { damageImage } from './mutate-image.ts';
import { LONG, type Random, rounds, SEED } from './rounds.ts';
import { agree, BUILDS, byEngine, type Prepared } from './witnesses.ts';

console.log(`WASMTABLES_SEED=${SEED} repeats test/fuzz-bytes/image.test.ts`);

/** A state or stack of this many is room the host really asks for; more only takes time. */
const ROOM = 1 << 20;

/** The job of the rounds' own rules, or one of the generator. */
function draw(random: Random): Prepared {
  if (random.below(2) === 0) return drawJob(random);
  const job = jobOf(generateCase(seededDraw(random.below(1_000_000)), { packets: 1, judge: 'software' }));
  return { job, image: compile(job, { effort: 0.02, tree: random.below(3) > 0, searched: random.pick([1, 128]) }) };
}

/** False when it is refused. Any error but the typed ones is a bug. */
function accepted(bytes: Uint8Array): boolean {
  try {
    const { header } = readImage(bytes);
    return header[abi.IMAGE_WORD_STATES]! <= ROOM && header[abi.IMAGE_WORD_STACK]! <= ROOM;
  } catch (error) {
    if (error instanceof ImageError) return false;
    throw error;
  }
}

test(
  'refused, or run inside its regions',
  async () => {
    let ran = 0;
    let refused = 0;
    await rounds('images', 600, async (random, keep) => {
      const { job, image } = draw(random);
      const bytes = damageImage(image.bytes, random);
      keep(bytes, 'image');
      if (!accepted(bytes)) {
        refused++;
        return;
      }
      ran++;
      const spoilt: Prepared = { job, image: { ...image, bytes }, spoilt: true };
      const capture = random.pick(captures).bytes;
      const build = random.pick(BUILDS);
      try {
        agree(await byEngine(spoilt, capture, { build, place: 0x00 }), await byEngine(spoilt, capture, { build, place: 0xff }));
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
      }
    });
    expect(ran).toBeGreaterThan(60);
    expect(refused).toBeGreaterThan(100);
  },
  LONG,
);
