/** The tests of a search's entries as plain numbers: most ask whether one field lies in one range, and that is asked of them a million times. */
import type { Entry } from '../steps.ts';
import type { CompiledTest } from '../tests.ts';

/** Kinds of tests: what is no single range of a field, one that is, one that asks for the rest. */
export const OTHER = 0;
export const INSIDE = 1;
export const OUTSIDE = 2;

export class PlainTests {
  /** Of entry e, the tests number `ids[from[e]]` to `ids[from[e + 1] - 1]`. */
  readonly from: Uint32Array;
  readonly ids: Uint32Array;
  /** By number of a test: OTHER, INSIDE, OUTSIDE; for the latter two the field and its first and last value. */
  readonly kind: Uint8Array;
  readonly field: Uint8Array;
  readonly low: Uint32Array;
  readonly high: Uint32Array;
  readonly tests: CompiledTest[];

  constructor(entries: readonly Entry[]) {
    this.from = new Uint32Array(entries.length + 1);
    let count = 0;
    for (let entry = 0; entry < entries.length; entry++) {
      count += entries[entry]!.tests.length;
      this.from[entry + 1] = count;
    }
    this.ids = new Uint32Array(count);
    let most = 0;
    let place = 0;
    for (let entry = 0; entry < entries.length; entry++) {
      const { tests } = entries[entry]!;
      for (let index = 0; index < tests.length; index++) {
        const { id } = tests[index]!;
        this.ids[place++] = id;
        if (id > most) most = id;
      }
    }
    this.kind = new Uint8Array(most + 1);
    this.field = new Uint8Array(most + 1);
    this.low = new Uint32Array(most + 1);
    this.high = new Uint32Array(most + 1);
    this.tests = new Array<CompiledTest>(most + 1);
    for (let entry = 0; entry < entries.length; entry++) {
      const { tests } = entries[entry]!;
      for (let index = 0; index < tests.length; index++) {
        const test = tests[index]!;
        if (this.tests[test.id] === undefined) this.add(test);
      }
    }
  }

  private add(test: CompiledTest): void {
    const { id, shape, invert } = test;
    this.tests[id] = test;
    if ((shape.kind !== 'all' && shape.kind !== 'any') || shape.conditions.length !== 1) return;
    const { field, ranges } = shape.conditions[0]!;
    if (ranges.length !== 1) return;
    this.kind[id] = invert ? OUTSIDE : INSIDE;
    this.field[id] = field;
    this.low[id] = ranges[0]![0];
    this.high[id] = ranges[0]![1];
  }
}
