/**
 * Pass: the linear program of a walk: every rule a step, in order, with calls and returns at run time. Its size is that of the rules,
 * whatever the call graph; used when the tree is switched off or would be too large.
 */
import { END_HIT, END_MISS, NEXT_ACCEPT, NEXT_HOTDROP } from '../abi/program.ts';
import type { Box } from './box.ts';
import type { Code, CodeEdge } from './code.ts';
import { verdictNumber } from './flatten.ts';
import { ALL_FIELDS, Decider, type Decisions } from './partial.ts';
import { NO_DROPS } from './steps.ts';
import type { Walk, WalkChain, WalkRule } from './walk.ts';

const NOWHERE: CodeEdge = { rope: 0, evaluations: 0, next: NEXT_ACCEPT };

/** The offset of the edge the walk starts with. */
export function emitLinear(walk: Walk, box: Box, decisions: Decisions, code: Code): number {
  const decider = new Decider(box, decisions, ALL_FIELDS);
  const starts = new Map<WalkChain, number>();
  const back = code.returnStep();
  for (const chain of walk.chains) starts.set(chain, emitChain(chain, back, starts, decider, code));
  return code.edge({ rope: 0, evaluations: 0, next: starts.get(walk.base)! });
}

/** The edge of a walk that ends with its policy: where a return with nothing to return to leads. */
export function emitPolicy(walk: Walk, code: Code): number {
  return code.edge({ rope: walk.base.endRope, evaluations: 0, next: walk.base.policy! });
}

function emitChain(chain: WalkChain, back: number, starts: ReadonlyMap<WalkChain, number>, decider: Decider, code: Code): number {
  const end = code.testStep([], END_HIT, { rope: chain.endRope, evaluations: 0, next: chain.policy ?? back }, NOWHERE, NO_DROPS);
  const leave = chain.policy === null ? back : end;
  let next = end;
  for (let index = chain.rules.length - 1; index >= 0; index--) {
    const rule = chain.rules[index]!;
    const rest = decider.rest(rule.tests, END_HIT);
    const hit: CodeEdge = { rope: rule.rope, evaluations: 1, next: NEXT_HOTDROP };
    if (rest.end === END_HIT) hit.next = action(rule, next, leave, starts, code);
    const miss = { rope: 0, evaluations: 1, next };
    next = code.testStep(rest.tests, rest.end, rest.end === END_MISS ? NOWHERE : hit, miss, rule.drops);
  }
  return next;
}

/** Where a matched rule leads. */
function action(rule: WalkRule, next: number, leave: number, starts: ReadonlyMap<WalkChain, number>, code: Code): number {
  const { action } = rule;
  switch (action.kind) {
    case 'verdict':
      return verdictNumber(action.verdict);
    case 'continue':
      return next;
    case 'return':
      return leave;
    case 'jump':
      return code.callStep(starts.get(rule.target!)!, next);
    case 'goto':
      return starts.get(rule.target!)!;
    case 'mark':
    case 'notrack':
      return code.actionStep(action, { rope: 0, evaluations: 0, next });
    case 'effect':
      return code.actionStep(action, action.ends === true ? NOWHERE : { rope: 0, evaluations: 0, next });
    case 'nat':
      return code.actionStep(action, NOWHERE);
  }
}
