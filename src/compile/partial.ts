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

/** All fields, for `Decider`. */
export const ALL_FIELDS = -1;

const NOTHING: readonly CompiledTest[] = [];

/** Decides tests in one box, each only once. A mark is 4 * number of the box + decision + 1. */
export class Decider {
  private readonly box: Box;
  private readonly marks: Int32Array | null;
  private readonly base: number;
  private readonly fields: number;
  /** Of the last `look`. */
  private left = 0;
  private end = END_HIT;

  /**
   * Only the last decider made with `decisions` may be used; without, nothing is kept. `fields`: bits of the fields in which the box is smaller than one
   * that left the tests at hand all undecided; tests of other fields are not looked at.
   */
  constructor(box: Box, decisions: Decisions | null, fields: number) {
    this.box = box;
    this.fields = fields;
    this.marks = decisions?.marks ?? null;
    if (decisions !== null) decisions.box += 1;
    this.base = (decisions?.box ?? 0) * 4;
  }

  decide(test: CompiledTest): number {
    if (this.fields !== ALL_FIELDS && (test.fields & this.fields) === 0) return UNKNOWN;
    const { marks, base } = this;
    if (marks === null) return this.box.decide(test);
    const known = marks[test.id]! - base;
    if (known >= 0) return known - 1;
    const decision = this.box.decide(test);
    marks[test.id] = base + decision + 1;
    return decision;
  }

  /**
   * Tests are done in order and the first that fails decides; so a test that certainly fails ends the list, but those before it stay
   * as far as their own evaluation can be seen (state that changes, a hotdrop instead of a miss).
   */
  rest(tests: readonly CompiledTest[], end: number): Rest {
    this.look(tests, end);
    if (this.left === 0) return { tests: NOTHING, end: this.end };
    if (this.left === tests.length && this.end === end) return { tests, end };
    const kept: CompiledTest[] = [];
    for (let index = 0; kept.length < this.left; index++) {
      const test = tests[index]!;
      if (this.decide(test) === UNKNOWN) kept.push(test);
    }
    return { tests: kept, end: this.end };
  }

  /** What `rest` has of tests, without making a list: their number, and `endOfLast`. */
  countRest(tests: readonly CompiledTest[], end: number): number {
    this.look(tests, end);
    return this.left;
  }

  /** How the list of the last `countRest` ends. */
  get endOfLast(): number {
    return this.end;
  }

  private look(tests: readonly CompiledTest[], end: number): void {
    let unknown = 0;
    let seen = 0;
    this.end = end;
    for (let index = 0; index < tests.length; index++) {
      const test = tests[index]!;
      const decision = this.decide(test);
      if (decision === TRUE) continue;
      if (decision === FALSE) {
        this.end = test.drops ? END_HOTDROP : END_MISS;
        break;
      }
      unknown++;
      if (test.effective) seen = unknown;
    }
    // In front of a miss only what can be seen is done.
    this.left = this.end === END_MISS ? seen : unknown;
  }
}

export { END_HIT, END_HOTDROP, END_MISS };
