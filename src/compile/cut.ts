/** Chooses where to cut a box: the field and the boundaries that leave least of the residual program. */
import { FIELD_CT_STATE, FIELD_PROTOCOL, FIELD_TCP_FLAGS } from '../abi/fields.ts';
import { type Box, UNKNOWN } from './box.ts';
import type { Program } from './steps.ts';
import type { CompiledTest, Condition, Range } from './tests.ts';
import { type Sample, shareOf } from './traffic.ts';

/** A child of a cut, with the share of traffic it is thought to have. */
export interface Part {
  box: Box;
  weight: number;
  bits: Uint32Array | null;
}

export interface Cut {
  field: number;
  /** null for a table. */
  at: number | null;
  /** Its children; a wide cut has two: up to `at`, and above. Boxes are made when they are asked for: most candidates are never tried. */
  split(): Part[];
  /** Estimated steps left, a mean over the parts and the worst. */
  score: number;
}

/** Rough shares of traffic; only the order of cuts depends on them. */
const TRAFFIC: ReadonlyMap<number, ReadonlyMap<number, number>> = new Map([
  [
    FIELD_PROTOCOL,
    new Map([
      [6, 100],
      [17, 50],
      [1, 8],
      [58, 8],
    ]),
  ],
  [
    FIELD_CT_STATE,
    new Map([
      [2, 100],
      [1, 20],
      [3, 2],
      [0, 2],
      [4, 1],
    ]),
  ],
  [
    FIELD_TCP_FLAGS,
    new Map([
      [16, 100],
      [24, 60],
      [2, 10],
      [18, 10],
      [17, 10],
      [4, 2],
    ]),
  ],
]);

/** A step that is certainly hit still costs something when other tests are left with it. */
const DECIDED_TRUE = 0.5;
/** Share of the worst part in a score. */
const WORST = 0.3;

/** Finds cuts, in memory that is kept from one program to the next. */
export class CutFinder {
  private readonly wide: (Boundaries | undefined)[] = [];
  /** Wide fields that the program at hand has tests on, in the order they were met. */
  private readonly fields: number[] = [];
  /** Conditions on small fields, and how many tests have each. */
  private readonly sets = new Map<number, Map<Condition, number>>();

  /** The best cut of every field that has one, best first. */
  candidates(program: Program, box: Box, sample: Sample | null = null): Cut[] {
    const { sets } = this;
    for (const step of program.steps) {
      if (step.kind !== 'tests') continue;
      for (const test of step.tests) this.collect(test, box);
    }
    const total = program.steps.length;
    const cuts: Cut[] = [];
    for (const field of this.fields) {
      const cut = bestWideCut(field, this.wide[field]!, total, box, valuesOf(sample, field));
      if (cut !== null) cuts.push(cut);
      this.wide[field]!.clear();
    }
    this.fields.length = 0;
    for (const [field, conditions] of sets) cuts.push(tableCut(field, conditions, total, box, valuesOf(sample, field)));
    if (sets.size > 0) sets.clear();
    return cuts.sort((left, right) => left.score - right.score);
  }

  private collect(test: CompiledTest, box: Box): void {
    const { shape } = test;
    if (shape.kind === 'lexical') {
      this.lexical(shape.field, shape.low, shape.high, box);
      return;
    }
    if (shape.kind !== 'all' && shape.kind !== 'any') return;
    const { conditions } = shape;
    for (let index = 0; index < conditions.length; index++) {
      const condition = conditions[index]!;
      const { field } = condition;
      if (((box.open >>> field) & 1) !== 0) continue;
      // A test that is still there has its only condition undecided.
      if (conditions.length > 1 && box.decideCondition(condition) !== UNKNOWN) continue;
      if (condition.bits === null) {
        this.boundaries(field).add(condition.ranges, box.low[field]!, box.high[field]!, test.invert);
        continue;
      }
      let row = this.sets.get(field);
      if (row === undefined) {
        row = new Map();
        this.sets.set(field, row);
      }
      row.set(condition, (row.get(condition) ?? 0) + 1);
    }
  }

  private boundaries(field: number): Boundaries {
    const found = this.wide[field] ?? new Boundaries();
    this.wide[field] = found;
    if (found.count === 0) this.fields.push(field);
    return found;
  }

  /** A range over several words is cut at the first word the box leaves open. */
  private lexical(field: number, low: readonly number[], high: readonly number[], box: Box): void {
    for (let index = 0; index < low.length; index++) {
      const word = field + index;
      const from = box.low[word]!;
      const to = box.high[word]!;
      if (((box.open >>> word) & 1) !== 0) return;
      if (from === to) continue;
      const at = [low[index]! - 1, low[index]!, high[index]! - 1, high[index]!].filter((value) => value >= from && value < to);
      if (at.length > 0) this.boundaries(word).push(Math.min(...at), Math.max(...at), false, false);
      return;
    }
  }
}

