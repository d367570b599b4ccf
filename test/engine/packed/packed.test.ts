/** Packed walks judge and count as the rules one by one do, on every build; and what cannot be packed is refused with its reason. */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { follow } from '../../../bench/ways.ts';
import * as field from '../../../src/abi/fields.ts';
import { CLUSTER_SIZE, CLUSTER_WIDTHS, KEY_SIZE, PACKED_NEAR, START_SIZE } from '../../../src/abi/packed.ts';
import * as program from '../../../src/abi/program.ts';
import { SPECIAL_LIMIT } from '../../../src/abi/special.ts';
import type { PlainRule, PlainTable } from '../../../src/compile/plain.ts';
import { type WalksOptions, walkNumber } from '../../../src/compile/walks.ts';
import { type ImageView, readImage } from '../../../src/engine/image-view.ts';
import type { WasmSource } from '../../../src/engine/loader.ts';
import { readWalk } from '../../../src/engine/packed/read.ts';
import { NotPackable } from '../../../src/engine/packed/tests.ts';
import { type Packed, PackedWalk, pack } from '../../../src/engine/packed/walk.ts';
import type { Test } from '../../../src/model/predicate.ts';
import { Naive } from '../../compile/naive.ts';
import { plainImage } from '../../compile/plain-engine.ts';
import { keyLists, keyTables, packet } from '../../compile/random-rules.ts';
import { SEED } from '../../seed.ts';
import { engineModule, type Target } from '../session/wasm.ts';

const VERDICTS = ['ACCEPT', 'DROP', 'REJECT', 'HOTDROP'];
const WALK = { family: 4, hook: 'INPUT', table: 'mangle' } as const;
const TREE = { tree: true, effort: 1, tracesDrops: false };
const SEARCHES = { ...TREE, searched: 1 };
/** Trees may not copy anything. */
const GROUPS = { ...SEARCHES, effort: 0.0005 };
const BYTES = 100;
const wasm = {} as Record<Target, WasmSource>;

beforeAll(() => {
  for (const target of ['release', 'debug', 'scalar'] as const) wasm[target] = engineModule(target);
}, 600_000);

/** Ports are of two bytes, and without MARK packets come without a mark. */
function possible(fields: Uint32Array): Uint32Array {
  for (const port of [field.FIELD_SPORT, field.FIELD_DPORT]) fields[port]! &= 0xffff;
  fields[field.FIELD_MARK] = 0;
  return fields;
}

const packets = fc.array(packet.map(possible), { minLength: 1, maxLength: 40 });

const portRange = (at: number): fc.Arbitrary<Test> =>
  fc
    .tuple(fc.nat(0xf000), fc.nat(0xfff))
    .map(([low, more]) => ({ kind: 'range', field: at, low, high: low + more, invert: false, onFail: 'miss' }));
/** Hundreds of rules, about ports of so many that a packet passes most of them: ways through their walk are long. */
const longLists: fc.Arbitrary<PlainTable> = fc
  .array(fc.tuple(portRange(field.FIELD_SPORT), portRange(field.FIELD_DPORT), fc.constantFrom('ACCEPT', 'DROP', 'REJECT')), {
    minLength: 600,
    maxLength: 800,
  })
  .map((drawn) => {
    const rules = drawn.map(([sport, dport, verdict]): PlainRule => {
      return { tests: [sport, dport], action: { kind: 'verdict', verdict }, bare: false };
    });
    return { family: 4, name: 'mangle', chains: [{ name: 'INPUT', policy: 'ACCEPT', rules }] };
  });
const manyPackets = fc.array(
  fc.tuple(fc.nat(0xffff), fc.nat(0xffff)).map(([sport, dport]) => {
    const fields = toPort(dport);
    fields[field.FIELD_SPORT] = sport;
    return fields;
  }),
  { minLength: 100, maxLength: 100 },
);

/** Of the search that a walk's root leads to: the numbers of its groups' first entries. */
function firstsOf({ code }: ImageView): number[] {
  const words = new Uint32Array(code.buffer, code.byteOffset, code.length >>> 2);
  const root = words[walkNumber(WALK.family, WALK.hook, WALK.table) * 2]!;
  if ((root & program.REF_EDGE) === 0) return [];
  const step = words[(root - program.REF_EDGE) / 4 + 1]! / 4;
  if (step < program.NEXT_STEP / 4 || (words[step]! & 255) !== program.STEP_SEARCH) return [];
  const group = (index: number): number =>
    words[step + program.STEP_LIST / 4]! + program.SEARCH_GROUPS + index * program.SEARCH_GROUP_SIZE;
  return Array.from({ length: words[step]! >>> 8 }, (_, index) => words[(group(index) + program.SEARCH_GROUP_FIRST) / 4]!);
}

