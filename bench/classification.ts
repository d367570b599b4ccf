/** Classification alone: rules over the 5-tuple, packets as keys of their fields (as rte_acl has them), beside rte_acl in the same run where it is there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bench } from 'tinybench';
import { compile, type Image } from '../src/compile/index.ts';
import type { Traffic } from '../src/compile/traffic.ts';
import type { WalkName } from '../src/compile/walks.ts';
import { Classifier } from '../src/engine/classifier.ts';
import { NotPackable } from '../src/engine/packed/tests.ts';
import { PackedWalk } from '../src/engine/packed/walk.ts';
import { buildHost } from '../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../src/model/profile.ts';
import { parseSave } from '../src/syntax/index.ts';
import { type FilterSet, iptablesRules, strangeTuples, TUPLE_WORDS, tuplesFor } from './classbench.ts';
import { fieldsOf, LENGTH } from './packet-fields.ts';
import { buildRteAcl, type Peer, runRteAcl } from './peers/rte-acl.ts';
import { type Skewed, skewed } from './skewed.ts';
import { countWays, deepest } from './ways.ts';

export interface Classified {
  set: string;
  rules: number;
  packets: number;
  compileMs: number;
  /** Checking the image and packing its walk. */
  packMs: number;
  nodes: number;
  worstLeaf: number;
  imageBytes: number;
  /** Nanoseconds a packet: all fields one by one (with the call from JavaScript), and many packed ones in one call, where the set can be packed. */
  single: number;
  packed: boolean;
  many?: number;
  /** Clusters on a packet's way in the mean and at worst, and the bytes that all packets touch. */
  steps?: { mean: number; worst: number; touched: number };
  /** Nanoseconds a packet, packed, of traffic that wants to hurt: the deepest ways that were found, and packets of no rule. */
  hurting?: { deepest: number; strangers: number };
  /** Of traffic most of which a few rules have; not for the largest sets. */
  skewed?: Skewed;
  /** Why the set is not packed. */
  unpacked?: string;
  peer?: Peer;
}

const WALK: WalkName = { family: 4, hook: 'FORWARD', table: 'filter' };
/** Packets a call. */
const CALL = 1024;
/** Larger sets are not compiled three times. */
const LARGE = 20_000;

export interface ClassificationOptions {
  root: string;
  packets: number;
  rounds: number;
  /** Run rte_acl, too. */
  peers: boolean;
}

/** Measures every set. Throws when rte_acl and the engine drop other packets. `say` gets a line when a peer is missing. */
export async function classification(
  sets: readonly FilterSet[],
  { root, packets, rounds, peers }: ClassificationOptions,
  say: (line: string) => void,
): Promise<Classified[]> {
  const built = peers ? buildRteAcl(root) : undefined;
  if (built !== undefined && 'missing' in built) say(built.missing);
  const wasm = readFileSync(join(root, 'build/engine.wasm'));
  const rows: Classified[] = [];
  for (const set of sets) {
    const tuples = tuplesFor(set, packets);
    const { row, dropped } = await engineRow(set, tuples, { wasm, rounds, say });
    const peer = built !== undefined && 'program' in built ? runRteAcl(root, built.program, set, tuples, rounds) : undefined;
    if (peer !== undefined && 'missing' in peer) say(peer.missing);
    const told = peer === undefined || 'missing' in peer ? undefined : peer;
    for (const one of told?.results ?? []) {
      if (one.dropped !== dropped) throw new Error(`${set.name}: rte_acl (${one.name}) drops other packets than the engine`);
    }
    rows.push(told === undefined ? row : { ...row, peer: told });
  }
  return rows;
}

