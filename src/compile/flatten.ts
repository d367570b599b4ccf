/** Pass: follows a walk symbolically from its start, with jumps, gotos and returns dissolved, into one residual program for a box. */
import { NEXT_ACCEPT, NEXT_DROP, NEXT_HOTDROP, NEXT_REJECT, NEXT_RESET } from '../abi/program.ts';
import type { Box } from './box.ts';
import { Pairs } from './pairs.ts';
import { ALL_FIELDS, Decider, type Decisions, END_HIT, END_HOTDROP } from './partial.ts';
import type { Ropes } from './segments.ts';
import {
  type ActionStep,
  type Edge,
  fieldsOf,
  type Next,
  type PacketAction,
  type Program,
  type Step,
  type TestStep,
  type Work,
} from './steps.ts';
import type { Walk, WalkChain, WalkRule } from './walk.ts';

/** Where to go on after a return; equal stacks are one object. */
interface Frame {
  id: number;
  chain: WalkChain;
  rule: number;
  up: Frame | null;
  /** Knows that the tests of the rules hold that have jumped here. */
  decider: Decider;
  box: Box;
}

interface Place {
  chain: WalkChain;
  rule: number;
  stack: Frame | null;
}

const stackNumber = (stack: Frame | null): number => (stack === null ? 0 : stack.id + 1);

const NOWHERE: Edge = { rope: 0, evaluations: 0, next: NEXT_ACCEPT };

/**
 * Size proportional to the rules times the different stacks they are reached with, which can be exponential: `work` bounds it.
 * Throws OverBudget.
 */
export function flatten(walk: Walk, box: Box, decisions: Decisions, ropes: Ropes, work: Work): Program {
  return new Flattener(walk, box, new Decider(box, decisions, ALL_FIELDS), ropes, work).run();
}

class Flattener {
  private readonly walk: Walk;
  private readonly box: Box;
  private readonly decider: Decider;
  private readonly ropes: Ropes;
  private readonly work: Work;
  private readonly frames: Frame[] = [];
  /** By stack, and by a rule's own rope; steps of actions have numbers of their own. */
  private readonly knownFrames = new Pairs();
  private readonly knownSteps = new Pairs();
  private readonly steps: Step[] = [];
  /** Edges of steps that are still to be followed. */
  private readonly pending: (() => void)[] = [];

  constructor(walk: Walk, box: Box, decider: Decider, ropes: Ropes, work: Work) {
    this.walk = walk;
    this.box = box;
    this.decider = decider;
    this.ropes = ropes;
    this.work = work;
  }

  run(): Program {
    const start = this.follow({ chain: this.walk.base, rule: 0, stack: null }, 0, 0);
    for (let work = this.pending.pop(); work !== undefined; work = this.pending.pop()) work();
    return { start, steps: this.steps };
  }

  /** Walks from a place to the next step that is not decided, or to a verdict. */
  private follow(from: Place, rope: number, evaluations: number): Edge {
    let place = from;
    const edge: Edge = { rope, evaluations, next: NEXT_ACCEPT };
    for (;;) {
      this.work.spend(1);
      const rule = place.chain.rules[place.rule];
      if (rule === undefined) {
        edge.rope = this.ropes.join(edge.rope, place.chain.endRope);
        if (place.chain.policy !== null) {
          edge.next = place.chain.policy;
          return edge;
        }
        place = this.pop(place.stack);
        continue;
      }
      const rest = (place.stack?.decider ?? this.decider).rest(rule.tests, END_HIT);
      if (rest.tests.length > 0) {
        edge.next = this.testStep(place, rule, rest.tests, rest.end);
        return edge;
      }
      edge.evaluations++;
      if (rest.end === END_HOTDROP) {
        edge.rope = this.ropes.join(edge.rope, rule.drops.silent);
        edge.next = NEXT_HOTDROP;
        return edge;
      }
      if (rest.end !== END_HIT) {
        place = { chain: place.chain, rule: place.rule + 1, stack: place.stack };
        continue;
      }
      edge.rope = this.ropes.join(edge.rope, rule.rope);
      const after = this.act(place, rule);
      if (typeof after === 'number' || 'kind' in after) {
        edge.next = after;
        return edge;
      }
      place = after;
    }
  }

