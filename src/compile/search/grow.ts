/** Grows a tree over some of the entries of a search, level by level, on plain arrays of numbers. */

import { Numbers } from '../numbers.ts';
import type { Work } from '../steps.ts';
import type { Sample } from '../traffic.ts';
import { CutFinder } from './cut.ts';
import { type Dimension, type Intervals, placeOf, wholeBox } from './intervals.ts';
import { SearchTree } from './search-tree.ts';
import { type Seen, seenBy } from './seen.ts';
import { type UsualCut, usualCuts } from './usual.ts';

/** Leaves with no more open tests than this are left alone: these cost no more than nodes would, for the first that fails leaves the others out. */
const FINE = 6;

/** A leaf that more packets of a sample come to than one in so many is left fewer open tests. */
const BUSY = 1000;
const BUSY_FINE = 4;
/** For those, one more in so many entries than the budget has. */
const SPARE = 8;

/** What a tree may cost. */
export interface TreeBudget {
  /** Entries in all leaves. */
  most: number;
  /** Leaves of more undecided entries than this are cut first. */
  short: number;
}

/** A tree over `members` (ascending), as far as the budget goes. `sample`: packets that come to it. `finder`: of the intervals; its memory serves one tree after the other. */
export function growTree(
  intervals: Intervals,
  members: readonly number[],
  budget: TreeBudget,
  work: Work,
  sample: Sample | null = null,
  finder = new CutFinder(intervals),
): SearchTree {
  return new Grower(intervals, budget, work, sample, finder).run(members);
}

/** A tree that was grown over other entries. */
export interface OldTree {
  tree: SearchTree;
  /** By number of an entry then: its number now, or -1. They stand in the same order. */
  numbers: Int32Array;
  /** Of then; all their places are told apart now, too. */
  dimensions: readonly Dimension[];
  /** Every entry that was not there, or is no more. */
  changed: readonly ChangedEntry[];
}

export interface ChangedEntry {
  /** Its number now; -1 when it is no more. */
  entry: number;
  /** First and last place now, in each dimension. */
  places: Int32Array;
}

/** As `growTree`, but cut as the old tree is; where no changed entry reaches to, nothing is looked at. */
export function regrowTree(
  intervals: Intervals,
  members: readonly number[],
  budget: TreeBudget,
  work: Work,
  old: OldTree,
  sample: Sample | null = null,
): SearchTree {
  return new Grower(intervals, budget, work, sample, new CutFinder(intervals)).rerun(members, old);
}

class Grower {
  private readonly tree = new SearchTree();
  private readonly budget: TreeBudget;
  private readonly work: Work;
  private readonly finder: CutFinder;
  private readonly intervals: Intervals;
  /** By entry, `stride` words each: first and last place of each dimension. */
  private readonly bounds: Int32Array;
  private readonly stride: number;
  /** First and last place of each dimension: of all, and of the node at hand. */
  private readonly whole: Int32Array;
  private readonly box: Int32Array;
  /** Of each node, bits of dimensions that all its entries are known to fill. */
  private readonly settled = new Numbers();
  private readonly seen: Seen | null;

