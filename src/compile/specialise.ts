/** Pass: the residual program of a smaller box, from that of a larger one. Costs what is left of the rules, not what the rules were. */
import { NEXT_ACCEPT, NEXT_HOTDROP } from '../abi/program.ts';
import type { Box } from './box.ts';
import { Decider, type Decisions, END_HIT, END_HOTDROP } from './partial.ts';
import type { Ropes } from './segments.ts';
import type { Edge, Program, Step, TestStep, Work } from './steps.ts';

const NOWHERE: Edge = { rope: 0, evaluations: 0, next: NEXT_ACCEPT };

/** Throws OverBudget. */
export function specialise(program: Program, box: Box, decisions: Decisions, ropes: Ropes, work: Work): Program {
  return new Specialiser(program, new Decider(box, decisions), ropes, work).run();
}

class Specialiser {
  private readonly program: Program;
  private readonly decider: Decider;
  private readonly ropes: Ropes;
  private readonly work: Work;
  /** By number of the old step: the new step, if it is still undecided. */
  private readonly made: (Step | undefined)[];
  /** By number of a shared old step: what arriving there comes to. */
  private readonly arrivals: (Edge | undefined)[];
  private readonly steps: Step[] = [];
  private readonly pending: [Step, Step][] = [];

  constructor(program: Program, decider: Decider, ropes: Ropes, work: Work) {
    this.program = program;
    this.decider = decider;
    this.ropes = ropes;
    this.work = work;
    this.made = new Array(program.steps.length);
    this.arrivals = new Array(program.steps.length);
  }

  run(): Program {
    const start = this.follow(this.program.start);
    for (let pair = this.pending.pop(); pair !== undefined; pair = this.pending.pop()) {
      const [old, step] = pair;
      if (step.kind === 'tests' && old.kind === 'tests') {
        step.miss = this.follow(old.miss);
        if (step.end === END_HIT) step.hit = this.follow(old.hit);
      } else {
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
    const meetings: { step: Step; rope: number; evaluations: number }[] = [];
    let rope = first.rope;
    let evaluations = first.evaluations;
    let next = first.next;
    let tail: Edge = { rope: 0, evaluations: 0, next };
    while (typeof next !== 'number') {
      const arrived: Edge | undefined = this.arrivals[next.index];
      if (arrived !== undefined) {
        tail = arrived;
        if (typeof arrived.next !== 'number') arrived.next.shared = true;
        break;
      }
      if (next.shared) {
        meetings.push({ step: next, rope, evaluations });
        rope = 0;
        evaluations = 0;
      }
      this.work.spend(1);
      const decided = this.decided(next);
      if (decided === null) {
        tail = { rope: 0, evaluations: 0, next: this.keep(next) };
        break;
      }
      rope = this.ropes.join(rope, decided.rope);
      evaluations += decided.evaluations;
      next = decided.next;
      tail = { rope: 0, evaluations: 0, next };
    }
    for (;;) {
      const joined = { rope: this.ropes.join(rope, tail.rope), evaluations: evaluations + tail.evaluations, next: tail.next };
      const meeting = meetings.pop();
      if (meeting === undefined) return joined;
      this.arrivals[meeting.step.index] = joined;
      tail = joined;
      ({ rope, evaluations } = meeting);
    }
  }

  /** The edge a step takes for certain, or null when it stays. */
  private decided(step: Step): Edge | null {
    if (step.kind !== 'tests') return null;
    const rest = this.decider.rest(step.tests, step.end);
    if (rest.tests.length > 0) return null;
    if (rest.end === END_HIT) return step.hit;
    if (rest.end === END_HOTDROP) return { rope: step.drops.silent, evaluations: 1, next: NEXT_HOTDROP };
    return step.miss;
  }

  private keep(old: Step): Step {
    const made = this.made[old.index];
    if (made !== undefined) {
      made.shared = true;
      return made;
    }
    let step: Step;
    if (old.kind === 'tests') {
      const rest = this.decider.rest(old.tests, old.end);
      const kept: TestStep = {
        kind: 'tests',
        index: 0,
        tests: rest.tests,
        end: rest.end,
        hit: NOWHERE,
        miss: NOWHERE,
        drops: old.drops,
        shared: false,
      };
      step = kept;
    } else {
      step = { ...old, hit: NOWHERE, shared: false };
    }
    step.index = this.steps.length;
    this.made[old.index] = step;
    this.steps.push(step);
    this.pending.push([old, step]);
    return step;
  }
}
