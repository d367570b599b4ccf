/** Grows a tree over some of the entries of a search, level by level, on plain arrays of numbers. */

import { Numbers } from '../numbers.ts';
import type { Work } from '../steps.ts';
import { CutFinder } from './cut.ts';
import { type Dimension, type Intervals, placeOf } from './intervals.ts';
import { type UsualCut, usualCuts } from './usual.ts';

/** Leaves of no more than this are left alone: their tests cost no more than nodes would. */
const FINE = 2;

/** Nodes in arrays; number 0 is the root, and the children of a node are two neighbours behind it. */
export class SearchTree {
  /** Index of the dimension that is cut, -1 in a leaf. */
  readonly dimension = new Numbers();
  /** The last place of the left child. */
  readonly at = new Numbers();
  /** The left child. */
  readonly child = new Numbers();
  /** Where in `lists` the node's entries stand, ascending, and how many; the last is met by all packets when `closed` is 1. */
  readonly from = new Numbers();
  readonly count = new Numbers();
  readonly closed = new Numbers();
  /** First and last place of each dimension, of each node. */
  readonly boxes = new Numbers();
  readonly lists = new Numbers();
  /** Entries in all leaves. */
  copies = 0;
  /** Entries in the largest leaf, without one that all packets meet. */
  longest = 0;

  get nodes(): number {
    return this.dimension.length;
  }

  add(from: number, count: number, closed: number): void {
    this.dimension.push(-1);
    this.at.push(0);
    this.child.push(0);
    this.from.push(from);
    this.count.push(count);
    this.closed.push(closed);
  }

  isLeaf(node: number): boolean {
    return this.dimension.values[node] === -1;
  }

  undecided(node: number): number {
    return this.count.values[node]! - this.closed.values[node]!;
  }
}

/** What a tree may cost. */
export interface TreeBudget {
  /** Entries in all leaves. */
  most: number;
  /** Leaves of more undecided entries than this are cut first. */
  short: number;
}

/** A tree over `members` (ascending), as far as the budget goes. */
export function growTree(intervals: Intervals, members: readonly number[], budget: TreeBudget, work: Work): SearchTree {
  return new Grower(intervals, budget, work).run(members);
}

/** A tree that was grown over other entries. */
export interface OldTree {
  tree: SearchTree;
  /** By number of an entry then: its number now, or -1. They stand in the same order. */
  numbers: Int32Array;
  /** Of then; all their places are told apart now, too. */
  dimensions: readonly Dimension[];
  /** First and last place now, in each dimension, of every entry that was not there, or is no more. */
  changed: readonly Int32Array[];
}

/** As `growTree`, but cut as the old tree is; where no changed entry reaches to, nothing is looked at. */
export function regrowTree(
  intervals: Intervals,
  members: readonly number[],
  budget: TreeBudget,
  work: Work,
  old: OldTree,
): SearchTree {
  return new Grower(intervals, budget, work).rerun(members, old);
}

class Grower {
  private readonly tree = new SearchTree();
  private readonly budget: TreeBudget;
  private readonly work: Work;
  private readonly finder: CutFinder;
  private readonly intervals: Intervals;
  private readonly firsts: readonly Uint32Array[];
  private readonly lasts: readonly Uint32Array[];
  /** Numbers that say where a node's box is. */
  private readonly width: number;

  constructor(intervals: Intervals, budget: TreeBudget, work: Work) {
    this.intervals = intervals;
    this.budget = budget;
    this.work = work;
    this.finder = new CutFinder(intervals);
    this.firsts = intervals.dimensions.map(({ first }) => first);
    this.lasts = intervals.dimensions.map(({ last }) => last);
    this.width = 2 * intervals.dimensions.length;
  }

  run(members: readonly number[]): SearchTree {
    this.root(members);
    this.setApart();
    return this.finish();
  }

  /** Cuts off what is unusual at the root, where that does not make everything twice. */
  private setApart(): void {
    let usual = 0;
    for (const cut of usualCuts(this.intervals)) {
      if (this.copied(usual, cut) * 2 > this.tree.count.values[usual]!) continue;
      this.cut(usual, cut.dimension, cut.at);
      usual = this.tree.child.values[usual]! + (cut.side === 'left' ? 0 : 1);
    }
  }

  /** How many of a node's entries lie on both sides of a cut. */
  private copied(node: number, { dimension, at }: UsualCut): number {
    const { from, count, lists } = this.tree;
    const first = this.firsts[dimension]!;
    const last = this.lasts[dimension]!;
    const start = from.values[node]!;
    let both = 0;
    for (let index = start; index < start + count.values[node]!; index++) {
      const entry = lists.values[index]!;
      if (first[entry]! <= at && last[entry]! > at) both++;
    }
    return both;
  }

  rerun(members: readonly number[], old: OldTree): SearchTree {
    this.root(members);
    this.follow(old);
    return this.finish();
  }

