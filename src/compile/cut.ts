/** Chooses where to cut a box: the field and the boundaries that leave least of the residual program. */
import { FIELD_CT_STATE, FIELD_PROTOCOL, FIELD_TCP_FLAGS } from '../abi/fields.ts';
import { type Box, UNKNOWN } from './box.ts';
import type { Program } from './steps.ts';
import type { CompiledTest, Condition } from './tests.ts';

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

/** Boundaries of one test on one wide field: where it changes, and what it is at both ends of the box. */
interface Span {
  first: number;
  last: number;
  startsTrue: boolean;
  endsTrue: boolean;
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

/** The best cut of every field that has one, best first. */
export function candidateCuts(program: Program, box: Box): Cut[] {
  const spans = new Map<number, Span[]>();
  const sets = new Map<number, Map<Condition, number>>();
  for (const step of program.steps) {
    if (step.kind !== 'tests') continue;
    for (const test of step.tests) collect(test, box, spans, sets);
  }
  const total = program.steps.length;
  const cuts: Cut[] = [];
  for (const [field, list] of spans) {
    const cut = bestWideCut(field, list, total, box);
    if (cut !== null) cuts.push(cut);
  }
  for (const [field, conditions] of sets) cuts.push(tableCut(field, conditions, total, box));
  return cuts.sort((left, right) => left.score - right.score);
}

function collect(test: CompiledTest, box: Box, spans: Map<number, Span[]>, sets: Map<number, Map<Condition, number>>): void {
  const { shape } = test;
  if (shape.kind === 'lexical') {
    const span = lexicalSpan(shape.field, shape.low, shape.high, box);
    if (span !== null) push(spans, span.field, span);
    return;
  }
  if (shape.kind !== 'all' && shape.kind !== 'any') return;
  for (const condition of shape.conditions) {
    if (box.open.has(condition.field) || box.decideCondition(condition) !== UNKNOWN) continue;
    if (condition.bits !== null) {
      let row = sets.get(condition.field);
      if (row === undefined) {
        row = new Map();
        sets.set(condition.field, row);
      }
      row.set(condition, (row.get(condition) ?? 0) + 1);
    } else {
      push(spans, condition.field, conditionSpan(condition, box, test.invert));
    }
  }
}

function push(spans: Map<number, Span[]>, field: number, span: Span): void {
  const list = spans.get(field);
  if (list === undefined) spans.set(field, [span]);
  else list.push(span);
}

/** A boundary is the last value before a change, so it is where a cut goes. */
function conditionSpan({ field, ranges }: Condition, box: Box, invert: boolean): Span {
  const low = box.low[field]!;
  const high = box.high[field]!;
  let first = 0xffffffff;
  let last = 0;
  let startsTrue = false;
  let endsTrue = false;
  for (const [from, to] of ranges) {
    if (to < low || from > high) continue;
    if (from > low) {
      first = Math.min(first, from - 1);
      last = Math.max(last, from - 1);
    } else startsTrue = true;
    if (to < high) {
      first = Math.min(first, to);
      last = Math.max(last, to);
    } else endsTrue = true;
  }
  return { first, last, startsTrue: startsTrue !== invert, endsTrue: endsTrue !== invert };
}

/** A range over several words is cut at the first word the box leaves open. */
function lexicalSpan(
  field: number,
  low: readonly number[],
  high: readonly number[],
  box: Box,
): (Span & { field: number }) | null {
  for (let index = 0; index < low.length; index++) {
    const word = field + index;
    const from = box.low[word]!;
    const to = box.high[word]!;
    if (box.open.has(word)) return null;
    if (from === to) continue;
    const at = [low[index]! - 1, low[index]!, high[index]! - 1, high[index]!].filter((value) => value >= from && value < to);
    if (at.length === 0) return null;
    return { field: word, first: Math.min(...at), last: Math.max(...at), startsTrue: false, endsTrue: false };
  }
  return null;
}

function bestWideCut(field: number, spans: readonly Span[], total: number, box: Box): Cut | null {
  const count = spans.length;
  const firsts = Float64Array.from(spans, (span) => span.first).sort();
  const lasts = Float64Array.from(spans, (span) => span.last).sort();
  const trueFirsts = Float64Array.from(
    spans.filter((span) => span.startsTrue),
    (span) => span.first,
  ).sort();
  const trueLasts = Float64Array.from(
    spans.filter((span) => span.endsTrue),
    (span) => span.last,
  ).sort();
  const rest = Math.max(0, total - count);
  let best = -1;
  let bestScore = Number.POSITIVE_INFINITY;
  const consider = (at: number): void => {
    // Left: undecided where a change lies before the cut; otherwise what the test is at the start of the box.
    const left = below(firsts, at) + DECIDED_TRUE * (trueFirsts.length - below(trueFirsts, at));
    const right = count - upTo(lasts, at) + DECIDED_TRUE * upTo(trueLasts, at);
    const score = rest + ((1 - WORST) * (left + right)) / 2 + WORST * Math.max(left, right);
    if (score < bestScore) {
      best = at;
      bestScore = score;
    }
  };
  for (const at of firsts) consider(at);
  for (const at of lasts) consider(at);
  const low = box.low[field]!;
  const high = box.high[field]!;
  if (best < low || best >= high) return null;
  return {
    field,
    at: best,
    score: bestScore,
    split: () => [
      { box: box.withRange(field, low, best), weight: 0.5, bits: null },
      { box: box.withRange(field, best + 1, high), weight: 0.5, bits: null },
    ],
  };
}

/** How many of the sorted values are smaller than the limit. */
function below(sorted: Float64Array, limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

function upTo(sorted: Float64Array, limit: number): number {
  return below(sorted, limit + 1);
}

/** Values that no test tells apart are one class. */
function tableCut(field: number, conditions: ReadonlyMap<Condition, number>, total: number, box: Box): Cut {
  let classes: Uint32Array[] = [box.bits.get(field)!];
  for (const { bits } of conditions.keys()) {
    const refined: Uint32Array[] = [];
    for (const part of classes) {
      const inside = part.map((word, index) => word & bits![index]!);
      const outside = part.map((word, index) => word & ~bits![index]!);
      if (!isEmpty(inside)) refined.push(inside);
      if (!isEmpty(outside)) refined.push(outside);
    }
    classes = refined;
  }
  const tested = [...conditions.values()].reduce((sum, number) => sum + number, 0);
  const rest = Math.max(0, total - tested);
  const weights = classes.map((bits) => trafficOf(field, bits));
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  let mean = 0;
  let worst = 0;
  for (const [index, part] of classes.entries()) {
    let left = rest;
    for (const [{ bits }, number] of conditions) if (overlaps(part, bits!)) left += number * DECIDED_TRUE;
    mean += (weights[index]! / all) * left;
    worst = Math.max(worst, left);
  }
  return {
    field,
    at: null,
    score: (1 - WORST) * mean + WORST * worst,
    split: () => classes.map((bits, index) => ({ box: box.withBits(field, bits), weight: weights[index]! / all, bits })),
  };
}

function isEmpty(bits: Uint32Array): boolean {
  return bits.every((word) => word === 0);
}

function overlaps(left: Uint32Array, right: Uint32Array): boolean {
  for (let index = 0; index < 8; index++) if ((left[index]! & right[index]!) !== 0) return true;
  return false;
}

function trafficOf(field: number, bits: Uint32Array): number {
  const shares = TRAFFIC.get(field);
  let sum = 0;
  for (let value = 0; value < 256; value++) {
    if (((bits[value >>> 5]! >>> (value & 31)) & 1) === 1) sum += shares?.get(value) ?? (shares === undefined ? 1 : 0.1);
  }
  return sum;
}
