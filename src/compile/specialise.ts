/** Pass: the residual program of a smaller box, from that of a larger one. Costs what is left of the rules, not what the rules were. */
import { NEXT_ACCEPT, NEXT_HOTDROP } from '../abi/program.ts';
import type { Box } from './box.ts';
import { Decider, type Decisions, END_HIT, END_HOTDROP, type Rest } from './partial.ts';
import type { Ropes } from './segments.ts';
import { type Edge, fieldsOf, type Next, type Program, type Step, type TestStep, type Work } from './steps.ts';

const NOWHERE: Edge = { rope: 0, evaluations: 0, next: NEXT_ACCEPT };

/** `field`: the one in which `box` is smaller than the program's own. Throws OverBudget. */
export function specialise(program: Program, box: Box, field: number, decisions: Decisions, ropes: Ropes, work: Work): Program {
  return new Specialiser(program, new Decider(box, decisions, 1 << field), 1 << field, ropes, work).run();
}

/** Steps left, and a little for each test: how heavy a program is. */
export function weigh(program: Program): number {
  let sum = 0;
  for (const step of program.steps) sum += step.kind === 'tests' ? stepWeight(step.tests.length) : 1;
  return sum;
}

const stepWeight = (tests: number): number => 1 + tests / 16;

/** So many steps are weighed with the work that it takes to make one. */
const WEIGHINGS = 4;

/** Weighs what `specialise` would leave, without making it. Memory is kept from one program to the next. */
export class Scales {
  private seen = new Int32Array(64);
  private number = 0;
  private readonly stack: Step[] = [];

  /** As `specialise`. Throws OverBudget. */
  weigh(program: Program, box: Box, field: number, decisions: Decisions, work: Work): number {
    const decider = new Decider(box, decisions, 1 << field);
    if (this.seen.length < program.steps.length) this.seen = new Int32Array(program.steps.length * 2);
    this.number++;
    let sum = 0;
    let visited = 0;
    this.visit(program.start);
    for (let step = this.stack.pop(); step !== undefined; step = this.stack.pop()) {
      visited++;
      if (step.kind !== 'tests') {
        sum += 1;
        this.visit(step.kind === 'action' ? step.hit : step.miss);
        continue;
      }
      const untouched = (step.fields & (1 << field)) === 0;
      const left = untouched ? step.tests.length : decider.countRest(step.tests, step.end);
      const end = untouched ? step.end : decider.endOfLast;
      if (left > 0) {
        sum += stepWeight(left);
        this.visit(step.miss);
        if (end === END_HIT) this.visit(step.hit);
      } else if (end === END_HIT) this.visit(step.hit);
      else if (end !== END_HOTDROP) this.visit(step.miss);
    }
    work.spend(Math.ceil(visited / WEIGHINGS));
    return sum;
  }

  private visit({ next }: Edge): void {
    if (typeof next === 'number' || this.seen[next.index] === this.number) return;
    this.seen[next.index] = this.number;
    this.stack.push(next);
  }
}

/** A shared step on the way of an edge, and what was met since the one before. */
interface Meeting {
  step: Step;
  rope: number;
  evaluations: number;
}

class Specialiser {
  private readonly program: Program;
  private readonly decider: Decider;
  private readonly fields: number;
  private readonly ropes: Ropes;
  private readonly work: Work;
  /** By number of the old step: the new step, if it is still undecided. */
  private readonly made: (Step | undefined)[];
  /** By number of a shared old step: what arriving there comes to. Most programs have none. */
  private arrivals: (Edge | undefined)[] | null = null;
  private readonly steps: Step[] = [];
  /** New steps whose edges are still to be followed, each behind its old one. */
  private readonly pending: Step[] = [];

  constructor(program: Program, decider: Decider, fields: number, ropes: Ropes, work: Work) {
    this.program = program;
    this.decider = decider;
    this.fields = fields;
    this.ropes = ropes;
    this.work = work;
    this.made = new Array(program.steps.length);
  }

