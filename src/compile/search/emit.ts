/** Pass: writes searches: the trees of their groups, and what is behind their entries. */

import { FIELD_COUNT } from '../../abi/fields.ts';
import { END_HIT, FOUND, REF_EDGE } from '../../abi/program.ts';
import { Box, FALSE, TRUE } from '../box.ts';
import type { Code, CodeEdge } from '../code.ts';
import { type Entry, NO_DROPS } from '../steps.ts';
import type { SearchTree } from './grow.ts';
import { type Dimension, type Intervals, wholeBox } from './intervals.ts';

const NODE_WORDS = 4;

/** Writes a tree; the reference of its root. */
export function emitSearchTree(tree: SearchTree, entries: readonly Entry[], intervals: Intervals, code: Code): number {
  return new Emitter(tree, entries, intervals.dimensions, code).run();
}

class Emitter {
  private readonly tree: SearchTree;
  private readonly entries: readonly Entry[];
  private readonly dimensions: readonly Dimension[];
  private readonly code: Code;
  /** Offsets, by what they lead to. */
  private readonly edges = new Map<number, number>();
  /** The box of the leaf at hand. */
  private readonly low = new Array<number>(FIELD_COUNT).fill(0);
  private readonly high = new Array<number>(FIELD_COUNT).fill(0xffffffff);
  private readonly whole: Int32Array;
  private readonly places: Int32Array;
  private readonly box = Box.between(this.low, this.high);

  constructor(tree: SearchTree, entries: readonly Entry[], dimensions: readonly Dimension[], code: Code) {
    this.tree = tree;
    this.entries = entries;
    this.dimensions = dimensions;
    this.code = code;
    this.whole = wholeBox(dimensions);
    this.places = this.whole.slice();
  }

  run(): number {
    const { tree, code } = this;
    const { dimension, at, child } = tree;
    // By node: the reference of what stands for it.
    const references = new Uint32Array(tree.nodes);
    for (let node = tree.nodes - 1; node >= 0; node--) {
      const left = child.values[node]!;
      if (tree.isLeaf(node)) references[node] = this.leaf(node) | REF_EDGE;
      else if (references[left] !== 0 && references[left] === references[left + 1]) references[node] = references[left]!;
    }
    const inner: number[] = [];
    for (let node = 0; node < tree.nodes; node++) {
      if (references[node] !== 0) continue;
      references[node] = code.reserve(NODE_WORDS);
      inner.push(node);
    }
    for (const node of inner) {
      const { field, ends } = this.dimensions[dimension.values[node]!]!;
      const left = child.values[node]!;
      code.binaryNode(references[node]!, field, ends[at.values[node]!]!, references[left]!, references[left + 1]!);
    }
    return references[0]!;
  }

  /** The offset of a leaf's edge. */
  private leaf(node: number): number {
    const { tree, entries, low, high, dimensions } = this;
    tree.boxOf(node, this.whole, this.places);
    for (let index = 0; index < dimensions.length; index++) {
      const { field, ends } = dimensions[index]!;
      const first = this.places[2 * index]!;
      low[field] = first === 0 ? 0 : ends[first - 1]! + 1;
      high[field] = ends[this.places[2 * index + 1]!]!;
    }
    const from = tree.from.values[node]!;
    let next = found(entries.length);
    for (let index = from + tree.count.values[node]! - 1; index >= from; index--) {
      next = this.before(next, tree.lists.values[index]!);
    }
    return this.edge(next);
  }

  /** Many leaves lead to the same. */
  private edge(next: number): number {
    const known = this.edges.get(next);
    if (known !== undefined) return known;
    const offset = this.code.edge(quiet(next));
    this.edges.set(next, offset);
    return offset;
  }

  /** What comes first when an entry stands before the others. */
  private before(next: number, entry: number): number {
    const tests = [];
    for (const test of this.entries[entry]!.tests) {
      const decision = this.box.decide(test);
      if (decision === FALSE) return next;
      if (decision !== TRUE) tests.push(test);
    }
    if (tests.length === 0) return found(entry);
    return this.code.testStep(tests, END_HIT, quiet(found(entry)), quiet(next), NO_DROPS);
  }
}

/** An edge on which nothing happens. */
const quiet = (next: number): CodeEdge => ({ rope: 0, evaluations: 0, next });

const found = (entry: number): number => entry * 2 + FOUND;