  constructor(intervals: Intervals, budget: TreeBudget, work: Work, sample: Sample | null, finder: CutFinder) {
    this.intervals = intervals;
    this.budget = budget;
    this.work = work;
    this.finder = finder;
    this.bounds = finder.bounds;
    this.stride = 2 * intervals.dimensions.length;
    this.whole = wholeBox(intervals.dimensions);
    this.box = this.whole.slice();
    this.seen = sample === null ? null : seenBy(sample, intervals.dimensions);
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
      this.tree.boxOf(usual, this.whole, this.box);
      this.cut(usual, cut.dimension, cut.at);
      usual = this.tree.child.values[usual]! + (cut.side === 'left' ? 0 : 1);
    }
  }

  /** How many of a node's entries lie on both sides of a cut. */
  private copied(node: number, { dimension, at }: UsualCut): number {
    const { from, count, lists } = this.tree;
    const { bounds, stride } = this;
    const start = from.values[node]!;
    let both = 0;
    for (let index = start; index < start + count.values[node]!; index++) {
      const bound = lists.values[index]! * stride + 2 * dimension;
      if (bounds[bound]! <= at && bounds[bound + 1]! > at) both++;
    }
    return both;
  }

  rerun(members: readonly number[], old: OldTree): SearchTree {
    this.root(members);
    this.follow(members, old);
    return this.finish();
  }

  /** Cuts as the old tree does. Lists are only kept in leaves, which have what they had but for the changed entries that reach there. */
  private follow(members: readonly number[], old: OldTree): void {
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
      tree.boxOf(node, this.whole, this.box);
      const here = near[node]!.filter(({ places }) => this.reaches(places));
      if (old.tree.isLeaf(was)) {
        this.take(node, old, was);
        if (here.length > 0) this.change(node, members, here, old, was);
        tree.copies += tree.count.values[node]!;
        continue;
      }
      const before = old.tree.dimension.values[was]!;
      const dimension = indices[before]!;
      const at = placeOf(dimensions[dimension]!.ends, old.dimensions[before]!.ends[old.tree.at.values[was]!]!);
      tree.count.values[node] = 0;
      const { copies } = tree;
      this.cut(node, dimension, at);
      tree.copies = copies;
      const child = old.tree.child.values[was]!;
      nodes.push(child, child + 1);
      near.push(here, here);
    }
  }

  /** Whether an entry's places reach into the box at hand. */
  private reaches(places: Int32Array): boolean {
    const { box } = this;
    for (let index = 0; index < box.length; index += 2) {
      if (places[index]! > box[index + 1]! || places[index + 1]! < box[index]!) return false;
    }
    return true;
  }

  /** Changes the entries of a leaf, whose box is at hand. Those behind one that all packets met are in no list: where that is no more, all members are looked through. */
  private change(
    node: number,
    members: readonly number[],
    here: readonly ChangedEntry[],
    { tree: old, numbers }: OldTree,
    was: number,
  ): void {
    const { lists, from, count } = this.tree;
    const last = old.lists.values[old.from.values[was]! + old.count.values[was]! - 1];
    const isOpened = old.closed.values[was] === 1 && numbers[last!] === -1;
    const kept = Array.from(lists.values.subarray(from.values[node]!, lists.length)).filter((entry) => entry >= 0);
    const added = here.flatMap(({ entry }) => (entry < 0 ? [] : [entry]));
    const all = isOpened ? members : [...kept, ...added].sort((one, other) => one - other);
    this.work.units += all.length;
    const found = all.filter((entry) => this.lies(entry));
    const end = found.findIndex((entry) => this.fillsBox(entry, 0));
    lists.length = from.values[node]!;
    for (const entry of end < 0 ? found : found.slice(0, end + 1)) lists.push(entry);
    count.values[node] = lists.length - from.values[node]!;
    this.tree.closed.values[node] = end < 0 ? 0 : 1;
  }

  /** Whether an entry reaches into the box at hand. */
  private lies(entry: number): boolean {
    const { bounds, stride, box } = this;
    const bound = entry * stride;
    for (let place = 0; place < stride; place += 2) {
      if (bounds[bound + place]! > box[place + 1]! || bounds[bound + place + 1]! < box[place]!) return false;
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
    // Long lists first, then those that many packets meet: what can be afforded is spent where it does most.
    this.splitAll(most, (node) => tree.undecided(node) > short);
    if (this.seen !== null) this.splitAll(most + most / SPARE, (node) => this.isBusy(node) && this.openTests(node) > BUSY_FINE);
    this.splitAll(most, (node) => this.openTests(node) > FINE);
    for (let node = 0; node < tree.nodes; node++) {
      if (tree.isLeaf(node)) tree.longest = Math.max(tree.longest, tree.undecided(node));
    }
    return tree;
  }

  /** Splits leaves as long as there are such, and `most` entries in all leaves are not reached. */
  private splitAll(most: number, isLong: (leaf: number) => boolean): void {
    const { tree } = this;
    for (let node = 0; node < tree.nodes && tree.copies < most; node++) {
      if (tree.isLeaf(node) && isLong(node)) this.split(node);
    }
  }

  /** Dimensions that the entries of a leaf do not fill, all together: as many tests are left there. Not counted much beyond FINE. */
  private openTests(node: number): number {
    const { tree, bounds, stride, box } = this;
    tree.boxOf(node, this.whole, box);
    const from = tree.from.values[node]!;
    const to = from + tree.undecided(node);
    let open = 0;
    for (let index = from; index < to && open <= FINE; index++) {
      const bound = tree.lists.values[index]! * stride;
      for (let place = 0; place < stride; place += 2) {
        if (bounds[bound + place]! > box[place]! || bounds[bound + place + 1]! < box[place + 1]!) open++;
      }
    }
    return open;
  }

  /** Whether so many packets were seen in a leaf that its tests cost more than nodes would. */
  private isBusy(node: number): boolean {
    const { values } = this.seen!.count;
    return values[node]! * BUSY > values[0]!;
  }

  private root(members: readonly number[]): void {
    const { tree } = this;
    tree.makeRoom(2 * members.length);
    for (const member of members) tree.lists.push(member);
    this.box.set(this.whole);
    tree.copies = this.fill(-1, 0, members.length, 0, 0);
  }

  private split(node: number): void {
    const { tree, finder, box } = this;
    const count = tree.count.values[node]!;
    this.work.units += count + (this.seen?.count.values[node] ?? 0);
    tree.boxOf(node, this.whole, box);
    finder.find(tree.lists.values, tree.from.values[node]!, count, box, this.settled.values[node]!, this.seen, node);
    this.settled.values[node] = finder.settled;
    if (finder.dimension >= 0) this.cut(node, finder.dimension, finder.at);
  }

  /** Cuts a node whose box is at hand. */
  private cut(node: number, dimension: number, at: number): void {
    const { tree, box } = this;
    const count = tree.count.values[node]!;
    tree.makeRoom(2 * count);
    const high = box[2 * dimension + 1]!;
    tree.dimension.values[node] = dimension;
    tree.at.values[node] = at;
    tree.child.values[node] = tree.nodes;
    box[2 * dimension + 1] = at;
    tree.copies += this.part(node, dimension) - count;
    box[2 * dimension] = at + 1;
    box[2 * dimension + 1] = high;
    tree.copies += this.part(node, dimension);
    this.seen?.cut(node, dimension, at);
  }

  /** The next child of a node that was cut in a dimension, whose box is at hand; the number of its entries. */
  private part(node: number, dimension: number): number {
    const { from, count } = this.tree;
    return this.fill(node, from.values[node]!, count.values[node]!, dimension, this.settled.values[node]!);
  }

  /** The next node, with those of the `count` entries from `from` on that reach into the box at hand in a dimension; their number. */
  private fill(parent: number, from: number, count: number, dimension: number, settled: number): number {
    const { tree, bounds, stride } = this;
    const { lists } = tree;
    const { values } = lists;
    const place = 2 * dimension;
    const low = this.box[place] ?? 0;
    const high = this.box[place + 1] ?? 0;
    const start = lists.length;
    let to = start;
    let closed = 0;
    for (let index = from; index < from + count; index++) {
      const entry = values[index]!;
      if (stride > 0 && (bounds[entry * stride + place]! > high || bounds[entry * stride + place + 1]! < low)) continue;
      values[to++] = entry;
      if (!this.fillsBox(entry, settled)) continue;
      // What stands behind is never met.
      closed = 1;
      break;
    }
    lists.length = to;
    tree.add(parent, start, to - start, closed);
    this.settled.push(settled);
    return to - start;
  }

  private fillsBox(entry: number, settled: number): boolean {
    const { bounds, stride, box } = this;
    if (this.intervals.exact[entry] === 0) return false;
    const bound = entry * stride;
    for (let place = 0, left = settled; place < stride; place += 2, left >>>= 1) {
      if ((left & 1) !== 0) continue;
      if (bounds[bound + place]! > box[place]! || bounds[bound + place + 1]! < box[place + 1]!) return false;
    }
    return true;
  }
}
