/** What a box leaves of the tests of one rule. */
import { END_HIT, END_HOTDROP, END_MISS } from '../abi/program.ts';
import { type Box, FALSE, TRUE, UNKNOWN } from './box.ts';
import type { CompiledTest } from './tests.ts';

/** `tests` empty: the outcome is `end`. Else the tests that are left, and what follows when all pass. */
export interface Rest {
  tests: readonly CompiledTest[];
  end: number;
}

/** Decisions of one box after the other, in memory that is kept: a mark is of an earlier box unless it has the present number. */
export class Decisions {
  readonly marks: Int32Array;
  box = 0;

  constructor(tests: number) {
    this.marks = new Int32Array(tests);
  }
}

/** Decides tests in one box, each only once. A mark is 4 * number of the box + decision + 1. */
export class Decider {
  private readonly box: Box;
  private readonly marks: Int32Array;
  private readonly base: number;

  /** Only the last decider made with `decisions` may be used. */
  constructor(box: Box, decisions: Decisions) {
    this.box = box;
    this.marks = decisions.marks;
    decisions.box += 1;
    this.base = decisions.box * 4;
  }

  decide(test: CompiledTest): number {
    const known = this.marks[test.id]! - this.base;
    if (known >= 0) return known - 1;
    const decision = this.box.decide(test);
    this.marks[test.id] = this.base + decision + 1;
    return decision;
  }

  /**
   * Tests are done in order and the first that fails decides; so a test that certainly fails ends the list, but those before it stay
   * as far as their own evaluation can be seen (state that changes, a hotdrop instead of a miss).
   */
  rest(tests: readonly CompiledTest[], end: number): Rest {
    const kept: CompiledTest[] = [];
    let outcome = end;
    for (const test of tests) {
      const decision = this.decide(test);
      if (decision === TRUE) continue;
      if (decision === UNKNOWN) {
        kept.push(test);
        continue;
      }
      if (decision === FALSE) {
        outcome = test.drops ? END_HOTDROP : END_MISS;
        break;
      }
    }
    if (outcome === END_MISS) {
      while (kept.length > 0 && !kept[kept.length - 1]!.effective) kept.pop();
    }
    if (kept.length === tests.length && outcome === end) return { tests, end };
    return { tests: kept, end: outcome };
  }
}

export { END_HIT, END_HOTDROP, END_MISS };
