/** What odd rule sets (odd.ts) cost: to compile, and a packet that meets one of their rules. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FIELD_COUNT } from '../src/abi/fields.ts';
import { compile } from '../src/compile/index.ts';
import { Classifier } from '../src/engine/classifier.ts';
import { NotPackable } from '../src/engine/packed/tests.ts';
import { PackedWalk } from '../src/engine/packed/walk.ts';
import { buildHost } from '../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../src/model/profile.ts';
import type { Job } from '../src/model/witness.ts';
import { parseSave } from '../src/syntax/index.ts';
import { Looker } from './looked.ts';
import { type OddSet, oddSet, oddShapes, oddWalk } from './odd.ts';
import { LENGTH } from './packet-fields.ts';

export interface OddRow {
  set: string;
  compileMs: number;
  imageBytes: number;
  worstLeaf: number;
  /** Nodes and tests that a packet is held against, in the mean and at worst. */
  looked: { mean: number; worst: number };
  /** Nanoseconds a packet: all fields one by one, and many packed ones in one call, where the set can be packed. */
  single: number;
  many?: number;
}

/** Packets a call. */
const CALL = 1024;

export const oddJob = ({ name, family, rules }: OddSet): Job => ({
  rules: { [family]: parseSave(rules, { file: name, family }) },
  host: buildHost({ forward: true, in: 'eth0', out: 'eth1' }),
  profile: DEFAULT_PROFILE,
});

/** Measures sets of all shapes, or of those whose names hold one of `only`; `say` hears of each. */
export async function oddly(
  {
    root,
    sizes,
    packets,
    rounds,
    only = [''],
  }: { root: string; sizes: readonly number[]; packets: number; rounds: number; only?: readonly string[] },
  say: (row: OddRow) => void,
): Promise<OddRow[]> {
  const wasm = readFileSync(join(root, 'build/engine.wasm'));
  const rows: OddRow[] = [];
  for (const rules of sizes) {
    for (const shape of oddShapes.filter((name) => only.some((one) => name.includes(one)))) {
      const row = await measured(oddSet(shape, rules), wasm, packets, rounds);
      rows.push(row);
      say(row);
    }
  }
  return rows;
}

async function measured(set: OddSet, wasm: Uint8Array, packets: number, rounds: number): Promise<OddRow> {
  const { bytes, statistics } = compile(oddJob(set));
  const words = set.packets(packets);
  const fieldsOf = (index: number): Uint32Array => words.subarray(index * FIELD_COUNT, (index + 1) * FIELD_COUNT);
  const { compileMs, imageBytes, worstLeaf } = statistics;
  const many = await packed(wasm, bytes, set, packets, rounds, fieldsOf);
  return {
    set: set.name,
    compileMs,
    imageBytes,
    worstLeaf,
    looked: looked(bytes, set, packets, fieldsOf),
    single: await single(wasm, bytes, set, packets, rounds, fieldsOf),
    ...(many !== undefined && { many }),
  };
}

/** Counts. */
export function looked(
  image: Uint8Array,
  set: OddSet,
  packets: number,
  fieldsOf: (index: number) => Uint32Array,
): OddRow['looked'] {
  const looker = new Looker(image, oddWalk(set));
  let sum = 0;
  let worst = 0;
  for (let index = 0; index < packets; index++) {
    const { nodes, tests } = looker.look(fieldsOf(index));
    sum += nodes + tests;
    worst = Math.max(worst, nodes + tests);
  }
  return { mean: sum / packets, worst };
}

async function single(
  wasm: Uint8Array,
  image: Uint8Array,
  set: OddSet,
  packets: number,
  rounds: number,
  fieldsOf: (index: number) => Uint32Array,
): Promise<number> {
  const classifier = await Classifier.open(wasm, image, packets);
  return best(packets, rounds, () => {
    // Marks change on the way.
    for (let index = 0; index < packets; index++) classifier.put(index, fieldsOf(index));
    return () => {
      for (let index = 0; index < packets; index++) classifier.classify(oddWalk(set), index, LENGTH);
    };
  });
}

async function packed(
  wasm: Uint8Array,
  image: Uint8Array,
  set: OddSet,
  packets: number,
  rounds: number,
  fieldsOf: (index: number) => Uint32Array,
): Promise<number | undefined> {
  try {
    const walk = await PackedWalk.open(wasm, image, oddWalk(set), packets);
    for (let index = 0; index < packets; index++) walk.put(index, fieldsOf(index));
    return best(packets, rounds, () => () => {
      for (let from = 0; from < packets; from += CALL) walk.classify(Math.min(CALL, packets - from), LENGTH, from);
    });
  } catch (error) {
    if (!(error instanceof NotPackable)) throw error;
    return undefined;
  }
}

/** Nanoseconds a packet in the best round; `ready` gets ready for one, and gives what is measured. */
function best(packets: number, rounds: number, ready: () => () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds + 1; round++) {
    const work = ready();
    const from = performance.now();
    work();
    least = Math.min(least, performance.now() - from);
  }
  return (least / packets) * 1e6;
}

export function printOdd({ set, compileMs, imageBytes, worstLeaf, looked: { mean, worst }, single: one, many }: OddRow): void {
  const each = `${many === undefined ? 'not packed' : `${many.toFixed(1)} ns`} (one by one ${one.toFixed(1)})`;
  const built = `compiled in ${compileMs.toFixed(0)} ms, ${(imageBytes / 1024).toFixed(0)} KiB, worst leaf ${worstLeaf}`;
  console.log(`  ${set.padEnd(31)} ${each.padEnd(34)} ${built}; held against ${mean.toFixed(1)}, at worst ${worst}`);
}
