/**
 * Damaged images, their checksum made right so that the checks behind it are met: refused with a typed error, or run without a trap, without a hang, and without reading or
 * writing outside of their regions.
 */
import { expect, test } from 'vitest';
import * as abi from '../../src/abi/image.ts';
import { checksum } from '../../src/compile/image.ts';
import { compile, type Image } from '../../src/compile/index.ts';
import { ImageError, readImage } from '../../src/engine/index.ts';
import { EngineError } from '../../src/engine/session.ts';
import { generateCase } from '../../src/fuzz/case.ts';
import { jobOf } from '../../src/fuzz/differential.ts';
import { seededDraw } from '../../src/fuzz/draw.ts';
import { captures } from './corpus.ts';
import { drawJob } from './jobs.ts';
import { LONG, type Random, rounds, SEED } from './rounds.ts';
import { agree, BUILDS, byEngine, type Prepared } from './witnesses.ts';

console.log(`WASMTABLES_SEED=${SEED} repeats test/fuzz-bytes/image.test.ts`);

const EDGES = [
  0, 1, 2, 3, 4, 8, 16, 63, 64, 255, 256, 400, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_0000, 0xffff_fff0,
  0xffff_fffc, 0xffff_ffff,
];
/** A state or stack of this many is room the host really asks for; more only takes time. */
const ROOM = 1 << 20;

/** The job of the rounds' own rules, or one of the generator. */
function draw(random: Random): Prepared {
  if (random.below(2) === 0) return drawJob(random);
  const job = jobOf(generateCase(seededDraw(random.below(1_000_000)), { packets: 1, judge: 'software' }));
  return { job, image: compile(job, { effort: 0.02, tree: random.below(2) === 0 }) };
}

function damaged(image: Image, random: Random): Uint8Array {
  let bytes = image.bytes.slice();
  for (let times = 1 + random.below(3); times > 0; times--) {
    const words = new Uint32Array(bytes.buffer, 0, bytes.length >>> 2);
    const at = word(words, random);
    switch (random.below(8)) {
      case 0:
        bytes = bytes.slice(0, random.below(bytes.length + 1));
        break;
      case 1:
        words[at] = words[at]! ^ (1 << random.below(32));
        break;
      case 2:
        words[at] = random.pick(EDGES);
        break;
      case 3:
        words[at] = words[at]! + random.pick([-4, -1, 1, 4, 16, 24]);
        break;
      case 4:
        words[at] = words[random.below(words.length)]!;
        break;
      case 5:
        bytes[random.below(bytes.length)] = random.below(256);
        break;
      case 6:
        words.copyWithin(at, word(words, random), word(words, random));
        break;
      default:
        words[at] = (words[at]! & 0xffff_ff00) | random.below(256);
    }
  }
  return random.below(10) === 0 ? bytes : sealed(bytes);
}

/** A word anywhere, in the header, or at the beginning or end of a section. */
function word(words: Uint32Array, random: Random): number {
  if (words.length <= abi.IMAGE_HEADER_WORDS) return random.below(Math.max(1, words.length));
  const section = random.pick([
    abi.IMAGE_WORD_CODE,
    abi.IMAGE_WORD_SEGMENTS,
    abi.IMAGE_WORD_ROPES,
    abi.IMAGE_WORD_EVENTS,
    abi.IMAGE_WORD_HOST,
    abi.IMAGE_WORD_CONNTRACK,
    abi.IMAGE_WORD_INTERFACES,
  ]);
  const start = Math.min(words.length - 1, words[section]! >>> 2);
  switch (random.below(4)) {
    case 0:
      return random.below(abi.IMAGE_HEADER_WORDS);
    case 1:
      return Math.min(words.length - 1, start + random.below(random.pick([8, 64, 120])));
    case 2:
      return Math.min(
        words.length - 1,
        (words[abi.IMAGE_WORD_CODE]! >>> 2) + random.below(Math.max(1, words[abi.IMAGE_WORD_CODE_SIZE]! >>> 2)),
      );
    default:
      return random.below(words.length);
  }
}

/** Size and checksum made right. */
function sealed(bytes: Uint8Array): Uint8Array {
  const whole = bytes.slice(0, bytes.length & ~3);
  if (whole.length < abi.IMAGE_HEADER_SIZE) return whole;
  const header = new Uint32Array(whole.buffer, 0, abi.IMAGE_HEADER_WORDS);
  header[abi.IMAGE_WORD_LABEL] = abi.IMAGE_LABEL;
  header[abi.IMAGE_WORD_VERSION] = abi.IMAGE_VERSION;
  header[abi.IMAGE_WORD_SIZE] = whole.length;
  header[abi.IMAGE_WORD_CHECKSUM] = checksum(whole);
  return whole;
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
    await rounds('images', 400, async (random, keep) => {
      const { job, image } = draw(random);
      const bytes = damaged(image, random);
      keep(bytes, 'image');
      if (!accepted(bytes)) {
        refused++;
        return;
      }
      ran++;
      const spoilt: Prepared = { job, image: { ...image, bytes } };
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
