/** A family's rule set made ready to walk: rules with their extensions looked up and counters at zero. */
import type { MatchExtension, TargetExtension, TurnedOn } from '../extensions/extension.ts';
import { findMatch, findTarget } from '../extensions/index.ts';
import { registersConntrack } from '../extensions/upstream.ts';
import { RuleError } from '../model/errors.ts';
import type { ChainCounters, Counter, TableCounters } from '../model/outcome.ts';
import {
  type Builtin,
  type Family,
  inLoadOrder,
  type Match,
  type Rule,
  type RuleSet,
  type TableName,
  type Target,
} from '../model/ruleset.ts';
import type { LoadContext } from '../packet/view.ts';

export interface ReadyMatch {
  match: Match;
  /** undefined: assumed. */
  extension: MatchExtension | undefined;
  /** What the match keeps from packet to packet (limit's bucket); made at first use. */
  state?: { value: unknown };
}

export type ReadyTarget =
  | { kind: 'none' }
  | { kind: 'verdict'; verdict: 'ACCEPT' | 'DROP' | 'RETURN' | 'QUEUE' }
  | { kind: 'chain'; chain: ReadyChain; goto: boolean }
  /** `template`: what -j CT attaches to packets; it is the rule's own, and keeps its mark (xt_CT.c: info->ct). */
  | { kind: 'extension'; extension: TargetExtension; options: unknown; tcpReset: boolean; template: { mark: number } };

export interface ReadyRule {
  rule: Rule;
  /** From 1. */
  number: number;
  matches: ReadyMatch[];
  target: ReadyTarget;
  /** Nothing is asked and a verdict given at once: TRACE calls such a rule a policy or return. */
  unconditional: boolean;
  counter: Counter;
}

export interface ReadyChain {
  table: TableName;
  name: string;
  policy: 'ACCEPT' | 'DROP' | null;
  rules: ReadyRule[];
  /** Of the policy; for user chains always 0. */
  counter: Counter;
}

export type ReadyTables = Map<TableName, Map<string, ReadyChain>>;

/** Throws RuleError for a rule the registry does not know or a jump to nowhere. */
export function prepareTables(rules: RuleSet): ReadyTables {
  const out: ReadyTables = new Map();
  for (const table of rules.tables) {
    const chains = new Map<string, ReadyChain>();
    for (const { name, policy } of table.chains) {
      chains.set(name, { table: table.name, name, policy, rules: [], counter: { packets: 0, bytes: 0 } });
    }
    for (const chain of table.chains) {
      const ready = chains.get(chain.name)!;
      for (const rule of chain.rules) ready.rules.push(prepareRule(rule, ready.rules.length + 1, rules.family, chains));
    }
    out.set(table.name, chains);
  }
  return out;
}

/** Tells matches and targets that their rules are loaded, in the order of that: of a rule its matches first. */
export function loadRules(rules: RuleSet, context: LoadContext): void {
  for (const { matches, target } of inLoadOrder(rules, context.profile.backend)) {
    for (const { name, options, assumed } of matches)
      if (assumed === undefined) findMatch(name, rules.family)?.load?.(options, context);
    if (target?.kind === 'extension' && target.assumed === undefined)
      findTarget(target.name, rules.family)?.load?.(target.options, context);
  }
}

function prepareRule(rule: Rule, number: number, family: Family, chains: Map<string, ReadyChain>): ReadyRule {
  const matches = rule.matches.map((match) => prepareMatch(match, family));
  const target = prepareTarget(rule.target, family, chains);
  const unconditional = target.kind === 'verdict' && matches.length === 0 && asksNothing(rule.builtin, family);
  return { rule, number, matches, target, unconditional, counter: { packets: 0, bytes: 0 } };
}

function prepareMatch(match: Match, family: Family): ReadyMatch {
  if (match.assumed !== undefined) return { match, extension: undefined };
  const extension = findMatch(match.name, family);
  if (extension !== undefined) return { match, extension };
  throw new RuleError(match.position, `the match "${match.name}" is not supported`, { kind: 'unsupported' });
}

