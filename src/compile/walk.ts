/** One walk: a base chain of a table at a hook, with the chains it can reach, ready to be followed symbolically. */
import { EFFECT_CT_TEMPLATE } from '../abi/effects.ts';
import { FIELD_CT_DIRECTION, FIELD_CT_STATE, FIELD_CT_STATUS, FIELD_MARK } from '../abi/fields.ts';
import { COUNTS_NOTHING, COUNTS_POLICY, COUNTS_RULE, EVENT_POLICY, EVENT_RETURN, EVENT_RULE } from '../abi/image.ts';
import { NEXT_ACCEPT, NEXT_DROP } from '../abi/program.ts';
import type { Action } from '../model/predicate.ts';
import type { PlainTable } from './plain.ts';
import type { Ropes } from './segments.ts';
import { type DropRopes, NO_DROPS } from './steps.ts';
import type { CompiledTest, TestPool } from './tests.ts';

export interface WalkRule {
  tests: readonly CompiledTest[];
  action: Action;
  /** The rope of the rule's own event. */
  rope: number;
  /** What happened when one of the tests drops the packet. */
  drops: DropRopes;
  /** Chain of a jump or goto. */
  target: WalkChain | null;
}

export interface WalkChain {
  index: number;
  name: string;
  rules: WalkRule[];
  /** The event at the end: `return`, or `policy` in a base chain. */
  endRope: number;
  /** The policy as NEXT_*; null in user chains. */
  policy: number | null;
}

export interface Walk {
  base: WalkChain;
  /** Reachable chains, callees before callers. */
  chains: readonly WalkChain[];
  rules: number;
  /** Fields that actions of this walk change. */
  open: ReadonlySet<number>;
}

/** A jump to a chain that is not there, or a loop: iptables refuses both, so the syntax room has too. */
export class WalkError extends Error {}

/** Builds walks of one table; chains are shared between its walks. */
export class WalkBuilder {
  private readonly chains = new Map<string, WalkChain>();
  private readonly table: PlainTable;
  private readonly firstChain: number;

  /** `tracesDrops`: TRACE names the rule whose match drops a packet. */
  constructor(table: PlainTable, firstChain: number, pool: TestPool, ropes: Ropes, tracesDrops: boolean) {
    this.table = table;
    this.firstChain = firstChain;
    for (const [index, chain] of table.chains.entries()) {
      const number = firstChain + index;
      const base = chain.policy !== null;
      this.chains.set(chain.name, {
        index: number,
        name: chain.name,
        policy: chain.policy === null ? null : chain.policy === 'ACCEPT' ? NEXT_ACCEPT : NEXT_DROP,
        endRope: ropes.event({
          chain: number,
          number: chain.rules.length + 1,
          word: base ? EVENT_POLICY : EVENT_RETURN,
          counts: base ? COUNTS_POLICY : COUNTS_NOTHING,
        }),
        rules: chain.rules.map((rule, position) => {
          const tests = rule.tests.map((test) => pool.add(test));
          const place = position + 1;
          const word = rule.bare ? (base ? EVENT_POLICY : EVENT_RETURN) : EVENT_RULE;
          const traced = tracesDrops && tests.some((test) => test.mayDrop);
          const rope = ropes.event({ chain: number, number: place, word, counts: COUNTS_RULE });
          const silent = traced ? ropes.event({ chain: number, number: place, word: EVENT_RULE, counts: COUNTS_NOTHING }) : 0;
          const action = withState(rule.action, pool);
          const matched = tests.some((test) => test.mayDropMatched) ? { rope, action } : null;
          const drops = silent === 0 && matched === null ? NO_DROPS : { silent, matched };
          return { tests, action, rope, drops, target: null };
        }),
      });
    }
    for (const chain of this.chains.values()) for (const rule of chain.rules) rule.target = this.targetOf(rule.action);
  }

  private targetOf(action: Action): WalkChain | null {
    if (action.kind !== 'jump' && action.kind !== 'goto') return null;
    const target = this.chains.get(action.chain);
    if (target === undefined) throw new WalkError(`${this.table.name}: no chain ${action.chain}`);
    return target;
  }

  /** Chains that can be reached from a base chain, callees first, without recursion (chains may be nested thousands deep). */
  walk(name: string): Walk | null {
    const base = this.chains.get(name);
    if (base === undefined || base.policy === null) return null;
    const done: WalkChain[] = [];
    const state = new Map<WalkChain, 'open' | 'done'>();
    const stack: { chain: WalkChain; next: number }[] = [{ chain: base, next: 0 }];
    state.set(base, 'open');
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const rule = top.chain.rules[top.next++];
      if (rule === undefined) {
        state.set(top.chain, 'done');
        done.push(top.chain);
        stack.pop();
      } else if (rule.target !== null && state.get(rule.target) !== 'done') {
        if (state.get(rule.target) === 'open') throw new WalkError(`${this.table.name}: loop through chain ${rule.target.name}`);
        state.set(rule.target, 'open');
        stack.push({ chain: rule.target, next: 0 });
      }
    }
    return { base, chains: done, rules: done.reduce((sum, chain) => sum + chain.rules.length, 0), open: openFields(done) };
  }

  /** Number of the first chain after this table's. */
  get nextChain(): number {
    return this.firstChain + this.table.chains.length;
  }
}

/** A template of CT is its rule's own, and keeps its mark (xt_CT.c: info->ct). */
function withState(action: Action, pool: TestPool): Action {
  if (action.kind !== 'effect' || action.code !== EFFECT_CT_TEMPLATE) return action;
  return { ...action, parameters: [...action.parameters, pool.slot()] };
}

function openFields(chains: readonly WalkChain[]): Set<number> {
  const open = new Set<number>();
  for (const chain of chains) {
    for (const { action } of chain.rules) for (const field of changedFields(action)) open.add(field);
  }
  return open;
}

/** Fields that an action may change. */
export function changedFields(action: Action): readonly number[] {
  switch (action.kind) {
    case 'mark':
      return [FIELD_MARK];
    case 'notrack':
      return [FIELD_CT_STATE, FIELD_CT_DIRECTION, FIELD_CT_STATUS];
    case 'effect':
      return action.changes;
    default:
      return [];
  }
}
