/** Trees of searches that were grown before: where rules have changed since, only what the changed ones reach into is grown anew. */
import type { Entry, Work } from '../steps.ts';
import type { CompiledTest } from '../tests.ts';
import type { Sample } from '../traffic.ts';
import type { Group, GroupBudget } from './groups.ts';
import { regrowTree } from './grow.ts';
import { type Dimension, type Intervals, intervalsOf, placeOf } from './intervals.ts';
import { usualTest } from './usual.ts';

/** Of one search: its entries as words, and the groups' trees with their members by number. */
interface KnownSearch {
  entries: readonly string[];
  intervals: Intervals;
  groups: readonly Group[];
}

interface Change {
  numbers: Int32Array;
  added: number[];
  removed: number[];
}

const CHANGED = 64;

/** Kept by whoever compiles again and again. */
export class KnownSearches {
  private readonly searches = new Map<string, KnownSearch>();
  private readonly changed: number;

  /** `changed`: more changed entries than one in so many, and all is grown anew. */
  constructor(changed = CHANGED) {
    this.changed = changed;
  }

  keep(name: string, entries: readonly Entry[], grown: Pick<KnownSearch, 'intervals' | 'groups'>): void {
    this.searches.set(name, { entries: wordsOf(entries), ...grown });
  }

  /** The groups of a search that was known by this name, as its entries are now; null when it was not, or is too different. */
  regrow(
    name: string,
    entries: readonly Entry[],
    budget: GroupBudget,
    work: Work,
    sample: Sample | null = null,
  ): { intervals: Intervals; groups: Group[] } | null {
    const known = this.searches.get(name);
    const change = known === undefined ? null : this.changeOf(known, wordsOf(entries));
    if (known === undefined || change === null) return null;
    const { numbers, added, removed } = change;
    const { dimensions } = known.intervals;
    const intervals = intervalsOf(entries, dimensions);
    const possible = new Set(intervals.possible);
    const homes = homesOf(known);
    const isUsual = usualTest(intervals);
    const groups: Group[] = [];
    for (const group of known.groups) {
      const kept = group.members.flatMap((member) => (numbers[member]! < 0 ? [] : [numbers[member]!]));
      const arrived = added.filter((entry) => possible.has(entry) && homes[isUsual(entry) ? 'usual' : 'other'] === group);
      const members = [...kept, ...arrived].sort((left, right) => left - right);
      const had = new Set(group.members);
      const changed = [
        ...arrived.map((entry) => ({ entry, places: placesOf(entry, intervals.dimensions, intervals.dimensions) })),
        ...removed
          .filter((entry) => had.has(entry))
          .map((entry) => ({ entry: -1, places: placesOf(entry, dimensions, intervals.dimensions) })),
      ];
      const most = budget.base + budget.copies * members.length;
      const old = { tree: group.tree, numbers, dimensions, changed };
      const tree = regrowTree(intervals, members, { most, short: budget.short }, work, old, sample);
      // What is wide where the others are narrow wants groups of another kind.
      const worse =
        tree.longest > Math.max(budget.short, group.tree.longest) || tree.copies > 2 * Math.max(most, group.tree.copies);
      if (worse) return null;
      groups.push({ tree, members, from: numberFrom(group.from, numbers) });
    }
    return { intervals, groups };
  }

  /** By number of an entry then its number now, or -1; and which were added and taken out. null when that is too much, or the others have changed places. */
  private changeOf(known: KnownSearch, words: readonly string[]): Change | null {
    if (known.groups.length === 0) return null;
    const now = new Map(words.map((word, number) => [word, number]));
    const numbers = Int32Array.from(known.entries, (word) => now.get(word) ?? -1);
    const before = new Set(known.entries);
    const added = words.flatMap((word, number) => (before.has(word) ? [] : [number]));
    const removed = [...numbers.keys()].filter((number) => numbers[number] === -1);
    const much = (added.length + removed.length) * this.changed > words.length;
    return much || !ascends(numbers) ? null : { numbers, added, removed };
  }
}

/** Each entry's tests, and which of equal ones it is. */
function wordsOf(entries: readonly Entry[]): string[] {
  const times = new Map<string, number>();
  const texts = new Map<CompiledTest, string>();
  const textOf = (test: CompiledTest): string => {
    const text = texts.get(test) ?? JSON.stringify(test.test);
    texts.set(test, text);
    return text;
  };
  return entries.map(({ tests }) => {
    const word = tests.map(textOf).join('&');
    const time = times.get(word) ?? 0;
    times.set(word, time + 1);
    return time === 0 ? word : `${word}#${time}`;
  });
}

/** Whether those that are still there (not -1) stand in the order they had. */
function ascends(numbers: Int32Array): boolean {
  let last = -1;
  for (const number of numbers) {
    if (number >= 0 && number <= last) return false;
    if (number >= 0) last = number;
  }
  return true;
}

/** The number now of what stood first from `from` on; none of those added is before it in a group that passes by what stands before. */
function numberFrom(from: number, numbers: Int32Array): number {
  if (from === 0) return 0;
  return numbers.subarray(from).find((number) => number >= 0) ?? 1 + numbers.reduce((most, number) => Math.max(most, number), -1);
}

/** The groups where new entries go that usual packets can meet, and others: where most of their kind are, of those that find all they have. */
function homesOf({ intervals, groups }: KnownSearch): { usual: Group; other: Group } {
  const isUsual = usualTest(intervals);
  const of = (usual: boolean): Group => {
    const all = groups.filter(({ from }) => from === 0);
    const kind = all.filter(({ members }) => isUsual(members[0]!) === usual);
    return (kind.length > 0 ? kind : all).reduce((best, group) => (group.members.length > best.members.length ? group : best));
  };
  return { usual: of(true), other: of(false) };
}

/** The first and last place of an entry of dimensions `from` in each of `dimensions`. */
function placesOf(entry: number, from: readonly Dimension[], dimensions: readonly Dimension[]): Int32Array {
  const places = new Int32Array(dimensions.length * 2);
  for (const [index, { field, ends }] of dimensions.entries()) {
    const own = from.find((one) => one.field === field);
    const first = own?.first[entry] ?? 0;
    places[2 * index] = own === undefined || first === 0 ? 0 : placeOf(ends, own.ends[first - 1]!) + 1;
    places[2 * index + 1] = own === undefined ? ends.length - 1 : placeOf(ends, own.ends[own.last[entry]!]!);
  }
  return places;
}
