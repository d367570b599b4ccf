/** Residual programs that are left in several boxes: where a box says as much as another one about all that a program asks, the trees over them are the same, and one is grown. */
import type { Box } from './box.ts';
import type { Edge, Program, Step } from './steps.ts';
import { type Range, SMALL_FIELDS } from './tests.ts';

/** Of longer programs no equal one is looked for: they are rare, and what is kept of them would be large. */
const LONG = 64;
/** So many programs are compared at most: in places of many boxes equal ones are left that differ in what they say. */
const COMPARED = 8;

interface Known<T> {
  program: Program;
  box: Box;
  value: T;
}

/** Values by program and box. */
export class Alike<T> {
  private readonly known = new Map<number, Known<T>[]>();

  /** The value that was kept for this program, in a box that is the same to it; else what `make` gives is kept. */
  once(program: Program, box: Box, make: () => T): T {
    if (program.steps.length > LONG) return make();
    const hash = hashOf(program);
    const list = this.known.get(hash) ?? [];
    for (let index = 0; index < list.length; index++) {
      const one = list[index]!;
      if (isSame(program, one.program) && saysSame(program, box, one.box)) return one.value;
    }
    const value = make();
    if (list.length === 0) this.known.set(hash, list);
    if (list.length < COMPARED) list.push({ program, box, value });
    return value;
  }
}

function hashOf({ start, steps }: Program): number {
  let hash = mixed(steps.length, start);
  for (let index = 0; index < steps.length; index++) {
    const step = steps[index]!;
    if (step.kind === 'tests') {
      for (let test = 0; test < step.tests.length; test++) hash = mix(hash, step.tests[test]!.id);
      hash = mixed(mix(hash, step.end), step.miss);
    }
    if (step.kind !== 'search') hash = mixed(hash, step.hit);
  }
  return hash;
}

function mix(hash: number, value: number): number {
  const next = Math.imul(hash ^ value, 0x9e3779b1);
  return next ^ (next >>> 15);
}

const mixed = (hash: number, { rope, evaluations, next }: Edge): number =>
  mix(mix(mix(hash, rope), evaluations), typeof next === 'number' ? next : ~next.index);

/** Whether two programs do the same. */
function isSame(one: Program, other: Program): boolean {
  if (one.steps.length !== other.steps.length || !isSameEdge(one.start, other.start)) return false;
  for (let index = 0; index < one.steps.length; index++) if (!isSameStep(one.steps[index]!, other.steps[index]!)) return false;
  return true;
}

function isSameStep(one: Step, other: Step): boolean {
  if (one.kind === 'tests' && other.kind === 'tests') {
    if (one.tests.length !== other.tests.length || one.end !== other.end || one.drops !== other.drops) return false;
    for (let index = 0; index < one.tests.length; index++) if (one.tests[index] !== other.tests[index]) return false;
    return isSameEdge(one.hit, other.hit) && isSameEdge(one.miss, other.miss);
  }
  if (one.kind === 'action' && other.kind === 'action') return one.action === other.action && isSameEdge(one.hit, other.hit);
  if (one.kind === 'search' && other.kind === 'search') return one.entries === other.entries && isSameEdge(one.miss, other.miss);
  return false;
}

/** Steps of two programs are the same where their numbers are. */
function isSameEdge(one: Edge, other: Edge): boolean {
  if (one.rope !== other.rope || one.evaluations !== other.evaluations) return false;
  if (typeof one.next === 'number' || typeof other.next === 'number') return one.next === other.next;
  return one.next.index === other.next.index;
}

/** Whether two boxes decide what the program asks alike, and so do parts of them that are cut at the same values. */
function saysSame({ steps }: Program, one: Box, other: Box): boolean {
  for (let index = 0; index < steps.length; index++) {
    const step = steps[index]!;
    if (step.kind !== 'tests') continue;
    for (let test = 0; test < step.tests.length; test++) {
      const { shape } = step.tests[test]!;
      if (shape.kind === 'lexical') {
        for (let word = 0; word < shape.low.length; word++) {
          const field = shape.field + word;
          if (isTold(field, shape.low[word]!, shape.low[word]!, one, other)) return false;
          if (isTold(field, shape.high[word]!, shape.high[word]!, one, other)) return false;
        }
      } else if (shape.kind === 'all' || shape.kind === 'any') {
        for (const { field, ranges } of shape.conditions) if (!isSameField(field, ranges, one, other)) return false;
      }
    }
  }
  return true;
}

function isSameField(field: number, ranges: readonly Range[], one: Box, other: Box): boolean {
  if (SMALL_FIELDS.has(field)) {
    const left = one.bits.get(field)!;
    const right = other.bits.get(field)!;
    for (let word = 0; left !== right && word < left.length; word++) if (left[word] !== right[word]) return false;
    return true;
  }
  for (let index = 0; index < ranges.length; index++) {
    const range = ranges[index]!;
    if (isTold(field, range[0], range[1], one, other)) return false;
  }
  return true;
}

/** Whether a range tells the ends of two boxes from each other: it begins or ends between them. */
const isTold = (field: number, low: number, high: number, one: Box, other: Box): boolean =>
  isBetween(low, high, one.low[field]!, other.low[field]!) || isBetween(low, high, one.high[field]!, other.high[field]!);

function isBetween(low: number, high: number, one: number, other: number): boolean {
  if (one === other) return false;
  const least = Math.min(one, other);
  const most = Math.max(one, other);
  return (low > least && low <= most) || (high >= least && high < most);
}
