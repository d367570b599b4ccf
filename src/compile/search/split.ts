/**
 * Pass: rules that ask for lists of values (many ports) and for little else become an entry for each value. A tree takes an entry for what lies between its first and its last value, so it would
 * have one that is wide in all it asks for nearly everywhere.
 */
import type { Test } from '../../model/predicate.ts';
import { Pairs } from '../pairs.ts';
import type { Entry } from '../steps.ts';
import type { CompiledTest, Condition, TestPool } from '../tests.ts';
import { placeOf } from './intervals.ts';

/** A field's test with more runs of values than this stays as it is. */
const RUNS = 32;
/** So many entries a search becomes at most by it. */
const MOST = 1 << 19;
/** An entry that reaches into more than one in so many places of a field is wide there. */
const WIDE = 16;
const LAST = 0xffffffff;

/** The entries, where there are some to split; what each leads to is as before, and so is which comes first. */
export function splitLists(entries: readonly Entry[], pool: TestPool): readonly Entry[] {
  const runs = new Runs(pool);
  const lists = entries.map(({ tests }) => runs.longest(tests));
  if (lists.every((list) => list === null)) return entries;
  const places = new Places(entries, lists);
  const there = new Lists();
  const made: Entry[] = [];
  for (let number = 0; number < entries.length; number++) {
    const entry = entries[number]!;
    const list = lists[number]!;
    if (list === null || made.length >= MOST || places.isNarrow(entry, list)) {
      made.push(entry);
      continue;
    }
    const place = entry.tests.indexOf(list);
    for (const one of runs.of(list)) {
      const tests = [...entry.tests.slice(0, place), one, ...entry.tests.slice(place + 1)];
      // What an entry before it takes already is never met.
      if (there.isNew(tests)) made.push({ tests, edge: entry.edge });
    }
  }
  return made;
}

/** Tests as runs of values. */
class Runs {
  private readonly pool: TestPool;
  /** By number of a test. */
  private readonly counts: (number | undefined)[] = [];
  private readonly known: (readonly CompiledTest[] | undefined)[] = [];

  constructor(pool: TestPool) {
    this.pool = pool;
  }

  /** `list`: of several runs. */
  of(list: CompiledTest): readonly CompiledTest[] {
    let runs = this.known[list.id];
    if (runs === undefined) {
      runs = runsOf(list, this.pool);
      this.known[list.id] = runs;
    }
    return runs;
  }

  /** The test that is most runs, of fields that no other test asks; null where none is several. */
  longest(tests: readonly CompiledTest[]): CompiledTest | null {
    let best: CompiledTest | null = null;
    let most = 1;
    for (let index = 0; index < tests.length; index++) {
      const test = tests[index]!;
      const count = this.counts[test.id] ?? runsIn(test);
      this.counts[test.id] = count;
      if (count <= most || isAskedTwice(tests, test)) continue;
      best = test;
      most = count;
    }
    return best;
  }
}

const isAskedTwice = (tests: readonly CompiledTest[], test: CompiledTest): boolean =>
  tests.some((other) => other !== test && (other.fields & test.fields) !== 0);

/** How finely entries tell values apart: a field's values between which no test of theirs begins or ends are one place. */
class Places {
  /** By field that entries with lists test beside: the last value of each place. */
  private readonly ends: (Uint32Array | undefined)[] = [];

  /** `lists`: of each entry, its list. */
  constructor(entries: readonly Entry[], lists: readonly (CompiledTest | null)[]) {
    let wanted = 0;
    for (let number = 0; number < entries.length; number++) {
      const list = lists[number]!;
      if (list === null) continue;
      for (const test of entries[number]!.tests) if (test !== list) wanted |= test.fields;
    }
    const seen = new Set<number>();
    const cuts: (Set<number> | undefined)[] = [];
    for (let number = 0; number < entries.length; number++) {
      const { tests } = entries[number]!;
      for (let index = 0; index < tests.length; index++) {
        const test = tests[index]!;
        if ((test.fields & wanted) === 0 || seen.has(test.id)) continue;
        seen.add(test.id);
        for (const { field, ranges } of conditionsOf(test)) {
          cuts[field] ??= new Set([LAST]);
          if (ranges.length === 0) continue;
          if (ranges[0]![0] > 0) cuts[field].add(ranges[0]![0] - 1);
          cuts[field].add(ranges.at(-1)![1]);
        }
      }
    }
    cuts.forEach((values, field) => {
      if (values !== undefined) this.ends[field] = Uint32Array.from(values).sort();
    });
  }

  /** Whether an entry is narrow in some field that its list does not ask for. */
  isNarrow({ tests }: Entry, list: CompiledTest): boolean {
    return tests.some((test) => {
      if (test.invert || (test.fields & list.fields) !== 0) return false;
      const conditions = conditionsOf(test);
      if (test.shape.kind === 'any' && conditions.length > 1) return false;
      return conditions.some(({ field, ranges }) => {
        const ends = this.ends[field]!;
        if (ranges.length === 0) return true;
        const reached = placeOf(ends, ranges.at(-1)![1]) - placeOf(ends, ranges[0]![0]) + 1;
        return reached * WIDE <= ends.length;
      });
    });
  }
}

const NONE: readonly Condition[] = [];

const conditionsOf = ({ shape }: CompiledTest): readonly Condition[] =>
  shape.kind === 'all' || shape.kind === 'any' ? shape.conditions : NONE;

/** Of how many runs of values a test is, one of which holds when it does; 1 when it cannot be asked for run by run. */
export function runsIn({ test, shape, invert }: CompiledTest): number {
  if ((shape.kind !== 'all' && shape.kind !== 'any') || !('invert' in test)) return 1;
  const { conditions } = shape;
  if (conditions.length > 1 && (shape.kind === 'all' || invert)) return 1;
  let count = 0;
  for (let index = 0; index < conditions.length; index++) {
    const { ranges } = conditions[index]!;
    if (ranges.length > RUNS) return 1;
    count += invert ? outside(ranges).length : ranges.length;
  }
  return count;
}

/** Tests of which one holds when the test does, each of one run of values of a field. */
function runsOf(list: CompiledTest, pool: TestPool): readonly CompiledTest[] {
  const runs: Test[] = [];
  for (const { field, ranges } of conditionsOf(list)) {
    for (const [low, high] of list.invert ? outside(ranges) : ranges)
      runs.push({ kind: 'range', field, low, high, invert: false, onFail: 'miss' });
  }
  return runs.map((run) => pool.add(run));
}

/** What lies between and beside ranges, which are sorted. */
function outside(ranges: readonly (readonly [number, number])[]): [number, number][] {
  const left: [number, number][] = [];
  let next = 0;
  for (const [low, high] of ranges) {
    if (low > next) left.push([next, low - 1]);
    next = high + 1;
  }
  if (next <= 0xffffffff) left.push([next, 0xffffffff]);
  return left;
}

/** Lists of tests that are there. */
class Lists {
  /** By what stands before the last of them, and that. */
  private readonly lists = new Pairs();
  private readonly ends = new Set<number>();
  private count = 0;

  isNew(tests: readonly CompiledTest[]): boolean {
    let list = 0;
    for (const { id } of tests) {
      const known = this.lists.get(list, id);
      if (known < 0) this.lists.set(list, id, ++this.count);
      list = known < 0 ? this.count : known;
    }
    if (this.ends.has(list)) return false;
    this.ends.add(list);
    return true;
  }
}
