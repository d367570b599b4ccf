/** Splits the entries of a search into groups, each with a tree: where one tree would copy much, those that are wide where the others are narrow get a tree of their own. */
import type { Work } from '../steps.ts';
import type { Sample } from '../traffic.ts';
import { CutFinder } from './cut.ts';
import { frontParts } from './front.ts';
import { growTree, type TreeBudget } from './grow.ts';
import type { Intervals } from './intervals.ts';
import type { SearchTree } from './search-tree.ts';
import { usualParts } from './usual.ts';

export interface GroupBudget {
  /** Entries in the leaves of a tree: so many, and so many times those that are in the group. */
  base: number;
  copies: number;
  /** Groups, at most, of entries that usual packets meet, and as many of others. */
  groups: number;
  /** A tree is a group's when its leaves have no more undecided entries than this; the last group's is whatever it has. */
  short: number;
}

export interface Group {
  tree: SearchTree;
  /** Numbers of its entries, ascending. */
  members: readonly number[];
  /** Entries before this number are other groups', too: here they only say where what stands behind them is not met. */
  from: number;
}

/** Never fails: what the budget does not allow stays in long leaves. */
export function growGroups(intervals: Intervals, budget: GroupBudget, work: Work, sample: Sample | null = null): Group[] {
  const finder = new CutFinder(intervals);
  const parts = usualParts(intervals).flatMap((part) => frontParts(part, intervals, finder));
  return parts.flatMap(({ members: part, from }) => {
    const groups: Group[] = [];
    for (let members = part; members.length > 0; ) {
      const { tree, kept, rest } = growGroup(intervals, members, groups.length + 1 < budget.groups, budget, work, sample, finder);
      groups.push({ tree, members: kept, from });
      members = rest;
    }
    return groups.filter(({ members }) => members.at(-1)! >= from);
  });
}

/** A group of some of the members, and those it leaves out: where `may`, long leaves are a reason to try it with fewer. */
function growGroup(
  intervals: Intervals,
  members: readonly number[],
  may: boolean,
  { base, copies, short }: GroupBudget,
  work: Work,
  sample: Sample | null,
  finder: CutFinder,
): { tree: SearchTree; kept: readonly number[]; rest: number[] } {
  const rest: number[] = [];
  let kept = members;
  for (;;) {
    const tree = growShort(intervals, kept, may, { most: base + copies * kept.length, short }, work, sample, finder);
    if (!may || tree.longest <= short) return { tree, kept, rest: rest.sort((left, right) => left - right) };
    const [narrow, wide] = byWidth(intervals, kept) ?? halves(kept);
    work.units += kept.length;
    kept = narrow;
    // Not all as arguments of one call: there may be more than the stack has room for.
    for (const one of wide) rest.push(one);
  }
}

/** A tree whose leaves are longer than so many times what is short would hardly have short ones if it were cut for all packets. */
const FAR = 3;

/** A tree that suits a sample, where there is one; where that has long leaves (cuts that suit few entries may copy many others), perhaps one that suits all. `may`: as in growGroup. */
function growShort(
  intervals: Intervals,
  members: readonly number[],
  may: boolean,
  budget: TreeBudget,
  work: Work,
  sample: Sample | null,
  finder: CutFinder,
): SearchTree {
  const tree = growTree(intervals, members, budget, work, sample, finder);
  const isFar = tree.longest > FAR * budget.short;
  if (sample === null || tree.longest <= budget.short || (may && isFar)) return tree;
  const plain = growTree(intervals, members, budget, work, null, finder);
  return plain.longest < tree.longest ? plain : tree;
}

/** An entry that reaches into more than one in so many places is wide. */
const WIDE = 16;

/**
 * Those that are narrow and those that are wide in a dimension, which is the one that tells most of the members apart: where fewest reach into a place in the mean. A tree
 * that cuts there copies the wide ones into all its parts. null when all are alike in every dimension.
 */
function byWidth({ dimensions }: Intervals, members: readonly number[]): [narrow: number[], wide: number[]] | null {
  let best: { isWide: (entry: number) => boolean; load: number } | null = null;
  for (const { first, last, ends } of dimensions) {
    const width = (entry: number): number => last[entry]! - first[entry]! + 1;
    const isWide = (entry: number): boolean => width(entry) * WIDE > ends.length;
    let wide = 0;
    let load = 0;
    for (let index = 0; index < members.length; index++) {
      load += width(members[index]!) / ends.length;
      if (isWide(members[index]!)) wide++;
    }
    if (wide > 0 && wide < members.length && (best === null || load < best.load)) best = { isWide, load };
  }
  if (best === null) return null;
  const { isWide } = best;
  return [members.filter((entry) => !isWide(entry)), members.filter(isWide)];
}

function halves(members: readonly number[]): [number[], number[]] {
  const half = members.length >> 1;
  return [members.slice(0, half), members.slice(half)];
}
