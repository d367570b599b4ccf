/**
 * Pass: long runs of rules that only test fields become searches. A tree would have to copy a rule into every box it reaches into; a search
 * may be split into groups with trees of their own.
 */
import { END_HIT, END_MISS, NEXT_HOTDROP } from '../../abi/program.ts';
import type { Test } from '../../model/predicate.ts';
import { Pairs } from '../pairs.ts';
import type { Ropes } from '../segments.ts';
import type { Edge, Entry, Program, SearchStep, Step, TestStep } from '../steps.ts';
import type { CompiledTest, TestPool } from '../tests.ts';
import { runsIn, splitLists } from './split.ts';

/** Where many values are asked for, a run of so many rules is as long as their entries will be. */
const RUN = 16;

/** The program with every run of at least `shortest` steps searched, or of that many values; changes the steps it is given. */
export function gatherRuns(program: Program, shortest: number, pool: TestPool, ropes: Ropes): Program {
  const runs = findRuns(program.steps).filter((run) => lengthOf(run, shortest) >= shortest);
  if (runs.length === 0) return program;
  const searches = new Map<Step, SearchStep>(runs.map((run) => [run[0]!, searchOf(run, pool, ropes)]));
  const redirect = (edge: Edge): void => {
    if (typeof edge.next !== 'number') edge.next = searches.get(edge.next) ?? edge.next;
  };
  redirect(program.start);
  for (const step of program.steps) {
    if (step.kind !== 'search') redirect(step.hit);
    if (step.kind === 'tests') redirect(step.miss);
  }
  for (const search of searches.values()) {
    redirect(search.miss);
    for (const { edge } of search.entries) redirect(edge);
  }
  return { start: program.start, steps: visible(program.start) };
}

/** Its steps, of those that ask for lists of values one for each value; not counted where the steps alone are as many as it takes. */
const lengthOf = (run: readonly TestStep[], shortest: number): number =>
  run.length < RUN || run.length >= shortest
    ? run.length
    : run.reduce((sum, { tests }) => sum + tests.reduce((most, test) => Math.max(most, runsIn(test)), 1), 0);

/** Lists of steps of which each is only reached by a miss of the one before. */
function findRuns(steps: readonly Step[]): TestStep[][] {
  const follows = new Uint8Array(steps.length);
  const nextOf = (step: TestStep): TestStep | null => {
    const { next } = step.miss;
    return typeof next !== 'number' && !next.shared && onlyTests(next) ? next : null;
  };
  const candidates = steps.filter(onlyTests);
  for (const step of candidates) {
    const next = nextOf(step);
    if (next !== null) follows[next.index] = 1;
  }
  return candidates
    .filter(({ index }) => follows[index] === 0)
    .map((head) => {
      const run = [head];
      for (let next = nextOf(head); next !== null; next = nextOf(next)) run.push(next);
      return run;
    });
}

/** Nothing can be seen of its tests but their outcome, so they can be done in any order. */
function onlyTests(step: Step): step is TestStep {
  return step.kind === 'tests' && step.tests.every((test) => !test.effective || (test.drops && test.test.kind !== 'special'));
}

/** One entry for each way a rule can end that is not its miss; of those that drop, equal ones are there once. */
function searchOf(run: readonly TestStep[], pool: TestPool, ropes: Ropes): SearchStep {
  const entries: Entry[] = [];
  /** Lists of tests by what is before the last of them, and that; by that one's number, whether it drops already. */
  const lists = new Pairs();
  const dropping = new Set<number>();
  let listed = 0;
  const listOf = (list: number, id: number): number => {
    const known = lists.get(list, id);
    if (known < 0) lists.set(list, id, ++listed);
    return known < 0 ? listed : known;
  };
  const before: Edge = { rope: 0, evaluations: 0, next: 0 };
  const add = (tests: readonly CompiledTest[], { rope, evaluations, next }: Edge): void => {
    const edge = { rope: ropes.join(before.rope, rope), evaluations: before.evaluations + evaluations, next };
    entries.push({ tests, edge });
  };
  for (const { tests, end, hit, miss, drops } of run) {
    const drop: Edge = { rope: drops.silent, evaluations: 1, next: NEXT_HOTDROP };
    let list = 0;
    const last = tests.findLastIndex((test) => test.drops);
    for (let place = 0; place <= last; place++) {
      const test = tests[place]!;
      list = listOf(list, test.id);
      if (!test.drops || dropping.has(list)) continue;
      dropping.add(list);
      add([...tests.slice(0, place), pool.add(negated(test))], drop);
    }
    if (end !== END_MISS) add(tests, end === END_HIT ? hit : drop);
    before.rope = ropes.join(before.rope, miss.rope);
    before.evaluations += miss.evaluations;
  }
  const miss = { ...before, next: run.at(-1)!.miss.next };
  return { kind: 'search', index: 0, entries: splitLists(entries, pool), miss, shared: run[0]!.shared };
}

/** Only a test of fields has a failure that drops, and its opposite. */
function negated({ test }: CompiledTest): Test {
  if (!('invert' in test)) throw new RangeError(`a ${test.kind} test has no opposite`);
  return { ...test, invert: !test.invert, onFail: 'miss' };
}

/** Steps that are reached without a search's finding anything, numbered anew. */
function visible(start: Edge): Step[] {
  const steps: Step[] = [];
  const seen = new Set<Step>();
  const visit = ({ next }: Edge): void => {
    if (typeof next === 'number' || seen.has(next)) return;
    seen.add(next);
    next.index = steps.length;
    steps.push(next);
  };
  visit(start);
  // The list grows while it is walked.
  for (const step of steps) {
    if (step.kind === 'tests' && step.end === END_HIT) visit(step.hit);
    if (step.kind === 'action') visit(step.hit);
    else visit(step.miss);
  }
  return steps;
}