  /** Cuts as the old tree does. Where no changed entry reaches to, lists are only kept in leaves, which have what they had. */
  private follow(old: OldTree): void {
    const { tree } = this;
    const { dimensions } = this.intervals;
    const indices = old.dimensions.map(({ field }) => dimensions.findIndex((one) => one.field === field));
    const nodes = [0];
    // Of each node the changed entries that reach into the node above it: no others reach into its part.
    const near = [old.changed];
    tree.copies = 0;
    for (let node = 0; node < tree.nodes; node++) {
      const was = nodes[node]!;
      this.work.units += near[node]!.length;
      const here = near[node]!.filter((places) => this.reaches(places, node));
      const reached = here.length > 0;
      if (old.tree.isLeaf(was)) {
        if (!reached) this.take(node, old, was);
        tree.copies += tree.count.values[node]!;
        continue;
      }
      const before = old.tree.dimension.values[was]!;
      const dimension = indices[before]!;
      const at = placeOf(dimensions[dimension]!.ends, old.dimensions[before]!.ends[old.tree.at.values[was]!]!);
      if (reached) this.work.units += tree.count.values[node]!;
      else tree.count.values[node] = 0;
      const { copies } = tree;
      this.cut(node, dimension, at);
      tree.copies = copies;
      const child = old.tree.child.values[was]!;
      nodes.push(child, child + 1);
      near.push(here, here);
    }
  }

  private reaches(places: Int32Array, node: number): boolean {
    const { values } = this.tree.boxes;
    for (let index = 0; index < this.width; index += 2) {
      if (places[index]! > values[node * this.width + index + 1]!) return false;
      if (places[index + 1]! < values[node * this.width + index]!) return false;
    }
    return true;
  }

  /** The entries of a leaf of the old tree. */
  private take(node: number, { tree: old, numbers }: OldTree, was: number): void {
    const { tree } = this;
    const from = old.from.values[was]!;
    const count = old.count.values[was]!;
    tree.from.values[node] = tree.lists.length;
    tree.count.values[node] = count;
    tree.closed.values[node] = old.closed.values[was]!;
    for (let index = from; index < from + count; index++) tree.lists.push(numbers[old.lists.values[index]!]!);
  }

  private finish(): SearchTree {
    const { tree } = this;
    const { most, short } = this.budget;
    // Long lists first: what can be afforded is spent where it does most.
    for (const small of [short, FINE]) {
      for (let node = 0; node < tree.nodes && tree.copies < most; node++) {
        if (tree.isLeaf(node) && tree.undecided(node) > small) this.split(node);
      }
    }
    for (let node = 0; node < tree.nodes; node++) {
      if (tree.isLeaf(node)) tree.longest = Math.max(tree.longest, tree.undecided(node));
    }
    return tree;
  }

  private root(members: readonly number[]): void {
    const { tree, intervals } = this;
    for (const member of members) tree.lists.push(member);
    for (const { ends } of intervals.dimensions) {
      tree.boxes.push(0);
      tree.boxes.push(ends.length - 1);
    }
    tree.copies = this.fill(0, members.length, 0);
  }

  private split(node: number): void {
    const { tree, finder, width } = this;
    const count = tree.count.values[node]!;
    this.work.units += count;
    finder.find(tree.lists.values, tree.from.values[node]!, count, tree.boxes.values, node * width);
    if (finder.dimension >= 0) this.cut(node, finder.dimension, finder.at);
  }

  private cut(node: number, dimension: number, at: number): void {
    const { tree, width } = this;
    const count = tree.count.values[node]!;
    const place = node * width + 2 * dimension;
    const [low, high] = [tree.boxes.values[place]!, tree.boxes.values[place + 1]!];
    tree.dimension.values[node] = dimension;
    tree.at.values[node] = at;
    tree.child.values[node] = tree.nodes;
    tree.copies += this.part(node, dimension, low, at) + this.part(node, dimension, at + 1, high) - count;
  }

  /** A child of the node, which lies from place `low` to `high` of a dimension; the number of its entries. */
  private part(node: number, dimension: number, low: number, high: number): number {
    const { boxes, from, count } = this.tree;
    const { width } = this;
    boxes.reserve(width);
    const at = boxes.length;
    boxes.values.copyWithin(at, node * width, (node + 1) * width);
    boxes.values[at + 2 * dimension] = low;
    boxes.values[at + 2 * dimension + 1] = high;
    boxes.length += width;
    return this.fill(from.values[node]!, count.values[node]!, dimension);
  }

  /** The next node, whose box is there, with those of the `count` entries from `from` on that reach into it in a dimension; their number. */
  private fill(from: number, count: number, dimension: number): number {
    const { tree } = this;
    const { lists } = tree;
    lists.reserve(count);
    const { values } = lists;
    const first = this.firsts[dimension];
    const last = this.lasts[dimension];
    const box = tree.nodes * this.width;
    const low = tree.boxes.values[box + 2 * dimension]!;
    const high = tree.boxes.values[box + 2 * dimension + 1]!;
    const start = lists.length;
    let to = start;
    let closed = 0;
    for (let index = from; index < from + count; index++) {
      const entry = values[index]!;
      if (first !== undefined && (first[entry]! > high || last![entry]! < low)) continue;
      values[to++] = entry;
      if (!this.fillsBox(entry, box)) continue;
      // What stands behind is never met.
      closed = 1;
      break;
    }
    lists.length = to;
    tree.add(start, to - start, closed);
    return to - start;
  }

  private fillsBox(entry: number, box: number): boolean {
    const { firsts, lasts } = this;
    const places = this.tree.boxes.values;
    if (this.intervals.exact[entry] === 0) return false;
    for (let dimension = 0; dimension < firsts.length; dimension++) {
      if (firsts[dimension]![entry]! > places[box + 2 * dimension]!) return false;
      if (lasts[dimension]![entry]! < places[box + 2 * dimension + 1]!) return false;
    }
    return true;
  }
}
