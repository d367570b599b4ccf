/**
 * Residual programs: what is left of a walk when a box has decided what it can. A graph without cycles of steps; each edge says what happened on it
 * (a rope of events, rules evaluated) and where it leads.
 */
import type { Action } from '../model/predicate.ts';
import type { CompiledTest } from './tests.ts';

/** NEXT_* verdicts, or a step. */
export type Next = number | Step;

export interface Edge {
  rope: number;
  evaluations: number;
  next: Next;
}

/** The two kinds of drops that a rule's tests can end with. */
export interface DropRopes {
  /** The rule does not count. What TRACE says then: nf_tables names the rule, ip_tables is silent (rope 0). */
  silent: number;
  /** The rule counts (TEST_HOTDROP_MATCHED) and its target acts, which changes nothing of the drop; null: no test of it does so. */
  matched: { rope: number; action: Action } | null;
}

/** No test drops anything. */
export const NO_DROPS: DropRopes = { silent: 0, matched: null };

export interface TestStep {
  kind: 'tests';
  /** Dense number within its program. */
  index: number;
  tests: readonly CompiledTest[];
  /** Bits of the fields that its tests depend on. */
  fields: number;
  /** END_*: what follows when all tests passed. */
  end: number;
  hit: Edge;
  miss: Edge;
  /** What happened when a test drops the packet. */
  drops: DropRopes;
  /** More than one edge leads here. */
  shared: boolean;
}

/** What changes the packet or its connection, and goes on (nat: with the verdict ACCEPT). */
export type PacketAction = Extract<Action, { kind: 'mark' | 'notrack' | 'effect' | 'nat' }>;

/** An action that changes the packet, then one edge. */
export interface ActionStep {
  kind: 'action';
  index: number;
  action: PacketAction;
  hit: Edge;
  shared: boolean;
}

/** What a packet of a search can come to: all tests hold. */
export interface Entry {
  tests: readonly CompiledTest[];
  edge: Edge;
}

/** Many rules in a row that only test fields, as one step: the first entry decides. */
export interface SearchStep {
  kind: 'search';
  index: number;
  /** One object for all steps that search the same entries. What their edges lead to is seen by no tree above. */
  entries: readonly Entry[];
  /** None of them. */
  miss: Edge;
  shared: boolean;
}

export type Step = TestStep | ActionStep | SearchStep;

export interface Program {
  start: Edge;
  /** In the order they were met from the start. */
  steps: readonly Step[];
}

/** Work done by the compiler, counted so that budgets do not depend on the machine's speed. */
export class Work {
  units = 0;
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  spend(units: number): void {
    this.units += units;
    if (this.units > this.limit) throw new OverBudget();
  }
}

export class OverBudget extends Error {}

/** Bits of the fields that some of the tests depend on. */
export const fieldsOf = (tests: readonly CompiledTest[]): number => {
  let fields = 0;
  for (let index = 0; index < tests.length; index++) fields |= tests[index]!.fields;
  return fields;
};