  /** What a matched rule does: a verdict, a step that changes the packet, or the next place. */
  private act(place: Place, rule: WalkRule): Next | Place {
    const { chain, stack } = place;
    const next = { chain, rule: place.rule + 1, stack };
    const { action } = rule;
    switch (action.kind) {
      case 'verdict':
        return verdictNumber(action.verdict);
      case 'continue':
        return next;
      case 'return':
        return chain.policy === null ? this.pop(stack) : { chain, rule: chain.rules.length, stack: null };
      case 'jump':
        return { chain: rule.target!, rule: 0, stack: this.push(next, rule) };
      case 'goto':
        return { chain: rule.target!, rule: 0, stack };
      case 'mark':
      case 'notrack':
        return this.actionStep(action, place, next);
      case 'effect':
        return this.actionStep(action, place, action.ends === true ? null : next);
      case 'nat':
        return this.actionStep(action, place, null);
    }
  }

  /** With nothing to return to, the walk goes to the policy of its base chain (ip_tables.c: the hook's underflow). */
  private pop(stack: Frame | null): Place {
    if (stack === null) return { chain: this.walk.base, rule: this.walk.base.rules.length, stack: null };
    return { chain: stack.chain, rule: stack.rule, stack: stack.up };
  }

  private push({ chain, rule, stack }: Place, { tests, rope }: WalkRule): Frame {
    const known = this.knownFrames.get(stackNumber(stack), rope);
    if (known >= 0) return this.frames[known]!;
    const box = (stack?.box ?? this.box).where(tests);
    const decider = new Decider(box, null, ALL_FIELDS);
    const frame = { id: this.frames.length, chain, rule, up: stack, decider, box };
    this.knownFrames.set(stackNumber(stack), rope, frame.id);
    this.frames.push(frame);
    return frame;
  }

  private testStep(place: Place, rule: WalkRule, tests: TestStep['tests'], end: number): Step {
    const known = this.shared(place, rule.rope * 2);
    if (known !== null) return known;
    const step: TestStep = {
      kind: 'tests',
      index: this.steps.length,
      tests,
      fields: fieldsOf(tests),
      end,
      hit: NOWHERE,
      miss: NOWHERE,
      drops: rule.drops,
      shared: false,
    };
    this.add(place, rule.rope * 2, step);
    this.pending.push(() => {
      const after = { chain: place.chain, rule: place.rule + 1, stack: place.stack };
      step.miss = this.follow(after, 0, 1);
      if (end === END_HIT) step.hit = this.hitEdge(place, rule);
    });
    return step;
  }

  private hitEdge(place: Place, rule: WalkRule): Edge {
    const after = this.act(place, rule);
    if (typeof after === 'number' || 'kind' in after) return { rope: rule.rope, evaluations: 1, next: after };
    return this.follow(after, rule.rope, 1);
  }

  /** `next` null: the walk ends. */
  private actionStep(action: PacketAction, place: Place, next: Place | null): Step {
    const number = place.chain.rules[place.rule]!.rope * 2 + 1;
    const known = this.shared(place, number);
    if (known !== null) return known;
    const step: ActionStep = { kind: 'action', index: this.steps.length, action, hit: NOWHERE, shared: false };
    this.add(place, number, step);
    this.pending.push(() => {
      if (next !== null) step.hit = this.follow(next, 0, 0);
    });
    return step;
  }

  /** The step that is known for a place by this number, which more than one way leads to now. */
  private shared({ stack }: Place, number: number): Step | null {
    const known = this.knownSteps.get(stackNumber(stack), number);
    if (known < 0) return null;
    const step = this.steps[known]!;
    step.shared = true;
    return step;
  }

  private add({ stack }: Place, number: number, step: Step): void {
    this.knownSteps.set(stackNumber(stack), number, this.steps.length);
    this.steps.push(step);
  }
}

const VERDICT_NUMBERS = { ACCEPT: NEXT_ACCEPT, DROP: NEXT_DROP, REJECT: NEXT_REJECT, RESET: NEXT_RESET } as const;

export function verdictNumber(verdict: keyof typeof VERDICT_NUMBERS): number {
  return VERDICT_NUMBERS[verdict];
}
