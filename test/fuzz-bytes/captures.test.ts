/**
 * Spoilt captures and spoilt packets: the engine in every build, with its input at every place of memory and in chunks of every size, says what the reference says, and nothing
 * traps, hangs or is read or written where it should not be.
 */
import { expect, test } from 'vitest';
import { readWith } from '../capture/read.ts';
import { captures, frames } from './corpus.ts';
import { PLACES } from './guarded.ts';
import { drawJob } from './jobs.ts';
import { join, mutateCapture } from './mutate.ts';
import { mutateFrame, pcapHeader, pcapngOf, recordOf } from './mutate-frame.ts';
import { LONG, type Random, rounds, SEED } from './rounds.ts';
import { agree, BUILDS, byEngine, byReference, type Cut } from './witnesses.ts';

console.log(`WASMTABLES_SEED=${SEED} repeats test/fuzz-bytes/captures.test.ts`);

/** Chunks of one size. */
const every = (size: number): Cut =>
  function* (bytes) {
    for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
  };

/** Chunks of random sizes, mostly small. */
const ragged = (random: Random): Cut =>
  function* (bytes) {
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + random.below(random.pick([3, 40, 700, 9000]));
      yield bytes.slice(at, at + size);
      at += size;
    }
  };

const pick = (random: Random) => random.pick(captures).bytes;

test(
  'spoilt files',
  async () => {
    let damaged = 0;
    let packets = 0;
    await rounds('files', 120, async (random, keep) => {
      const bytes = mutateCapture(pick(random), pick(random), random);
      keep(bytes, 'pcap');
      const job = drawJob(random);
      const reference = byReference(job.job, bytes);
      for (const build of BUILDS)
        agree(
          reference,
          await byEngine(job, bytes, {
            build,
            place: random.pick(PLACES),
            cut: random.pick([every(bytes.length || 1), ragged(random)]),
          }),
        );
      const silent = { silent: true, build: random.pick(BUILDS), place: random.pick(PLACES) };
      agree(reference, await byEngine(job, bytes, silent));
      agree(reference, await byEngine(job, bytes, { ...silent, cut: ragged(random) }));
      agree(reference, byReference(job.job, bytes, ragged(random)));
      packets += reference.packets.length;
      if (reference.result.captures[0]!.damage !== undefined) damaged++;
    });
    expect(damaged).toBeGreaterThan(40);
    expect(packets).toBeGreaterThan(1000);
  },
  LONG,
);

test(
  'spoilt packets, each alone at the end of memory, between zeros, between ones',
  async () => {
    const words = new Map<string, number>();
    await rounds('packets', 60, async (random, keep) => {
      const linktype = random.pick(frames).linktype;
      const spoilt = Array.from({ length: 60 }, () => mutateFrame(random.pick(frames), random.pick(frames), random));
      const records = spoilt.map(recordOf);
      const bytes = join(pcapHeader({ linktype }), ...records);
      keep(bytes, 'pcap');
      const alone: Cut = () => [bytes.slice(0, 24), ...records];
      const job = drawJob(random);
      const reference = byReference(job.job, bytes);
      const build = random.pick(BUILDS);
      for (const place of PLACES) agree(reference, await byEngine(job, bytes, { build, place, cut: alone }));
      for (const other of BUILDS) agree(reference, await byEngine(job, bytes, { build: other }));
      for (const { verdict, unseen, reason } of reference.packets)
        for (const word of [verdict, unseen, reason]) if (word) words.set(word, (words.get(word) ?? 0) + 1);
    });
    // The generator must not go blind.
    expect([...words.keys()].length).toBeGreaterThan(25);
  },
  LONG,
);

test(
  'spoilt packets of many link types in one pcapng file',
  async () => {
    await rounds('linktypes', 60, async (random, keep) => {
      const spoilt = Array.from({ length: 60 }, () => mutateFrame(random.pick(frames), random.pick(frames), random));
      const bytes = pcapngOf(spoilt, random);
      keep(bytes, 'pcapng');
      const job = drawJob(random);
      const reference = byReference(job.job, bytes);
      for (const build of BUILDS)
        agree(reference, await byEngine(job, bytes, { build, place: random.pick(PLACES), cut: ragged(random) }));
    });
  },
  LONG,
);

test(
  'chunks of every size give the same packets and damage',
  async () => {
    await rounds('chunks', 2, async (random, keep) => {
      const whole = pick(random);
      const bytes = mutateCapture(whole.subarray(0, Math.min(whole.length, 900)), pick(random).subarray(0, 300), random);
      keep(bytes, 'pcap');
      const job = drawJob(random);
      const reference = byReference(job.job, bytes);
      const plain = readWith(bytes);
      for (let size = 1; size <= 100; size++) {
        agree(
          reference,
          await byEngine(job, bytes, { build: random.pick(BUILDS), place: random.pick(PLACES), cut: every(size) }),
        );
        expect(readWith(bytes, size)).toEqual(plain);
      }
    });
  },
  LONG,
);
