/** Pass: writes searches: the trees of their groups, and what is behind their entries. */

import { FIELD_COUNT } from '../../abi/fields.ts';
import { FOUND, REF_EDGE } from '../../abi/program.ts';
import { Box, type Decision, FALSE, TRUE, UNKNOWN } from '../box.ts';
import type { Code } from '../code.ts';
import type { Entry } from '../steps.ts';
import type { CompiledTest } from '../tests.ts';
import type { Group } from './groups.ts';
import type { Dimension, Intervals } from './intervals.ts';
import { INSIDE, OTHER, type PlainTests } from './plain.ts';
import type { SearchTree } from './search-tree.ts';

const NODE_WORDS = 4;

/** Writes a group's tree; the reference of its root. */
export function emitSearchTree({ tree, from }: Group, entries: readonly Entry[], intervals: Intervals, code: Code): number {
  return new Emitter(tree, from, entries, intervals, code).run();
}

class Emitter {
  private readonly tree: SearchTree;
  private readonly from: number;
  private readonly entries: readonly Entry[];
  private readonly dimensions: readonly Dimension[];
  private readonly plain: PlainTests;
  private readonly code: Code;
  /** By node: the reference of what stands for it. */
  private readonly references: Uint32Array;
  /** The box of the leaf at hand; the same as a box, which is filled where one is asked. */
  private readonly low = new Uint32Array(FIELD_COUNT);
  private readonly high = new Uint32Array(FIELD_COUNT).fill(0xffffffff);
  private readonly boxLow = new Array<number>(FIELD_COUNT).fill(0);
  private readonly boxHigh = new Array<number>(FIELD_COUNT).fill(0xffffffff);
  private readonly box = Box.between(this.boxLow, this.boxHigh);
  /** An entry's tests that the box leaves open. */
  private readonly open: CompiledTest[] = [];

  constructor(tree: SearchTree, from: number, entries: readonly Entry[], { dimensions, plain }: Intervals, code: Code) {
    this.tree = tree;
    this.from = from;
    this.entries = entries;
    this.dimensions = dimensions;
    this.plain = plain;
    this.code = code;
    this.references = new Uint32Array(tree.nodes);
  }

  run(): number {
    const { tree, code, references } = this;
    const { dimension, at, child } = tree;
    this.leaves();
    for (let node = tree.nodes - 1; node >= 0; node--) {
      const left = child.values[node]!;
      if (!tree.isLeaf(node) && references[left] !== 0 && references[left] === references[left + 1])
        references[node] = references[left]!;
    }
    const inner: number[] = [];
    for (let node = 0; node < tree.nodes; node++) {
      if (references[node] !== 0) continue;
      references[node] = code.reserve(NODE_WORDS);
      inner.push(node);
    }
    for (let index = 0; index < inner.length; index++) {
      const node = inner[index]!;
      const { field, ends } = this.dimensions[dimension.values[node]!]!;
      const left = child.values[node]!;
      code.binaryNode(references[node]!, field, ends[at.values[node]!]!, references[left]!, references[left + 1]!);
    }
    return references[0]!;
  }

  /** Writes the leaves, from left to right. */
  private leaves(): void {
    const { tree, low, high, dimensions, references } = this;
    const { dimension, at, child, parent } = tree;
    // Of each node above: the last value of its field while its left side is written, then the first one.
    const bounds = new Uint32Array(tree.nodes);
    for (let node = 0; ; ) {
      for (; !tree.isLeaf(node); node = child.values[node]!) {
        const { field, ends } = dimensions[dimension.values[node]!]!;
        bounds[node] = high[field]!;
        high[field] = ends[at.values[node]!]!;
      }
      references[node] = this.leaf(node) | REF_EDGE;
      for (let above = parent.values[node]!; ; above = parent.values[node]!) {
        if (above < 0) return;
        const { field, ends } = dimensions[dimension.values[above]!]!;
        if (node === child.values[above]) {
          high[field] = bounds[above]!;
          bounds[above] = low[field]!;
          low[field] = ends[at.values[above]!]! + 1;
          node++;
          break;
        }
        low[field] = bounds[above]!;
        node = above;
      }
    }
  }

  /** The offset of a leaf's edge; many lead to the same. */
  private leaf(node: number): number {
    const { tree, entries } = this;
    const from = tree.from.values[node]!;
    let next = found(entries.length);
    for (let index = from + tree.count.values[node]! - 1; index >= from; index--) {
      next = this.before(next, tree.lists.values[index]!);
    }
    return this.code.edge({ rope: 0, evaluations: 0, next });
  }

  /** What comes first when an entry stands before the others. */
  private before(next: number, entry: number): number {
    const { open } = this;
    const { from, ids, tests } = this.plain;
    let left = 0;
    for (let index = from[entry]!; index < from[entry + 1]!; index++) {
      const id = ids[index]!;
      const decision = this.decide(id);
      if (decision === FALSE) return next;
      if (decision !== TRUE) open[left++] = tests[id]!;
    }
    // Another group finds it; behind it nothing is met.
    if (entry < this.from) return left === 0 ? found(this.entries.length) : next;
    return left === 0 ? found(entry) : this.code.searchedStep(open, left, found(entry), next);
  }

  /** As the leaf's box decides the test. */
  private decide(id: number): Decision {
    const { plain, low, high } = this;
    const kind = plain.kind[id]!;
    if (kind === OTHER) return this.decideOther(id);
    const field = plain.field[id]!;
    const first = plain.low[id]!;
    const last = plain.high[id]!;
    if (first > high[field]! || last < low[field]!) return kind === INSIDE ? FALSE : TRUE;
    if (first > low[field]! || last < high[field]!) return UNKNOWN;
    return kind === INSIDE ? TRUE : FALSE;
  }

  private decideOther(id: number): Decision {
    for (let field = 0; field < FIELD_COUNT; field++) {
      this.boxLow[field] = this.low[field]!;
      this.boxHigh[field] = this.high[field]!;
    }
    return this.box.decide(this.plain.tests[id]!);
  }
}

const found = (entry: number): number => entry * 2 + FOUND;
