/** Trees of searches: how far down a packet goes, and what is there. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { growTree, type SearchTree } from '../../src/compile/search/grow.ts';
import type { Intervals } from '../../src/compile/search/intervals.ts';
import { Work } from '../../src/compile/steps.ts';
import { SEED } from '../seed.ts';

const PLACES = 1000;

/** Entries as [first, last] of each of two dimensions, which they do not ask more than. */
function intervalsOf(entries: readonly (readonly [number, number, number, number])[]): Intervals {
  const ends = Uint32Array.from({ length: PLACES }, (_, place) => place);
  const column = (index: number): Uint32Array => Uint32Array.from(entries, (entry) => entry[index]!);
  return {
    possible: [...entries.keys()],
    dimensions: [0, 1].map((field) => ({ field, ends, first: column(2 * field), last: column(2 * field + 1) })),
    exact: new Uint8Array(entries.length).fill(1),
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
          const { node } = descend(tree, [x, y]);
          const from = tree.from.values[node]!;
          const listed = [...tree.lists.values.subarray(from, from + tree.count.values[node]!)];
          expect(listed.find(takes)).toBe([...entries.keys()].find(takes));
        }
      },
    );
    fc.assert(property, { seed: SEED, numRuns: 20 });
  });
});