/** Clusters that some packet goes through in the first group, at most. */
function stepsInFirst({ clusters, starts, layout }: Packed, given: readonly Uint32Array[]): number {
  const first = { clusters, starts: starts.subarray(0, START_SIZE / 4) };
  const key = new Uint8Array(KEY_SIZE);
  return given.reduce((most, fields) => {
    layout.write(fields, key);
    return Math.max(most, follow(first, key).steps);
  }, 0);
}

/** A packet of nothing but a family and a port. */
function toPort(port: number): Uint32Array {
  const fields = new Uint32Array(field.FIELD_COUNT);
  fields[field.FIELD_FAMILY] = 4;
  fields[field.FIELD_DPORT] = port;
  return fields;
}

/** The naive walk's verdicts and counts, and those of a packed walk; `spoil` changes what goes into the engine. */
async function both(
  table: PlainTable,
  given: readonly Uint32Array[],
  target: Target,
  options: WalksOptions = TREE,
  spoil: (packed: Packed) => void = () => {},
): Promise<{ naive: unknown; packed: unknown }> {
  const naive = new Naive(table);
  const walk = await PackedWalk.open(wasm[target], plainImage([table], options).bytes, WALK, given.length, spoil);
  const verdicts = given.map((fields) => naive.walk('INPUT', fields.slice(), 0n).verdict);
  for (const [index, fields] of given.entries()) walk.put(index, fields);
  const answers = Array.from(walk.classify(given.length, BYTES), (answer) => VERDICTS[answer]);
  const { counters, evaluations } = walk.counted();
  const chains = table.chains.map(({ name }) => counters[4]!.mangle![name]!);
  const counted = {
    rules: chains.map(({ rules }) => rules.map((rule) => rule.packets)),
    policies: chains.map((chain) => chain.packets),
    evaluations,
  };
  for (const chain of chains) for (const one of [chain, ...chain.rules]) expect(one.bytes).toBe(one.packets * BYTES);
  return { naive: { verdicts, counted: naive.counters }, packed: { verdicts: answers, counted } };
}

