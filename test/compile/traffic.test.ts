/** Trees that were cut for a sample of the packets: they answer as the rules do, and packets like those have a shorter way. */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { classbenchShapes, filterSet, iptablesRules, skewedTuplesFor, TUPLE_WORDS, tuplesFor } from '../../bench/classbench.ts';
import { fieldsOf, trafficOf } from '../../bench/packet-fields.ts';
import { countTests } from '../../bench/ways.ts';
import * as field from '../../src/abi/fields.ts';
import { type CompileOptions, compile } from '../../src/compile/index.ts';
import type { PlainTable } from '../../src/compile/plain.ts';
import { KnownSearches } from '../../src/compile/search/known.ts';
import { Sample, type Traffic } from '../../src/compile/traffic.ts';
import type { WalksOptions } from '../../src/compile/walks.ts';
import type { WasmSource } from '../../src/engine/loader.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { engineModule } from '../engine/session/wasm.ts';
import { SEED } from '../seed.ts';
import { Naive } from './naive.ts';
import { PlainEngine, plainImage } from './plain-engine.ts';
import { keyLists, packet, tables } from './random-rules.ts';

const VERDICTS = ['ACCEPT', 'DROP', 'REJECT', 'HOTDROP'];
const ROUTER = buildHost({ forward: true, in: 'eth0', out: 'eth1' });
const WALK = { family: 4, hook: 'FORWARD', table: 'filter' } as const;
let wasm: WasmSource;
beforeAll(() => {
  wasm = engineModule('release');
}, 600_000);

const sampleOf = (packets: readonly Uint32Array[], known: number): Traffic => ({
  words: Uint32Array.from(packets.flatMap((words) => [...words])),
  known,
});

/** Every packet through the rules one by one, the image of a sample and that of none: verdicts, what is left in the packet, counters and evaluations are the same. */
async function agree(table: PlainTable, packets: readonly Uint32Array[], options: WalksOptions, traffic: Traffic): Promise<void> {
  const naive = new Naive(table);
  const sampleAt = (): Sample => Sample.of(traffic);
  const engines = await Promise.all(
    [options, { ...options, sampleAt }].map((one) => PlainEngine.open(wasm, plainImage([table], one).bytes)),
  );
  const marks = table.chains.some(({ rules }) => rules.some(({ action }) => action.kind === 'mark'));
  for (const [index, fields] of packets.entries()) {
    if (!marks) fields[field.FIELD_MARK] = 0;
    const expected = fields.slice();
    const jiffies = 1_000_000n + BigInt(index) * 7n;
    const { verdict } = naive.walk('INPUT', expected, jiffies);
    for (const engine of engines) {
      const got = fields.slice();
      expect(VERDICTS[engine.walk(4, 'INPUT', 'mangle', got, jiffies)], `packet ${index}`).toBe(verdict);
      expect(got).toEqual(expected);
    }
  }
  const [plain, weighted] = engines.map((engine) => engine.counted());
  expect(weighted).toEqual(plain);
  expect(weighted!.evaluations).toBe(naive.counters.evaluations);
  for (const [index, { name }] of table.chains.entries()) {
    expect(weighted!.counters[4]!.mangle![name]!.rules.map((rule) => rule.packets)).toEqual(naive.counters.rules[index]);
  }
}

const TREE = { tree: true, effort: 1, tracesDrops: false };
/** Bits of fields that a sample tells: some, all, none. */
const knowns = fc.oneof(fc.integer(), fc.constant(-1), fc.constant(0));
const packets = fc.array(packet, { minLength: 1, maxLength: 40 });

describe('answers are those of the rules', () => {
  test.each([
    ['a tree', TREE],
    ['a tree on a tiny budget', { ...TREE, effort: 0.0005 }],
    ['searches', { ...TREE, searched: 1 }],
    ['searches of many groups, on a tiny budget', { ...TREE, effort: 0.0005, searched: 1 }],
  ])('%s', async (_, options) => {
    const property = fc.asyncProperty(tables(6), packets, packets, knowns, async (table, given, seen, known) => {
      await agree(table, [...given, ...seen], options, sampleOf(seen, known));
    });
    await fc.assert(property, { seed: SEED, numRuns: 80 });
  });

  test('a list of rules that is searched, compiled again after a change', async () => {
    const property = fc.asyncProperty(
      keyLists(40),
      packets,
      packets,
      knowns,
      fc.nat(),
      async (table, given, seen, known, place) => {
        const options = { ...TREE, searched: 1, known: new KnownSearches(1) };
        const traffic = sampleOf(seen, known);
        await agree(table, given, options, traffic);
        const [chain] = table.chains;
        const rules = chain!.rules.filter((_, index) => index !== place % (chain!.rules.length + 1));
        await agree({ ...table, chains: [{ ...chain!, rules }] }, [...given, ...seen], options, traffic);
      },
    );
    await fc.assert(property, { seed: SEED, numRuns: 60 });
  });
});

