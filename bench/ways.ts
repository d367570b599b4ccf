/** How far down a packed walk packets go, counted without the engine: clusters on their ways, and the memory these take together. */
import {
  CLUSTER_CHILDREN,
  CLUSTER_MAP,
  CLUSTER_PATTERN,
  CLUSTER_SIZE,
  CLUSTER_TESTS,
  CLUSTER_WIDTHS,
  KEY_SIZE,
  PACKED_EXIT,
  START_LEAST,
  START_SIZE,
} from '../src/abi/packed.ts';
import { type WalkName, walkNumber } from '../src/compile/walks.ts';
import { readImage } from '../src/engine/image-view.ts';
import { readWalk } from '../src/engine/packed/read.ts';
import type { Packed } from '../src/engine/packed/walk.ts';
import { random } from './traffic.ts';

export interface Ways {
  /** Clusters a packet, all groups together. */
  mean: number;
  worst: number;
  /** Bytes of all clusters that some packet came to. */
  touched: number;
  /** By packet. */
  steps: Uint32Array;
}

/** The exit (a number) that a packet leaves by, and the clusters on its way there. `met` is told each cluster's number. */
export function follow(
  { clusters, starts }: Pick<Packed, 'clusters' | 'starts'>,
  key: Uint8Array,
  met: (cluster: number) => void = () => {},
): { steps: number; exit: number } {
  const view = new DataView(clusters.buffer, clusters.byteOffset, clusters.length);
  let steps = 0;
  let exit = Number.POSITIVE_INFINITY;
  for (let group = 0; group < starts.length; group += START_SIZE / 4) {
    if (exit <= ((starts[group + START_LEAST / 4]! | 0) ^ PACKED_EXIT)) continue;
    let at = starts[group]! | 0;
    for (; at >= 0; at = childOf(clusters, view, at * CLUSTER_SIZE, key)) {
      met(at);
      steps++;
    }
    exit = Math.min(exit, at ^ PACKED_EXIT);
  }
  return { steps, exit };
}

/** `fieldsOf`: of a packet, as PackedWalk.put takes them. */
export function countWays(packed: Packed, packets: number, fieldsOf: (index: number) => Uint32Array): Ways {
  const seen = new Uint8Array(packed.clusters.length / CLUSTER_SIZE);
  const steps = new Uint32Array(packets);
  const key = new Uint8Array(KEY_SIZE);
  const see = (cluster: number): void => {
    seen[cluster] = 1;
  };
  for (let index = 0; index < packets; index++) {
    packed.layout.write(fieldsOf(index), key);
    steps[index] = follow(packed, key, see).steps;
  }
  const mean = steps.reduce((sum, one) => sum + one, 0) / packets;
  const worst = steps.reduce((most, one) => Math.max(most, one), 0);
  return { mean, worst, touched: seen.reduce((sum, one) => sum + one, 0) * CLUSTER_SIZE, steps };
}

/** Tests (nodes, and comparisons of leaves, one for each bound of a range) that packets are put to down a walk of an image, all groups of a search together. */
export function countTests(
  image: Uint8Array,
  { family, hook, table }: WalkName,
  packets: number,
  fieldsOf: (index: number) => Uint32Array,
): { mean: number; worst: number } {
  const { graph, roots } = readWalk(readImage(image), walkNumber(family, hook, table));
  let sum = 0;
  let worst = 0;
  for (let index = 0; index < packets; index++) {
    const fields = fieldsOf(index);
    let tests = 0;
    for (const root of roots) {
      for (let at = root; at >= 0; ) {
        const value = fields[graph.field[at]!]!;
        const first = graph.first[at]!;
        const isUpToLast = value <= graph.last[at]!;
        tests += isUpToLast && first > 0 ? 2 : 1;
        at = isUpToLast && value >= first ? graph.inside[at]! : graph.outside[at]!;
      }
    }
    sum += tests;
    worst = Math.max(worst, tests);
  }
  return { mean: sum / packets, worst };
}

function childOf(clusters: Uint8Array, view: DataView, cluster: number, key: Uint8Array): number {
  const pattern = view.getUint32(cluster + CLUSTER_PATTERN, true);
  let bits = 0;
  for (let test = 0; test < CLUSTER_TESTS; test++) {
    let word = 0;
    for (let byte = 0; byte < 4; byte++) word += (key[clusters[pattern + test * 4 + byte]!] ?? 0) * 2 ** (8 * byte);
    const beyond = (word - view.getUint32(cluster + test * 4, true)) >>> 0;
    if (beyond <= view.getUint32(cluster + CLUSTER_WIDTHS + test * 4, true)) bits |= 1 << test;
  }
  return view.getInt32(cluster + CLUSTER_CHILDREN - 1 + clusters[cluster + CLUSTER_MAP + bits]!, true) >> 8;
}

/** Numbers of `count` packets of those with the most steps, in no order: one in 64 of all, again and again. */
export function deepest({ steps }: Ways, count: number): Uint32Array {
  const order = steps.map((_, index) => index).sort((one, other) => steps[other]! - steps[one]!);
  const some = order.subarray(0, Math.ceil(steps.length / 64));
  const draw = random(count);
  return Uint32Array.from({ length: count }, () => some[draw() % some.length]!);
}
