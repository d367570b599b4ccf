/** What a box leaves of the tests of one rule. */
import { END_HIT, END_HOTDROP, END_MISS } from '../abi/program.ts';
import { type Box, FALSE, TRUE, UNKNOWN } from './box.ts';
import type { CompiledTest } from './tests.ts';

/** `tests` empty: the outcome is `end`. Else the tests that are left, and what follows when all pass. */
export interface Rest {
  tests: readonly CompiledTest[];
  end: number;
}

/** Decides tests in one box, each only once. */
export class Decider {
  private readonly box: Box;
  private readonly decisions: Int8Array;

  constructor(box: Box, tests: number) {
    this.box = box;
    this.decisions = new Int8Array(tests).fill(2);
  }

  decide(test: CompiledTest): number {
    const known = this.decisions[test.id]!;
    if (known !== 2) return known;
    const decision = this.box.decide(test);
    this.decisions[test.id] = decision;
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