/** Rules of a shape, and images of them. */
function ruled(shape: (typeof classbenchShapes)[number]) {
  const set = filterSet(shape, 1000);
  const rules = { 4: parseSave(iptablesRules(set), { file: set.name, family: 4 }) };
  const image = (options: CompileOptions = {}): Uint8Array =>
    compile({ rules, host: ROUTER, profile: DEFAULT_PROFILE }, options).bytes;
  const tests = (bytes: Uint8Array, tuples: Uint32Array) =>
    countTests(bytes, WALK, tuples.length / TUPLE_WORDS, (index) => fieldsOf(tuples.subarray(index * TUPLE_WORDS)));
  return { set, image, tests };
}

describe('work', () => {
  test.each([
    ['acl', 0.96],
    ['fw', 0.9],
    ['ipc', 0.95],
  ] as const)(
    '%s: where few rules have most packets, a packet is put to fewer tests: at most %d of what it was',
    (shape, most) => {
      const { set, image, tests } = ruled(shape);
      const later = skewedTuplesFor(set, 8192, 2);
      const plain = tests(image(), later);
      const weighted = tests(image({ traffic: trafficOf(skewedTuplesFor(set, 4096, 1)) }), later);
      expect(weighted.mean).toBeLessThan(most * plain.mean);
      expect(weighted.worst).toBeLessThan(1.5 * plain.worst);
    },
  );

  test('a tree of few rules: ports that most packets ask for are told apart first', () => {
    const ports = Array.from({ length: 100 }, (_, index) => 1000 + 7 * index);
    const lines = ports.map((port) => `-A FORWARD -p tcp -m tcp --dport ${port} -j ACCEPT`);
    const text = ['*filter', ':INPUT ACCEPT [0:0]', ':FORWARD DROP [0:0]', ':OUTPUT ACCEPT [0:0]', ...lines, 'COMMIT', ''].join(
      '\n',
    );
    const rules = { 4: parseSave(text, { file: 'rules', family: 4 }) };
    const image = (options: CompileOptions): Uint8Array =>
      compile({ rules, host: ROUTER, profile: DEFAULT_PROFILE }, options).bytes;
    const seen = Uint32Array.from({ length: 1000 }, (_, index) => ports[index % 10 === 0 ? index % 97 : 40]!);
    const packets = (port: number): Uint32Array => fieldsOf(Uint32Array.of(1, 2, 3, port, 6));
    const words = Uint32Array.from([...seen].flatMap((port) => [...packets(port)]));
    const mean = (bytes: Uint8Array): number => countTests(bytes, WALK, seen.length, (index) => packets(seen[index]!)).mean;
    const plain = mean(image({}));
    expect(mean(image({ traffic: { words, known: 1 << field.FIELD_DPORT } }))).toBeLessThan(0.8 * plain);
  });

  test.each([
    ['tells nothing', 0, 4],
    ['is of another family', -1, 6],
  ] as const)('a sample that %s changes nothing', (_, known, family) => {
    const { set, image } = ruled('fw');
    const { words } = trafficOf(skewedTuplesFor(set, 512));
    for (let at = field.FIELD_FAMILY; at < words.length; at += field.FIELD_COUNT) words[at] = family;
    expect(Buffer.compare(image({ traffic: { words, known } }), image())).toBe(0);
  });

  test('packets that are not like the sample have a way little longer than without', () => {
    for (const shape of classbenchShapes) {
      const { set, image, tests } = ruled(shape);
      const few = { ...set, filters: set.filters.slice(10, 13) };
      const plain = tests(image(), tuplesFor(set, 8192));
      const weighted = tests(image({ traffic: trafficOf(tuplesFor(few, 4096)) }), tuplesFor(set, 8192));
      expect(weighted.mean).toBeLessThan(1.1 * plain.mean);
      expect(weighted.worst).toBeLessThan(1.5 * plain.worst);
    }
  });
});