/** Of all tests on one wide field: where each changes first and last, and which are true at the start and the end of the box. A boundary is the last value before a change. */
class Boundaries {
  count = 0;
  private trues = 0;
  private ends = 0;
  private firsts = new Uint32Array(64);
  private lasts = new Uint32Array(64);
  /** The first change of those true at the start; the last one of those true at the end. */
  private trueFirsts = new Uint32Array(64);
  private trueLasts = new Uint32Array(64);

  clear(): void {
    this.count = 0;
    this.trues = 0;
    this.ends = 0;
  }

  /** A test with these ranges, which change within low..high. */
  add(ranges: readonly Range[], low: number, high: number, invert: boolean): void {
    let first = 0xffffffff;
    let last = 0;
    let startsTrue = false;
    let endsTrue = false;
    for (const range of ranges) {
      const from = range[0];
      const to = range[1];
      if (to < low || from > high) continue;
      if (from > low) {
        if (from - 1 < first) first = from - 1;
        last = from - 1;
      } else startsTrue = true;
      if (to < high) {
        if (to < first) first = to;
        last = to;
      } else endsTrue = true;
    }
    this.push(first, last, startsTrue !== invert, endsTrue !== invert);
  }

  push(first: number, last: number, startsTrue: boolean, endsTrue: boolean): void {
    if (this.count === this.firsts.length) this.grow();
    this.firsts[this.count] = first;
    this.lasts[this.count++] = last;
    if (startsTrue) this.trueFirsts[this.trues++] = first;
    if (endsTrue) this.trueLasts[this.ends++] = last;
  }

  private grow(): void {
    this.firsts = larger(this.firsts);
    this.lasts = larger(this.lasts);
    this.trueFirsts = larger(this.trueFirsts);
    this.trueLasts = larger(this.trueLasts);
  }

  sorted(): Sorted {
    return {
      count: this.count,
      firsts: sort(this.firsts, this.count),
      lasts: sort(this.lasts, this.count),
      trues: this.trues,
      trueFirsts: sort(this.trueFirsts, this.trues),
      ends: this.ends,
      trueLasts: sort(this.trueLasts, this.ends),
    };
  }
}

/** Arrays that are sorted as far as their numbers say. */
interface Sorted {
  count: number;
  firsts: Uint32Array;
  lasts: Uint32Array;
  trues: number;
  trueFirsts: Uint32Array;
  ends: number;
  trueLasts: Uint32Array;
}

/** Up to so many values are put in place one by one: most lists are short, and a view of an array costs more. */
const FEW = 24;

/** Sorts the first `count` values in place. */
function sort(values: Uint32Array, count: number): Uint32Array {
  if (count > FEW) {
    values.subarray(0, count).sort();
    return values;
  }
  for (let index = 1; index < count; index++) {
    const value = values[index]!;
    let to = index;
    for (; to > 0 && values[to - 1]! > value; to--) values[to] = values[to - 1]!;
    values[to] = value;
  }
  return values;
}

function larger(array: Uint32Array): Uint32Array<ArrayBuffer> {
  const more = new Uint32Array(array.length * 2);
  more.set(array);
  return more;
}

/** Half of the packets are expected on either side of a cut. */
const HALF = 0.5;
const NOBODY = new Uint32Array(0);

/** A field of the packets that were seen; none where the sample does not tell. */
const valuesOf = (sample: Sample | null, field: number): Uint32Array => (sample?.tells(field) ? sample.values(field) : NOBODY);

/** `seen`: the field of packets of a sample. */
function bestWideCut(field: number, boundaries: Boundaries, total: number, box: Box, seen: Uint32Array): Cut | null {
  const sorted = boundaries.sorted();
  const rest = Math.max(0, total - boundaries.count);
  const best = { at: -1, score: Number.POSITIVE_INFINITY, share: HALF };
  seen.sort();
  sweep(sorted.firsts, sorted, rest, seen, best);
  sweep(sorted.lasts, sorted, rest, seen, best);
  const { at, score, share } = best;
  const low = box.low[field]!;
  const high = box.high[field]!;
  if (at < low || at >= high) return null;
  return {
    field,
    at,
    score,
    split: () => [
      { box: box.withRange(field, low, at), weight: share, bits: null },
      { box: box.withRange(field, at + 1, high), weight: 1 - share, bits: null },
    ],
  };
}

