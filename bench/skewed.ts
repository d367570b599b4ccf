/** Traffic most of which a few rules have: the walk of a tree that was cut for a sample of it, beside that of one that was cut for what is expected. */
import type { Image } from '../src/compile/index.ts';
import type { Traffic } from '../src/compile/traffic.ts';
import type { WalkName } from '../src/compile/walks.ts';
import { Classifier } from '../src/engine/classifier.ts';
import { type FilterSet, skewedTuplesFor, TUPLE_WORDS } from './classbench.ts';
import { fieldsOf, trafficOf } from './packet-fields.ts';
import { countTests } from './ways.ts';

/** One tree on the packets. */
export interface Walked {
  compileMs: number;
  /** Tests a packet, nodes and comparisons of leaves. */
  tests: number;
  /** Nanoseconds a packet, one by one (with the call from JavaScript). */
  single: number;
}

export interface Skewed {
  expected: Walked;
  sampled: Walked;
}

/** As the command takes them. */
const SAMPLE = 2000;
const PACKETS = 1 << 14;

/** Measures both in turns. Throws NotPackable where tests cannot be counted. */
export async function skewed(
  set: FilterSet,
  compiled: (traffic?: Traffic) => Image,
  { wasm, walk, length, rounds }: { wasm: Uint8Array; walk: WalkName; length: number; rounds: number },
): Promise<Skewed> {
  const tuples = skewedTuplesFor(set, PACKETS, 2);
  const fields = (index: number): Uint32Array => fieldsOf(tuples.subarray(index * TUPLE_WORDS));
  const images = [compiled(), compiled(trafficOf(skewedTuplesFor(set, SAMPLE, 1)))];
  const walks: (() => void)[] = [];
  for (const { bytes } of images) {
    const classifier = await Classifier.open(wasm, bytes, PACKETS);
    for (let index = 0; index < PACKETS; index++) classifier.put(index, fields(index));
    walks.push(() => {
      for (let index = 0; index < PACKETS; index++) classifier.classify(walk, index, length);
    });
  }
  const times: number[][] = images.map(() => []);
  // What else the machine does meets both.
  for (let round = 0; round < 4 * rounds; round++) {
    for (const [which, work] of walks.entries()) {
      const started = performance.now();
      work();
      times[which]!.push(performance.now() - started);
    }
  }
  const [expected, sampled] = images.map(({ bytes, statistics }, which) => ({
    compileMs: statistics.compileMs,
    tests: countTests(bytes, walk, PACKETS, fields).mean,
    single: (median(times[which]!) / PACKETS) * 1e6,
  }));
  return { expected: expected!, sampled: sampled! };
}

const median = (values: number[]): number => values.sort((one, other) => one - other)[values.length >> 1]!;
