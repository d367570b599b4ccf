import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { FIELD_MARK } from '../../src/abi/fields.ts';
import type { PlainTable } from '../../src/compile/plain.ts';
import type { WalksOptions } from '../../src/compile/walks.ts';
import type { WasmSource } from '../../src/engine/loader.ts';
import { engineModule, TARGETS, type Target } from '../engine/session/wasm.ts';
import { SEED } from '../seed.ts';
import { Naive } from './naive.ts';
import { PlainEngine, plainImage } from './plain-engine.ts';
import { packet, tables } from './random-rules.ts';

const VERDICTS = ['ACCEPT', 'DROP', 'REJECT', 'HOTDROP'];
const wasm = {} as Record<Target, WasmSource>;

beforeAll(() => {
  for (const target of TARGETS) wasm[target] = engineModule(target);
});

/** Every packet through the naive walk and the engine; verdicts, what is left in the packet, counters and evaluations agree. */
async function agree(table: PlainTable, packets: readonly Uint32Array[], target: Target, options: WalksOptions): Promise<void> {
  const naive = new Naive(table);
  const { bytes } = plainImage([table], options);
  const engine = await PlainEngine.open(wasm[target], bytes);
  const marks = table.chains.some(({ rules }) => rules.some(({ action }) => action.kind === 'mark'));
  for (const [index, fields] of packets.entries()) {
    // Packets arrive without a mark; where rules set marks, any mark may have been set by a walk before.
    if (!marks) fields[FIELD_MARK] = 0;
    const expected = fields.slice();
    const jiffies = 1_000_000n + BigInt(index) * 7n;
    const { verdict } = naive.walk('INPUT', expected, jiffies);
    const got = fields.slice();
    const answer = engine.walk(4, 'INPUT', 'mangle', got, jiffies);
    expect(VERDICTS[answer], `packet ${index}`).toBe(verdict);
    expect(got).toEqual(expected);
  }
  const { counters, evaluations } = engine.counted();
  const chains = counters[4]!.mangle!;
  for (const [index, { name }] of table.chains.entries()) {
    expect(chains[name]!.rules.map((rule) => rule.packets)).toEqual(naive.counters.rules[index]);
    expect(chains[name]!.packets).toBe(naive.counters.policies[index]);
    expect(chains[name]!.bytes).toBe(naive.counters.policies[index]! * 100);
  }
  expect(evaluations).toBe(naive.counters.evaluations);
}

const MODES = [
  { name: 'tree', options: { tree: true, effort: 1, tracesDrops: false } },
  { name: 'a tree on a tiny budget', options: { tree: true, effort: 0.0005, tracesDrops: true } },
  { name: 'searches', options: { tree: true, effort: 1, tracesDrops: false, searched: 1 } },
  { name: 'searches of many groups, on a tiny budget', options: { tree: true, effort: 0.0005, tracesDrops: true, searched: 1 } },
  { name: 'rule by rule', options: { tree: false, effort: 1, tracesDrops: false } },
  { name: 'a tree that names the rules that drop', options: { tree: true, effort: 1, tracesDrops: true } },
];

describe.each(MODES)('$name: as the naive walk', ({ options }) => {
  test.each([
    ['release', 150],
    ['debug', 40],
  ] as const)('%s, random tables and packets', async (target, runs) => {
    await fc.assert(
      fc.asyncProperty(tables(6), fc.array(packet, { minLength: 1, maxLength: 40 }), async (table, packets) => {
        await agree(table, packets, target, options);
      }),
      { seed: SEED, numRuns: runs },
    );
  });

  test('larger tables', async () => {
    await fc.assert(
      fc.asyncProperty(tables(25), fc.array(packet, { minLength: 60, maxLength: 60 }), async (table, packets) => {
        await agree(table, packets, 'release', options);
      }),
      { seed: SEED, numRuns: 20 },
    );
  });
});