async function engineRow(
  set: FilterSet,
  tuples: Uint32Array,
  { wasm, rounds, say }: { wasm: Uint8Array; rounds: number; say: (line: string) => void },
): Promise<{ row: Classified; dropped: number }> {
  const packets = tuples.length / TUPLE_WORDS;
  const rules = { 4: parseSave(iptablesRules(set), { file: set.name, family: 4 }) };
  const host = buildHost({ forward: true, in: 'eth0', out: 'eth1' });
  const job = { rules, host, profile: DEFAULT_PROFILE };
  const { bytes, statistics } = compile(job);
  const started = performance.now();
  const opened = await packedWalk(wasm, bytes, packets);
  const [packed, unpacked] = typeof opened === 'string' ? [null, opened] : [opened, undefined];
  if (unpacked !== undefined) say(`${set.name} is not packed: ${unpacked}`);
  const packMs = performance.now() - started;
  const classifier = await Classifier.open(wasm, bytes, packets);
  for (let index = 0; index < packets; index++) {
    const words = fieldsOf(tuples.subarray(index * TUPLE_WORDS));
    classifier.put(index, words);
    packed?.put(index, words);
  }
  const oneByOne = (): void => {
    for (let index = 0; index < packets; index++) classifier.classify(WALK, index, LENGTH);
  };
  const inCalls = (walk: PackedWalk): void => {
    for (let from = 0; from < packets; from += CALL) walk.classify(Math.min(CALL, packets - from), LENGTH, from);
  };
  const single = await median(Math.min(rounds, 3), oneByOne);
  const many = packed === null ? undefined : await median(rounds, () => inCalls(packed));
  const verdicts = packed?.classify(packets, LENGTH);
  let dropped = 0;
  for (let index = 0; index < packets; index++) {
    const verdict = classifier.classify(WALK, index, LENGTH);
    if ((verdicts?.[index] ?? verdict) !== verdict) throw new Error(`${set.name}: packet ${index} is judged in two ways`);
    if (verdict !== 0) dropped = (dropped + index + 1) >>> 0;
  }
  const { compileMs, nodes, worstLeaf, imageBytes } = statistics;
  const each = (milliseconds: number): number => (milliseconds / packets) * 1e6;
  const ways =
    packed === null ? undefined : await hurt(packed, tuples, async () => each(await median(rounds, () => inCalls(packed))));
  const compiled = (traffic?: Traffic): Image => compile(job, traffic && { traffic });
  const isLeftOut = packed === null || set.filters.length > LARGE;
  const measured = {
    ...(!isLeftOut && { skewed: await skewed(set, compiled, { wasm, walk: WALK, length: LENGTH, rounds }) }),
    single: each(single),
    packed: many !== undefined,
    ...(many !== undefined && { many: each(many) }),
    ...ways,
    ...(unpacked !== undefined && { unpacked }),
  };
  return {
    row: { set: set.name, rules: set.filters.length, packets, compileMs, packMs, nodes, worstLeaf, imageBytes, ...measured },
    dropped,
  };
}

/** Counts ways, and measures (nanoseconds a packet) the walk on packets that are put in place of its own: deep ones of the set's own packets and of strangers, and strangers alone. */
async function hurt(
  walk: PackedWalk,
  tuples: Uint32Array,
  measure: () => Promise<number>,
): Promise<Required<Pick<Classified, 'steps' | 'hurting'>>> {
  const packets = tuples.length / TUPLE_WORDS;
  const others = strangeTuples(packets);
  const both = (index: number): Uint32Array =>
    fieldsOf((index < packets ? tuples : others).subarray((index % packets) * TUPLE_WORDS));
  const { mean, worst, touched } = countWays(walk.packed, packets, both);
  for (const [place, index] of deepest(countWays(walk.packed, 2 * packets, both), packets).entries())
    walk.put(place, both(index));
  const deep = await measure();
  for (let index = 0; index < packets; index++) walk.put(index, both(packets + index));
  return { steps: { mean, worst, touched }, hurting: { deepest: deep, strangers: await measure() } };
}

/** Or why the set cannot be packed. */
async function packedWalk(wasm: Uint8Array, image: Uint8Array, packets: number): Promise<PackedWalk | string> {
  try {
    return await PackedWalk.open(wasm, image, WALK, packets);
  } catch (error) {
    if (!(error instanceof NotPackable || error instanceof RangeError)) throw error;
    return error.message;
  }
}

/** Milliseconds. */
async function median(iterations: number, work: () => void): Promise<number> {
  const bench = new Bench({ iterations, time: 0, warmupIterations: 2, warmupTime: 0, throws: true });
  bench.add('classify', work);
  await bench.run();
  const result = bench.tasks[0]!.result;
  if (result.state !== 'completed') throw new Error(result.state);
  return result.latency.p50;
}
