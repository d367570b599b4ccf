/** Odd rule sets: every way to compile them agrees, and none is crawled through. */
import { beforeAll, describe, expect, test } from 'vitest';
import { type OddSet, oddSet, oddShapes, oddWalk } from '../../bench/odd.ts';
import { looked, oddJob } from '../../bench/oddly.ts';
import { FIELD_COUNT } from '../../src/abi/fields.ts';
import { type CompileOptions, compile } from '../../src/compile/index.ts';
import { KnownSearches } from '../../src/compile/search/known.ts';
import { Classifier } from '../../src/engine/classifier.ts';
import type { WasmSource } from '../../src/engine/loader.ts';
import { NotPackable } from '../../src/engine/packed/tests.ts';
import { PackedWalk } from '../../src/engine/packed/walk.ts';
import { engineModule } from '../engine/session/wasm.ts';

const PACKETS = 1024;
let wasm: WasmSource;
beforeAll(() => {
  wasm = engineModule('release');
});

const fieldsOf =
  (words: Uint32Array) =>
  (index: number): Uint32Array =>
    words.subarray(index * FIELD_COUNT, (index + 1) * FIELD_COUNT);

/** Verdicts and counters of packets. */
async function judged(set: OddSet, options: CompileOptions): Promise<unknown> {
  const { bytes } = compile(oddJob(set), options);
  const classifier = await Classifier.open(wasm, bytes, PACKETS);
  const of = fieldsOf(set.packets(PACKETS));
  const verdicts = Array.from({ length: PACKETS }, (_, index) => {
    classifier.put(index, of(index), 1_000_000n + BigInt(index));
    return classifier.classify(oddWalk(set), index, 60);
  });
  return { verdicts, counted: classifier.counted() };
}

/** The same of many at a time, null where the set cannot be packed. */
async function packed(set: OddSet): Promise<unknown> {
  try {
    const walk = await PackedWalk.open(wasm, compile(oddJob(set)).bytes, oddWalk(set), PACKETS);
    const of = fieldsOf(set.packets(PACKETS));
    for (let index = 0; index < PACKETS; index++) walk.put(index, of(index));
    return { verdicts: [...walk.classify(PACKETS, 60)], counted: walk.counted() };
  } catch (error) {
    if (!(error instanceof NotPackable)) throw error;
    return null;
  }
}

describe.each(oddShapes)('%s', (shape) => {
  test('as rule by rule', async () => {
    for (const rules of [140, 500]) {
      const set = oddSet(shape, rules);
      const linear = await judged(set, { tree: false });
      expect(await judged(set, {})).toEqual(linear);
      expect(await judged(set, { searched: 2 })).toEqual(linear);
      expect((await packed(set)) ?? linear).toEqual(linear);
    }
  });

  test('1,000 rules: a packet is held against few of them', () => {
    const set = oddSet(shape, 1000);
    const { bytes, statistics } = compile(oddJob(set));
    expect(statistics.worstLeaf).toBeLessThan(9);
    const { mean, worst } = looked(bytes, set, PACKETS, fieldsOf(set.packets(PACKETS)));
    expect(mean).toBeLessThan(120);
    expect(worst).toBeLessThan(130);
  });
});

/** The set without some of its rules, and with some of another one among them. */
function changed(set: OddSet, other: OddSet): OddSet {
  const more = other.rules.split('\n').filter((line) => line.startsWith('-A'));
  const rules = set.rules
    .split('\n')
    .flatMap((line, index) => (index % 401 === 7 ? [] : index % 397 === 6 ? [more[index]!, line] : [line]))
    .join('\n');
  return { ...set, rules };
}

describe('where the first rules take most', () => {
  const overlapping = ['wide ranges', 'wide ranges of hosts', 'same centre', 'one centre of addresses', 'a bit of all'];

  test.each(overlapping)('%s: rules that change are found as all are', async (shape) => {
    const known = new KnownSearches();
    let set = oddSet(shape, 1200);
    for (let turn = 0; turn < 3; turn++) {
      const linear = await judged(set, { tree: false });
      expect(await judged(set, { known })).toEqual(linear);
      expect((await packed(set)) ?? linear).toEqual(linear);
      set = changed(set, oddSet(shape, 1200, 100 + turn));
    }
  });

  test.each(['wide ranges', 'same centre'])('%s: ten times as many rules, and a way that is hardly longer', (shape) => {
    const [few, many] = [1000, 10_000].map((rules) => {
      const set = oddSet(shape, rules);
      return looked(compile(oddJob(set)).bytes, set, PACKETS, fieldsOf(set.packets(PACKETS))).mean;
    });
    expect(many!).toBeLessThan(1.3 * few!);
    expect(many!).toBeLessThan(20);
  });
});

test.each(['flags', 'flags of networks'])('%s are packed, too', async (shape) => {
  expect(await packed(oddSet(shape, 300))).not.toBeNull();
});

describe('lists of many values, and addresses of Ethernet', () => {
  test.each(['port lists', 'macs'])('10,000 rules: %s', (shape) => {
    const set = oddSet(shape, 10_000);
    const { bytes, statistics } = compile(oddJob(set));
    expect(statistics.fallbacks).toBe(0);
    expect(statistics.nodes).toBeLessThan(40_000);
    expect(statistics.work).toBeLessThan(2_000_000);
    expect(looked(bytes, set, PACKETS, fieldsOf(set.packets(PACKETS))).worst).toBeLessThan(30);
  });
});
