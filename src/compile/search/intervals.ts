/** The entries of a search as intervals of fields, in places: a field's values between which no entry tells a difference are one place. */
import { FIELD_COUNT } from '../../abi/fields.ts';
import { Box, FALSE, UNKNOWN } from '../box.ts';
import type { Entry } from '../steps.ts';
import type { CompiledTest, Range } from '../tests.ts';
import { INSIDE, PlainTests } from './plain.ts';

const LAST = 0xffffffff;

/** One field that entries test. */
export interface Dimension {
  field: number;
  /** The last value of each place. */
  ends: Uint32Array;
  /** By entry: the first and the last place it can be in. */
  first: Uint32Array;
  last: Uint32Array;
}

export interface Intervals {
  /** Entries that some packet can meet. */
  possible: number[];
  dimensions: Dimension[];
  /** By entry: 1 when being within its intervals is all that it asks. */
  exact: Uint8Array;
  /** What the entries ask. */
  plain: PlainTests;
}

/** `before`: dimensions whose places are to be told apart, too. */
export function intervalsOf(entries: readonly Entry[], before: readonly Dimension[] = []): Intervals {
  return new Measurer(entries).run(before);
}

class Measurer {
  private readonly entries: readonly Entry[];
  private readonly plain: PlainTests;
  /** By field, where entries test it: by entry the first and the last value. */
  private readonly lows: (Uint32Array | undefined)[] = new Array(FIELD_COUNT);
  private readonly highs: (Uint32Array | undefined)[] = new Array(FIELD_COUNT);
  /** Of the entry at hand, by field; and the fields that it narrows. */
  private readonly low = new Array<number>(FIELD_COUNT).fill(0);
  private readonly high = new Array<number>(FIELD_COUNT).fill(LAST);
  private readonly narrowed: number[] = [];
  private readonly box = Box.between(this.low, this.high);
  private readonly doubtful: CompiledTest[] = [];

  constructor(entries: readonly Entry[]) {
    this.entries = entries;
    this.plain = new PlainTests(entries);
  }

  run(before: readonly Dimension[]): Intervals {
    const { entries } = this;
    const possible: number[] = [];
    const exact = new Uint8Array(entries.length);
    for (let number = 0; number < entries.length; number++) {
      const answer = this.measure(number);
      if (answer !== 'impossible') possible.push(number);
      if (answer === 'exact') exact[number] = 1;
      this.keep(number);
    }
    const dimensions: Dimension[] = [];
    for (const { field } of before) this.open(field);
    for (const [field, lows] of this.lows.entries()) {
      const ends = before.find((one) => one.field === field)?.ends ?? new Uint32Array(0);
      if (lows !== undefined) dimensions.push(placesOf(field, lows, this.highs[field]!, ends));
    }
    return { possible, dimensions, exact, plain: this.plain };
  }

  /** Leaves the intervals in `low` and `high`. */
  private measure(entry: number): 'exact' | 'inexact' | 'impossible' {
    const { low, high, narrowed, doubtful, box } = this;
    const { from, ids, kind, field, low: lows, high: highs, tests } = this.plain;
    for (let index = from[entry]!; index < from[entry + 1]!; index++) {
      const id = ids[index]!;
      if (kind[id] === INSIDE) this.within(field[id]!, lows[id]!, highs[id]!);
      else if (!this.narrow(tests[id]!)) doubtful.push(tests[id]!);
    }
    let exact = true;
    let possible = true;
    for (let index = 0; index < narrowed.length; index++) {
      if (low[narrowed[index]!]! > high[narrowed[index]!]!) possible = false;
    }
    for (let test = doubtful.pop(); test !== undefined; test = doubtful.pop()) {
      const decision = possible ? box.decide(test) : UNKNOWN;
      if (decision === FALSE) possible = false;
      if (decision === UNKNOWN) exact = false;
    }
    return possible ? (exact ? 'exact' : 'inexact') : 'impossible';
  }

  /** Whether the test is no more than the intervals say now. */
  private narrow({ shape, invert }: CompiledTest): boolean {
    if (shape.kind !== 'all' && shape.kind !== 'any') return false;
    const only = shape.conditions[0]!;
    if (shape.conditions.length === 1 && invert) return this.without(only.field, only.ranges);
    if (invert || (shape.kind === 'any' && shape.conditions.length > 1)) return false;
    let whole = true;
    for (const { field, ranges } of shape.conditions) {
      if (ranges.length === 0) return false;
      this.within(field, ranges[0]![0], ranges.at(-1)![1]);
      if (ranges.length > 1) whole = false;
    }
    return whole;
  }

  private without(field: number, ranges: readonly Range[]): boolean {
    if (ranges.length !== 1) return false;
    const low = ranges[0]![0];
    const high = ranges[0]![1];
    if (low === 0 && high < LAST) this.within(field, high + 1, LAST);
    else if (high === LAST && low > 0) this.within(field, 0, low - 1);
    else return false;
    return true;
  }

  private within(field: number, low: number, high: number): void {
    if (low > this.low[field]!) this.low[field] = low;
    if (high < this.high[field]!) this.high[field] = high;
    this.narrowed.push(field);
  }

  /** The field is one that entries test. */
  private open(field: number): void {
    if (this.lows[field] !== undefined) return;
    this.lows[field] = new Uint32Array(this.entries.length);
    this.highs[field] = new Uint32Array(this.entries.length).fill(LAST);
  }

  /** Writes the entry's intervals down, and forgets them. */
  private keep(number: number): void {
    const { low, high, narrowed } = this;
    for (let field = narrowed.pop(); field !== undefined; field = narrowed.pop()) {
      // A field that is there twice has been forgotten.
      if (low[field] === 0 && high[field] === LAST) continue;
      this.open(field);
      this.lows[field]![number] = low[field]!;
      this.highs[field]![number] = high[field]!;
      low[field] = 0;
      high[field] = LAST;
    }
  }
}

/** First and last place of each dimension. */
export const wholeBox = (dimensions: readonly Dimension[]): Int32Array =>
  Int32Array.from(dimensions.flatMap(({ ends }) => [0, ends.length - 1]));

/** `more`: ends of places that nothing else needs. */
function placesOf(field: number, lows: Uint32Array, highs: Uint32Array, more: Uint32Array): Dimension {
  const cuts = new Uint32Array(lows.length * 2 + more.length + 1);
  cuts.set(more);
  let count = more.length;
  for (let entry = 0; entry < lows.length; entry++) {
    if (lows[entry] !== 0) cuts[count++] = lows[entry]! - 1;
    if (highs[entry] !== LAST) cuts[count++] = highs[entry]!;
  }
  cuts[count++] = LAST;
  const sorted = cuts.subarray(0, count).sort();
  let places = 0;
  for (let index = 0; index < count; index++) {
    if (index === 0 || sorted[index] !== sorted[index - 1]) cuts[places++] = sorted[index]!;
  }
  const ends = cuts.slice(0, places);
  const first = new Uint32Array(lows.length);
  const last = new Uint32Array(lows.length);
  for (let entry = 0; entry < lows.length; entry++) {
    first[entry] = placeOf(ends, lows[entry]!);
    last[entry] = placeOf(ends, highs[entry]!);
  }
  return { field, ends, first, last };
}

/** The place that `value` lies in. */
export function placeOf(ends: Uint32Array, value: number): number {
  let high = ends.length - 1;
  if (value === 0) return 0;
  if (value === LAST) return high;
  let low = 0;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ends[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