function prepareTarget(target: Target | null, family: Family, chains: Map<string, ReadyChain>): ReadyTarget {
  if (target === null) return { kind: 'none' };
  if (target.kind === 'verdict') return { kind: 'verdict', verdict: target.verdict };
  if (target.kind === 'chain') {
    const chain = chains.get(target.chain);
    if (chain === undefined) throw new RuleError(target.position, `there is no chain "${target.chain}"`, { kind: 'illegal' });
    return { kind: 'chain', chain, goto: target.goto };
  }
  // Not understood: taken for one that goes on.
  if (target.assumed !== undefined) return { kind: 'none' };
  const extension = findTarget(target.name, family);
  if (extension === undefined) {
    throw new RuleError(target.position, `the target "${target.name}" is not supported`, { kind: 'unsupported' });
  }
  const options: unknown = target.options;
  return {
    kind: 'extension',
    extension,
    options,
    tcpReset: target.name === 'REJECT' && answersWithReset(options),
    template: { mark: 0 },
  };
}

function answersWithReset(options: unknown): boolean {
  return typeof options === 'object' && options !== null && 'with' in options && options.with === 'tcp-reset';
}

/** All bytes of the kernel's own part of the rule are zero. `-p all` sets a flag in IPv6 only. */
function asksNothing(builtin: Builtin, family: Family): boolean {
  const { source, destination, inInterface, outInterface, protocol, fragment } = builtin;
  const anyAddress = (one: Builtin['source']): boolean =>
    one === undefined || (!one.invert && one.mask.every((word) => word === 0));
  if (!anyAddress(source) || !anyAddress(destination)) return false;
  if (inInterface !== undefined || outInterface !== undefined || fragment !== undefined) return false;
  return protocol === undefined || (family === 4 && protocol.number === 0 && !protocol.invert);
}

/** True when loading these rules makes the kernel track connections of this family. */
export function needsConntrack(rules: RuleSet): boolean {
  const needed = (
    use: { name: string; assumed?: unknown; options: unknown },
    extension: MatchExtension | TargetExtension | undefined,
  ): boolean => {
    if (use.assumed !== undefined) return registersConntrack(use.name);
    const needs = extension?.needsConntrack;
    return typeof needs === 'function' ? needs(use.options) : needs === true;
  };
  const byRule = ({ matches, target }: Rule): boolean =>
    matches.some((match) => needed(match, findMatch(match.name, rules.family))) ||
    (target?.kind === 'extension' && needed(target, findTarget(target.name, rules.family)));
  return rules.tables.some((table) => table.chains.some((chain) => chain.rules.some(byRule)));
}

/** True when loading these rules makes the kernel put fragments together before all tables. */
export function gathersFragments(rules: RuleSet): boolean {
  const gathers = (use: { assumed?: unknown }, extension: MatchExtension | TargetExtension | undefined): boolean =>
    use.assumed === undefined && extension?.needsDefragmentation === true;
  const byRule = ({ matches, target }: Rule): boolean =>
    matches.some((match) => gathers(match, findMatch(match.name, rules.family))) ||
    (target?.kind === 'extension' && gathers(target, findTarget(target.name, rules.family)));
  return needsConntrack(rules) || rules.tables.some(({ chains }) => chains.some((chain) => chain.rules.some(byRule)));
}

/** What loading these rules turns on in conntrack, for connections of all families. */
export function turnedOn(rules: RuleSet): TurnedOn[] {
  const matches = rules.tables.flatMap(({ chains }) => chains.flatMap((chain) => chain.rules.flatMap((rule) => rule.matches)));
  return matches.flatMap(({ name, assumed }) => (assumed === undefined ? (findMatch(name, rules.family)?.turnsOn ?? []) : []));
}

/** The counters as every witness gives them. */
export function countersOf(tables: ReadyTables): TableCounters {
  const out: TableCounters = {};
  for (const [name, chains] of tables) {
    const table: Record<string, ChainCounters> = {};
    for (const chain of chains.values()) {
      table[chain.name] = { policy: chain.policy, ...chain.counter, rules: chain.rules.map(({ counter }) => ({ ...counter })) };
    }
    out[name] = table;
  }
  return out;
}