  run(): Program {
    const start = this.follow(this.program.start);
    for (let step = this.pending.pop(); step !== undefined; step = this.pending.pop()) {
      const old = this.pending.pop()!;
      if (step.kind === 'tests' && old.kind === 'tests') {
        step.miss = this.follow(old.miss);
        if (step.end === END_HIT) step.hit = this.follow(old.hit);
      } else if (step.kind === 'search' && old.kind === 'search') {
        step.miss = this.follow(old.miss);
      } else if (step.kind === 'action' && old.kind === 'action') {
        step.hit = this.follow(old.hit);
      }
    }
    return { start, steps: this.steps };
  }

  /**
   * Follows an edge through all steps the box decides. Where several ways meet, what comes behind is worked out once: the
   * ropes between meeting points are collected going forward and joined going back.
   */
  private follow(first: Edge): Edge {
    if (typeof first.next === 'number') return first;
    let meetings: Meeting[] | null = null;
    let { rope, evaluations } = first;
    let next: Next = first.next;
    // What comes behind the last meeting, or behind all.
    let tail: Edge | null = null;
    while (typeof next !== 'number') {
      const arrived: Edge | undefined = this.arrivals?.[next.index];
      if (arrived !== undefined) {
        tail = arrived;
        next = arrived.next;
        if (typeof next !== 'number') next.shared = true;
        break;
      }
      if (next.shared) {
        meetings ??= [];
        meetings.push({ step: next, rope, evaluations });
        rope = 0;
        evaluations = 0;
      }
      this.work.spend(1);
      const rest = this.rest(next);
      if (rest === null || rest.tests.length > 0) {
        next = this.keep(next, rest);
        break;
      }
      const decided = decidedEdge(next as TestStep, rest.end);
      rope = this.ropes.join(rope, decided.rope);
      evaluations += decided.evaluations;
      next = decided.next;
    }
    if (tail !== null) {
      rope = this.ropes.join(rope, tail.rope);
      evaluations += tail.evaluations;
    }
    let joined: Edge = { rope, evaluations, next };
    if (meetings === null) return joined;
    this.arrivals ??= new Array(this.program.steps.length);
    for (let meeting = meetings.pop(); meeting !== undefined; meeting = meetings.pop()) {
      this.arrivals[meeting.step.index] = joined;
      joined = {
        rope: this.ropes.join(meeting.rope, joined.rope),
        evaluations: meeting.evaluations + joined.evaluations,
        next,
      };
    }
    return joined;
  }

  /** What is left of a step's tests; null for a step of another kind. */
  private rest(step: Step): Rest | null {
    if (step.kind !== 'tests') return null;
    return (step.fields & this.fields) === 0 ? step : this.decider.rest(step.tests, step.end);
  }

  private keep(old: Step, rest: Rest | null): Step {
    const made = this.made[old.index];
    if (made !== undefined) {
      made.shared = true;
      return made;
    }
    let step: Step;
    if (old.kind === 'tests' && rest !== null) {
      const { tests, end } = rest;
      const kept: TestStep = {
        kind: 'tests',
        index: 0,
        tests,
        fields: tests === old.tests ? old.fields : fieldsOf(tests),
        end,
        hit: NOWHERE,
        miss: NOWHERE,
        drops: old.drops,
        shared: false,
      };
      step = kept;
    } else {
      step = { ...old, shared: false };
    }
    step.index = this.steps.length;
    this.made[old.index] = step;
    this.steps.push(step);
    this.pending.push(old, step);
    return step;
  }
}

/** The edge a step takes whose tests are all decided. */
function decidedEdge(step: TestStep, end: number): Edge {
  if (end === END_HIT) return step.hit;
  if (end === END_HOTDROP) return { rope: step.drops.silent, evaluations: 1, next: NEXT_HOTDROP };
  return step.miss;
}