/** Scores cuts at `candidates`, which are sorted like all the others and the packets that were `seen`: five fingers go along. */
function sweep(
  candidates: Uint32Array,
  boundaries: Sorted,
  rest: number,
  seen: Uint32Array,
  best: { at: number; score: number; share: number },
): void {
  const { count, firsts, lasts, trues, trueFirsts, ends, trueLasts } = boundaries;
  let [first, last, trueFirst, trueLast, packets] = [0, 0, 0, 0, 0];
  let before = -1;
  for (let index = 0; index < count; index++) {
    const at = candidates[index]!;
    if (at === before) continue;
    before = at;
    while (first < count && firsts[first]! < at) first++;
    while (last < count && lasts[last]! <= at) last++;
    while (trueFirst < trues && trueFirsts[trueFirst]! < at) trueFirst++;
    while (trueLast < ends && trueLasts[trueLast]! <= at) trueLast++;
    while (packets < seen.length && seen[packets]! <= at) packets++;
    // Left: undecided where a change lies before the cut; otherwise what the test is at the start of the box.
    const left = first + DECIDED_TRUE * (trues - trueFirst);
    const right = count - last + DECIDED_TRUE * trueLast;
    const share = shareOf(HALF, packets, seen.length);
    const score = rest + (1 - WORST) * (share * left + (1 - share) * right) + WORST * Math.max(left, right);
    if (score < best.score) {
      best.at = at;
      best.score = score;
      best.share = share;
    }
  }
}

/** Values that no test tells apart are one class. */
function tableCut(field: number, conditions: ReadonlyMap<Condition, number>, total: number, box: Box, seen: Uint32Array): Cut {
  let classes: Uint32Array[] = [box.bits.get(field)!];
  for (const { bits } of conditions.keys()) {
    const refined: Uint32Array[] = [];
    for (const part of classes) {
      if (!overlaps(part, bits!)) refined.push(part);
      else refine(part, bits!, refined);
    }
    classes = refined;
  }
  const tested = [...conditions.values()].reduce((sum, number) => sum + number, 0);
  const rest = Math.max(0, total - tested);
  const expected = classes.map((bits) => trafficOf(field, bits));
  const all = expected.reduce((sum, weight) => sum + weight, 0);
  const weights = classes.map((bits, index) => shareOf(expected[index]! / all, numberIn(bits, seen), seen.length));
  let mean = 0;
  let worst = 0;
  for (const [index, part] of classes.entries()) {
    let left = rest;
    for (const [{ bits }, number] of conditions) if (overlaps(part, bits!)) left += number * DECIDED_TRUE;
    mean += weights[index]! * left;
    worst = Math.max(worst, left);
  }
  return {
    field,
    at: null,
    score: (1 - WORST) * mean + WORST * worst,
    split: () => classes.map((bits, index) => ({ box: box.withBits(field, bits), weight: weights[index]!, bits })),
  };
}

/** How many of the values lie in a set. */
function numberIn(bits: Uint32Array, values: Uint32Array): number {
  let sum = 0;
  for (const value of values) sum += (bits[value >>> 5]! >>> (value & 31)) & 1;
  return sum;
}

/** Adds the values of `part` that are in `bits`, of which there are some, and the others. */
function refine(part: Uint32Array, bits: Uint32Array, refined: Uint32Array[]): void {
  const inside = new Uint32Array(8);
  const outside = new Uint32Array(8);
  let others = 0;
  for (let index = 0; index < 8; index++) {
    inside[index] = part[index]! & bits[index]!;
    outside[index] = part[index]! & ~bits[index]!;
    others |= outside[index]!;
  }
  refined.push(others === 0 ? part : inside);
  if (others !== 0) refined.push(outside);
}

function overlaps(left: Uint32Array, right: Uint32Array): boolean {
  for (let index = 0; index < 8; index++) if ((left[index]! & right[index]!) !== 0) return true;
  return false;
}

/** Every value's share of the traffic of a field that has shares, and of one that has none. */
const EVEN = new Float64Array(256).fill(1);
const SHARES: ReadonlyMap<number, Float64Array> = new Map(
  [...TRAFFIC].map(([field, shares]) => [field, Float64Array.from({ length: 256 }, (_, value) => shares.get(value) ?? 0.1)]),
);

function trafficOf(field: number, bits: Uint32Array): number {
  const shares = SHARES.get(field) ?? EVEN;
  let sum = 0;
  for (let index = 0; index < 8; index++) {
    for (let word = bits[index]!; word !== 0; word &= word - 1) sum += shares[index * 32 + 31 - Math.clz32(word & -word)]!;
  }
  return sum;
}
