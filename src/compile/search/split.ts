/**
 * Pass: rules that ask for lists of values (many ports) and for little else become an entry for each value. A tree takes an entry for what lies between its first and its last value, so it would
 * have one that is wide in all it asks for nearly everywhere.
 */
import type { Test } from '../../model/predicate.ts';
import { Pairs } from '../pairs.ts';
import type { Entry } from '../steps.ts';
import type { CompiledTest, TestPool } from '../tests.ts';
import { type Intervals, intervalsOf } from './intervals.ts';

/** A field's test with more runs of values than this stays as it is. */
const RUNS = 32;
/** So many entries a search becomes at most by it. */
const MOST = 1 << 19;
/** An entry that reaches into more than one in so many places of a field is wide there. */
const WIDE = 16;

/** The entries, where there are some to split; what each leads to is as before, and so is which comes first. */
export function splitLists(entries: readonly Entry[], pool: TestPool): readonly Entry[] {
  const runs = new Runs(pool);
  const lists = entries.map(({ tests }) => runs.longest(tests));
  if (lists.every((list) => list === null)) return entries;
  const intervals = intervalsOf(entries);
  const there = new Lists();
  const made: Entry[] = [];
  for (let number = 0; number < entries.length; number++) {
    const entry = entries[number]!;
    const list = lists[number]!;
    if (list === null || made.length >= MOST || isNarrow(intervals, number, list.fields)) {
      made.push(entry);
      continue;
    }
    const place = entry.tests.indexOf(list);
    for (const one of runs.of(list)!) {
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
  private readonly known: (readonly CompiledTest[] | null | undefined)[] = [];

  constructor(pool: TestPool) {
    this.pool = pool;
  }

  of(test: CompiledTest): readonly CompiledTest[] | null {
    let runs = this.known[test.id];
    if (runs === undefined) {
      runs = runsOf(test, this.pool);
      this.known[test.id] = runs;
    }
    return runs;
  }

  /** The test that is most runs, of fields that no other test asks. */
  longest(tests: readonly CompiledTest[]): CompiledTest | null {
    let best: CompiledTest | null = null;
    let most = 0;
    for (let index = 0; index < tests.length; index++) {
      const test = tests[index]!;
      const count = this.of(test)?.length ?? 0;
      if (count <= most || isAskedTwice(tests, test)) continue;
      best = test;
      most = count;
    }
    return best;
  }
}

const isAskedTwice = (tests: readonly CompiledTest[], test: CompiledTest): boolean =>
  tests.some((other) => other !== test && (other.fields & test.fields) !== 0);

/** Whether an entry is narrow in some field but these (bits). */
function isNarrow({ dimensions }: Intervals, entry: number, but: number): boolean {
  return dimensions.some(
    ({ field, first, last, ends }) => ((but >>> field) & 1) === 0 && (last[entry]! - first[entry]! + 1) * WIDE <= ends.length,
  );
}

/** Tests of which one holds when the test does, each of one run of values of a field; null where that is not so, or would be one. */
function runsOf({ test, shape, invert }: CompiledTest, pool: TestPool): readonly CompiledTest[] | null {
  if (shape.kind !== 'all' && shape.kind !== 'any') return null;
  if (shape.conditions.length > 1 && (shape.kind === 'all' || invert)) return null;
  const runs: Test[] = [];
  for (const { field, ranges } of shape.conditions) {
    if (ranges.length > RUNS) return null;
    for (const [low, high] of invert ? outside(ranges) : ranges)
      runs.push({ kind: 'range', field, low, high, invert: false, onFail: 'miss' });
  }
  if (runs.length < 2 || !('invert' in test)) return null;
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
