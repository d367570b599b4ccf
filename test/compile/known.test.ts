/** Compiling again after a change: what was known before saves work, and changes no answer. */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import * as field from '../../src/abi/fields.ts';
import type { PlainRule, PlainTable } from '../../src/compile/plain.ts';
import { KnownSearches } from '../../src/compile/search/known.ts';
import type { WasmSource } from '../../src/engine/loader.ts';
import type { Test } from '../../src/model/predicate.ts';
import { engineModule } from '../engine/session/wasm.ts';
import { SEED } from '../seed.ts';
import { Naive } from './naive.ts';
import { PlainEngine, plainImage } from './plain-engine.ts';
import { keyLists, packet } from './random-rules.ts';

const VERDICTS = ['ACCEPT', 'DROP', 'REJECT', 'HOTDROP'];
const TREE = { tree: true, effort: 1, tracesDrops: false };
let wasm: WasmSource;
beforeAll(() => {
  wasm = engineModule('release');
}, 600_000);

const withRules = (table: PlainTable, rules: readonly PlainRule[]): PlainTable => ({
  ...table,
  chains: [{ ...table.chains[0]!, rules }],
});

/** Some rules taken out, others put in. */
function edited(table: PlainTable, others: readonly PlainRule[], places: readonly number[]): PlainTable {
  const rules = [...table.chains[0]!.rules];
  for (const [index, place] of places.entries()) {
    const at = place % (rules.length + 1);
    const other = others[index % others.length];
    if (index % 3 === 0 || other === undefined) rules.splice(at, 1);
    else rules.splice(at, index % 3 === 1 ? 1 : 0, other);
  }
  return withRules(table, rules);
}

describe('answers', () => {
  test.each([1, 0.0005])('are those of the rules as they are now, effort %d', async (effort) => {
    const places = fc.array(fc.nat(60), { minLength: 1, maxLength: 4 });
    const packets = fc.array(packet, { minLength: 20, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(keyLists(40), keyLists(6), fc.tuple(places, places), packets, async (first, others, edits, given) => {
        const known = new KnownSearches(1);
        const options = { ...TREE, effort, searched: 1, known };
        plainImage([first], options);
        let table = first;
        for (const edit of edits) {
          table = edited(table, others.chains[0]!.rules, edit);
          const engine = await PlainEngine.open(wasm, plainImage([table], options).bytes);
          const naive = new Naive(table);
          for (const fields of given) {
            fields[field.FIELD_MARK] = 0;
            const { verdict } = naive.walk('INPUT', fields.slice(), 0n);
            expect(VERDICTS[engine.walk(4, 'INPUT', 'mangle', fields.slice())]).toBe(verdict);
          }
          const { counters, evaluations } = engine.counted();
          expect(counters[4]!.mangle!.INPUT!.rules.map((rule) => rule.packets)).toEqual(naive.counters.rules[0]);
          expect(evaluations).toBe(naive.counters.evaluations);
        }
      }),
      { seed: SEED, numRuns: 60 },
    );
  });
});

describe('work', () => {
  const host = (index: number): Test => ({
    kind: 'words',
    field: field.FIELD_DESTINATION,
    mask: [0xffffffff],
    value: [(0x0a000000 + index * 7919) >>> 0],
    invert: false,
    onFail: 'miss',
  });
  const port = (value: number): Test => ({
    kind: 'range',
    field: field.FIELD_DPORT,
    low: value,
    high: value,
    invert: false,
    onFail: 'miss',
  });
  const rule = (index: number): PlainRule => ({
    tests: [host(index), port(1 + (index % 3000))],
    action: { kind: 'verdict', verdict: 'ACCEPT' },
    bare: false,
  });
  const rules = Array.from({ length: 10_000 }, (_, index) => rule(index));
  const table: PlainTable = { family: 4, name: 'filter', chains: [{ name: 'INPUT', policy: 'DROP', rules }] };

  /** Units of growing trees: all but what it takes to follow the rules once. */
  const growing = (changed: PlainTable, known: KnownSearches): number =>
    plainImage([changed], { ...TREE, known }).walks.work - changed.chains[0]!.rules.length;

  test.each([
    ['changed', [...rules.slice(0, 5000), rule(20_000), ...rules.slice(5001)]],
    ['added in front', [rule(20_000), ...rules]],
    ['taken out', rules.filter((_, index) => index !== 7000)],
  ])('one rule of 10,000 %s: entries are looked at in its leaves only', (_, now) => {
    const known = new KnownSearches();
    const all = growing(table, known);
    // The policy and the search itself are steps, too.
    expect(growing(table, known)).toBeLessThan(5);
    // Of the tree as it was, only the leaves where changed entries lie are looked at again.
    const again = growing(withRules(table, now), known);
    expect(again).toBeGreaterThan(0);
    expect(again).toBeLessThan(rules.length / 100);
    expect(all).toBeGreaterThan(1000 * again);
  });

  test('rules in another order, or many changed: all of it', () => {
    const known = new KnownSearches();
    const all = growing(table, known);
    expect(growing(withRules(table, [...rules].reverse()), known)).toBeGreaterThan(all / 2);
    expect(
      growing(
        withRules(
          table,
          rules.map((one, index) => (index % 20 === 0 ? rule(20_000 + index) : one)),
        ),
        known,
      ),
    ).toBeGreaterThan(all / 2);
  });
});
