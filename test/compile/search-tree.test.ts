/** Trees of searches: how far down a packet goes, and what is there. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FIELD_DESTINATION, FIELD_FRAGMENT, FIELD_SOURCE } from '../../src/abi/fields.ts';
import { growGroups } from '../../src/compile/search/groups.ts';
import { growTree } from '../../src/compile/search/grow.ts';
import type { Intervals } from '../../src/compile/search/intervals.ts';
import { PlainTests } from '../../src/compile/search/plain.ts';
import type { SearchTree } from '../../src/compile/search/search-tree.ts';
import { Work } from '../../src/compile/steps.ts';
import { SEED } from '../seed.ts';

const PLACES = 1000;

/** Entries as [first, last] of each of two fields, which they do not ask more than. */
function intervalsOf(
  entries: readonly (readonly [number, number, number, number])[],
  fields = [FIELD_SOURCE, FIELD_DESTINATION],
): Intervals {
  const ends = Uint32Array.from({ length: PLACES }, (_, place) => place);
  const column = (index: number): Uint32Array => Uint32Array.from(entries, (entry) => entry[index]!);
  return {
    possible: [...entries.keys()],
    dimensions: fields.map((field, index) => ({ field, ends, first: column(2 * index), last: column(2 * index + 1) })),
    exact: new Uint8Array(entries.length).fill(1),
    plain: new PlainTests([]),
  };
}

/** The leaf of a place, and the nodes above it. */
function descend(tree: SearchTree, place: readonly number[]): { node: number; hops: number } {
  let [node, hops] = [0, 0];
  for (; !tree.isLeaf(node); hops++) {
    const above = place[tree.dimension.values[node]!]! > tree.at.values[node]!;
    node = tree.child.values[node]! + (above ? 1 : 0);
  }
  return { node, hops };
}

/** Entries of a place's leaf. */
function listed(tree: SearchTree, place: readonly number[]): number[] {
  const { node } = descend(tree, place);
  const from = tree.from.values[node]!;
  return [...tree.lists.values.subarray(from, from + tree.count.values[node]!)];
}

const grow = (intervals: Intervals): SearchTree =>
  growTree(intervals, intervals.possible, { most: 100_000, short: 8 }, new Work(Number.POSITIVE_INFINITY));

describe('trees of searches', () => {
  test('what stands behind an entry that takes all is cut off at once, not place by place', () => {
    const wide = Array.from({ length: 12 }, (_, index) => [0, PLACES - 1, index, index + 500] as const);
    const hosts = Array.from({ length: 12 }, (_, index) => [100 + 60 * index, 100 + 60 * index, 0, PLACES - 1] as const);
    const tree = grow(intervalsOf([...hosts, [60, 940, 0, PLACES - 1], ...wide]));
    const hops = Array.from({ length: PLACES }, (_, place) => descend(tree, [place, 505]).hops);
    expect(Math.max(...hops)).toBeLessThan(16);
    expect(tree.nodes).toBeLessThan(200);
  });

  const place = fc.nat(PLACES - 1);
  const span = fc.oneof(
    fc.constant([0, PLACES - 1] as const),
    fc.tuple(place, fc.nat(200)).map(([low, more]) => [low, Math.min(PLACES - 1, low + more)] as const),
  );
  const entry = fc.tuple(span, span).map(([one, other]) => [...one, ...other] as const);

  test('a leaf has the first entry that takes a packet', () => {
    const property = fc.property(
      fc.array(entry, { minLength: 100, maxLength: 300 }),
      fc.array(fc.tuple(place, place), { minLength: 200, maxLength: 200 }),
      (entries, packets) => {
        const tree = grow(intervalsOf(entries));
        for (const [x, y] of packets) {
          const takes = (number: number): boolean => {
            const [left, right, low, high] = entries[number]!;
            return left <= x && x <= right && low <= y && y <= high;
          };
          expect(listed(tree, [x, y]).find(takes)).toBe([...entries.keys()].find(takes));
        }
      },
    );
    fc.assert(property, { seed: SEED, numRuns: 20 });
  });

  test('whole packets meet nothing that only fragments meet, and what only those meet is left at the root', () => {
    const hosts = Array.from({ length: 200 }, (_, index) => index);
    const fragments = hosts.map((host) => [1, 1, host, host] as const);
    const whole = hosts.map((host) => [0, 0, host, host] as const);
    const intervals = intervalsOf([...fragments, ...whole, [0, PLACES - 1, 0, PLACES - 1]], [FIELD_FRAGMENT, FIELD_SOURCE]);
    const budget = { base: 10_000, copies: 8, groups: 8, short: 8 };
    const groups = growGroups(intervals, budget, new Work(Number.POSITIVE_INFINITY));
    expect(groups.map(({ members }) => members.length)).toEqual([201, 200]);
    const [usual, other] = groups.map(({ tree }) => tree);
    for (const host of hosts) {
      expect(listed(usual!, [0, host]).some((entry) => entry === 200 + host)).toBe(true);
      expect(descend(other!, [0, host]).hops).toBe(1);
      expect(listed(other!, [0, host])).toEqual([]);
      expect(listed(usual!, [1, host])).toEqual([400]);
      expect(listed(other!, [1, host])).toContain(host);
    }
  });

  test('leaves are left when few tests are open there: one or two of each entry', () => {
    const hosts = Array.from({ length: 960 }, (_, index) => [index, index, 0, PLACES - 1] as const);
    // Where 960 entries are open in one field, and where they are in two.
    const pairs = hosts.map(([host]) => [host, host, host % 31, host % 31] as const);
    const [one, both] = [hosts, pairs].map((entries) => grow(intervalsOf(entries)));
    for (const [tree, most] of [
      [one!, 6],
      [both!, 3],
    ] as const) {
      expect(tree.longest).toBeLessThanOrEqual(most);
      const leaves = (tree.nodes + 1) / 2;
      expect(leaves).toBeLessThanOrEqual((4 * 960) / most);
      expect(leaves).toBeGreaterThanOrEqual(960 / most);
    }
  });

  test('a group may leave out more entries than a call has room for', () => {
    const narrow = Array.from({ length: 20_000 }, (_, index) => [index % PLACES, index % PLACES, 0, PLACES - 2] as const);
    const wide = Array.from({ length: 150_000 }, (_, index) => [0, PLACES - 2, index % 500, PLACES - 2] as const);
    const budget = { base: 0, copies: 1, groups: 2, short: 8 };
    const groups = growGroups(intervalsOf([...narrow, ...wide]), budget, new Work(Number.POSITIVE_INFINITY));
    expect(groups.length).toBeGreaterThan(1);
    const found = new Set(groups.flatMap(({ members, from }) => members.filter((member) => member >= from)));
    expect(found.size).toBe(narrow.length + wide.length);
  });
});