describe('as the naive walk', () => {
  test.each([
    ['release', 6, 150],
    ['scalar', 6, 40],
    ['debug', 6, 40],
    ['release', 25, 20],
  ] as const)('%s, tables of up to %i rules a chain', async (target, most, numRuns) => {
    await fc.assert(
      fc.asyncProperty(keyTables(most), packets, async (table, given) => {
        const { naive, packed } = await both(table, given, target);
        expect(packed).toEqual(naive);
      }),
      { seed: SEED, numRuns },
    );
  });

  test.each([
    ['release', 60, SEARCHES],
    ['release', 60, GROUPS],
    ['debug', 20, GROUPS],
  ] as const)('%s, one list of up to 60 rules, searched', async (target, numRuns, options) => {
    let groups = 0;
    await fc.assert(
      fc.asyncProperty(keyLists(60), packets, async (table, given) => {
        const { naive, packed } = await both(table, given, target, options, ({ starts }) => {
          groups = Math.max(groups, (starts.length * 4) / START_SIZE);
        });
        expect(packed).toEqual(naive);
      }),
      { seed: SEED, numRuns },
    );
    expect(groups).toBeGreaterThan(options === GROUPS ? 3 : 0);
  });

  test.each(['release', 'scalar', 'debug'] as const)('%s, long lists whose clusters are fetched ahead', async (target) => {
    let deepest = 0;
    await fc.assert(
      fc.asyncProperty(longLists, manyPackets, fc.constantFrom(SEARCHES, GROUPS), async (table, given, options) => {
        const { naive, packed } = await both(table, given, target, options, (walk) => {
          walk.far = true;
          deepest = Math.max(deepest, stepsInFirst(walk, given));
        });
        expect(packed).toEqual(naive);
      }),
      // To make such lists smaller takes longer than a test may.
      { seed: SEED, numRuns: 8, endOnFailure: true },
    );
    // Clusters are fetched only for packets that go further.
    expect(deepest).toBeGreaterThan(PACKED_NEAR);
  });

  test('a search lists its groups by the first entry that each has', () => {
    let groups = 0;
    for (const table of fc.sample(keyLists(60), { seed: SEED, numRuns: 20 })) {
      const image = readImage(plainImage([table], GROUPS).bytes);
      const { graph, roots } = readWalk(image, walkNumber(WALK.family, WALK.hook, WALK.table));
      const firsts = firstsOf(image);
      for (const [group, first] of firsts.entries()) {
        expect(first).toBeLessThanOrEqual(graph.least(roots[group]!));
        expect(first).toBeGreaterThanOrEqual(firsts[group - 1] ?? 0);
      }
      groups = Math.max(groups, firsts.length);
    }
    expect(groups).toBeGreaterThan(3);
  });

  test('a search none of whose rules can be met has no group, and finds nothing', async () => {
    const is80: Test = { kind: 'range', field: field.FIELD_DPORT, low: 80, high: 80, invert: false, onFail: 'miss' };
    const tests = [is80, { ...is80, invert: true }];
    const rules: PlainRule[] = [{ tests, action: { kind: 'verdict', verdict: 'DROP' }, bare: false }];
    const table: PlainTable = { family: 4, name: 'mangle', chains: [{ name: 'INPUT', policy: 'ACCEPT', rules }] };
    const fields = new Uint32Array(field.FIELD_COUNT);
    fields[field.FIELD_FAMILY] = 4;
    const { naive, packed } = await both(table, [fields], 'release', SEARCHES);
    expect(packed).toEqual(naive);
  });

  test('a leaf asks only what the way to it leaves open', () => {
    const rules = Array.from({ length: 64 }, (_, place): PlainRule => {
      const tenth: Test = {
        kind: 'range',
        field: field.FIELD_DPORT,
        low: place * 10,
        high: place * 10 + 9,
        invert: false,
        onFail: 'miss',
      };
      return { tests: [tenth], action: { kind: 'verdict', verdict: 'DROP' }, bare: false };
    });
    const table: PlainTable = { family: 4, name: 'mangle', chains: [{ name: 'INPUT', policy: 'ACCEPT', rules }] };
    const { graph } = pack(readImage(plainImage([table], SEARCHES).bytes), WALK);
    // A node for two rules, and in its leaf one bound of either; the others are cuts above.
    expect(graph.tests).toBeLessThanOrEqual(1.5 * rules.length);
  });

  test('a planted error is found: a range that begins or ends one too late', async () => {
    const is80: Test = { kind: 'range', field: field.FIELD_DPORT, low: 80, high: 80, invert: false, onFail: 'miss' };
    const rules: PlainRule[] = [{ tests: [is80], action: { kind: 'verdict', verdict: 'ACCEPT' }, bare: false }];
    const table: PlainTable = { family: 4, name: 'mangle', chains: [{ name: 'INPUT', policy: 'DROP', rules }] };
    const given = [79, 80, 81].map(toPort);
    const right = await both(table, given, 'release');
    expect(right.packed).toEqual(right.naive);
    for (const offset of [0, CLUSTER_WIDTHS]) {
      const { naive, packed } = await both(table, given, 'release', TREE, ({ clusters }) => {
        // Between cluster 0 and the only pattern.
        expect(clusters.length).toBe(3 * CLUSTER_SIZE);
        new Uint32Array(clusters.buffer, CLUSTER_SIZE + offset)[0]!++;
      });
      expect(packed).not.toEqual(naive);
    }
  });

  test('bytes of packets are those of their calls', async () => {
    const rules: PlainRule[] = [{ tests: [], action: { kind: 'verdict', verdict: 'DROP' }, bare: false }];
    const table: PlainTable = { family: 4, name: 'mangle', chains: [{ name: 'INPUT', policy: 'ACCEPT', rules }] };
    const walk = await PackedWalk.open(wasm.release, plainImage([table], TREE).bytes, WALK, 3);
    for (let index = 0; index < 3; index++) walk.put(index, toPort(80));
    walk.classify(3, 100);
    walk.classify(2, 60);
    const rule = () => walk.counted().counters[4]!.mangle!.INPUT!.rules[0];
    expect(rule()).toMatchObject({ packets: 5, bytes: 420 });
    walk.classify(1, 60);
    expect(rule()).toMatchObject({ packets: 6, bytes: 480 });
  });
});

describe('what is not packed says why', () => {
  function refuse(rule: Partial<PlainRule>, options = TREE): string {
    const rules: PlainRule[] = [{ tests: [], action: { kind: 'verdict', verdict: 'DROP' }, bare: false, ...rule }];
    const table: PlainTable = { family: 4, name: 'mangle', chains: [{ name: 'INPUT', policy: 'ACCEPT', rules }] };
    try {
      pack(readImage(plainImage([table], options).bytes), WALK);
    } catch (error) {
      if (error instanceof NotPackable) return error.message;
      throw error;
    }
    return 'packed';
  }
  const words = (at: number, mask: number[]): Test => ({
    kind: 'words',
    field: at,
    mask,
    value: mask,
    invert: false,
    onFail: 'miss',
  });

  test('tests with state, actions, masks with holes, more fields than a key has room for', () => {
    expect(refuse({})).toBe('packed');
    expect(refuse({ tests: [{ kind: 'special', code: SPECIAL_LIMIT, parameters: [3200, 3200], stateful: true }] })).toBe(
      'its rules ask for more than fields',
    );
    expect(refuse({ action: { kind: 'notrack' } })).toBe('its rules do more than to test fields');
    expect(refuse({ tests: [words(field.FIELD_SOURCE, [0xff])] })).toBe('a mask is no prefix');
    const whole = [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff];
    expect(refuse({ tests: [words(field.FIELD_SOURCE, whole), words(field.FIELD_DESTINATION, whole)] })).toBe(
      'its tests read 32 bytes of a packet, more than 16',
    );
  });
});
