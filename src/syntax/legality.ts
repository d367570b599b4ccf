/**
 * What the kernel checks when a table is loaded (ip_tables.c translate_table): loops, and whether matches and targets may stand where they
 * are, judged by the hooks a rule can be reached from.
 */
import type { Extension, Legality } from '../extensions/extension.ts';
import { protocolName } from '../model/names.ts';
import type { Chain, Rule, Table } from '../model/ruleset.ts';
import type { Context } from './context.ts';
import { errorAt } from './source.ts';

/** Checks a table. Throws RuleError at the rule, match or target. */
export function checkTable(table: Table, context: Context): void {
  const reached = reachableRules(table, context);
  for (const chain of table.chains) {
    for (const rule of chain.rules) checkRule(rule, reached.get(rule), table, context);
  }
}

/**
 * The base chains each rule is reached from, or a RuleError for a loop. As in the kernel: a rule without any condition that ends the walk hides
 * the rest of its chain, a chain is walked once for each hook, and only loops that are reached count.
 */
function reachableRules(table: Table, context: Context): Map<Rule, Set<string>> {
  const chains = new Map(table.chains.map((chain) => [chain.name, chain]));
  const reached = new Map<Rule, Set<string>>();
  for (const base of table.chains) {
    if (base.policy !== null) walk(base, chains, reached, context);
  }
  return reached;
}

function walk(base: Chain, chains: ReadonlyMap<string, Chain>, reached: Map<Rule, Set<string>>, context: Context): void {
  const done = new Set<string>();
  const active = new Set([base.name]);
  const stack = [{ chain: base, next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const rule = top.chain.rules[top.next++];
    if (rule === undefined || (rule.target?.kind === 'verdict' && mark(rule, base.name, reached) && unconditional(rule))) {
      stack.pop();
      active.delete(top.chain.name);
      done.add(top.chain.name);
      continue;
    }
    mark(rule, base.name, reached);
    const target = rule.target?.kind === 'chain' ? chains.get(rule.target.chain) : undefined;
    if (target === undefined || rule.target === null) continue;
    if (active.has(target.name)) {
      const message = `the rule makes a loop: "${target.name}" leads back here from ${base.name}`;
      throw errorAt(context.source, rule.target.position, message, {
        kind: 'illegal',
        hint: 'break the loop: use RETURN to go back to the caller',
      });
    }
    if (done.has(target.name)) continue;
    active.add(target.name);
    stack.push({ chain: target, next: 0 });
  }
}

function mark(rule: Rule, hook: string, reached: Map<Rule, Set<string>>): true {
  const hooks = reached.get(rule);
  if (hooks === undefined) reached.set(rule, new Set([hook]));
  else hooks.add(hook);
  return true;
}

/** No condition at all: not even a match that is always true. */
function unconditional(rule: Rule): boolean {
  const { source, destination, inInterface, outInterface, protocol, fragment } = rule.builtin;
  return rule.matches.length === 0 && !source && !destination && !inInterface && !outInterface && !protocol && !fragment;
}

function checkRule(rule: Rule, hooks: ReadonlySet<string> | undefined, table: Table, context: Context): void {
  for (const match of rule.matches) {
    const extension = match.assumed === undefined ? context.registry.findMatch(match.name, context.family) : undefined;
    if (extension !== undefined) checkLegality(extension, rule, match.position, hooks, table, context);
  }
  const { target } = rule;
  if (target?.kind !== 'extension') return;
  if (target.assumed !== undefined) {
    if (!table.chains.some((chain) => chain.name === target.name)) return;
    throw errorAt(context.source, target.position, `no chain or target named "${target.name}" yet`, {
      kind: 'illegal',
      hint: 'the chain is made further down: put its line in front of the rules',
    });
  }
  const extension = context.registry.findTarget(target.name, context.family);
  if (extension !== undefined) checkLegality(extension, rule, target.position, hooks, table, context);
}

function checkLegality(
  extension: Extension,
  rule: Rule,
  position: Rule['position'],
  hooks: ReadonlySet<string> | undefined,
  table: Table,
  context: Context,
): void {
  const legality: Legality = extension.legality ?? {};
  const fail = (message: string, hint: string) =>
    errorAt(context.source, position, `${extension.name}: ${message}`, { kind: 'illegal', hint });
  if (legality.tables !== undefined && !legality.tables.includes(table.name)) {
    throw fail(`not in the ${table.name} table`, `only in ${legality.tables.join(', ')}`);
  }
  const allowed = legality.hooks;
  const wrong = allowed === undefined ? undefined : [...(hooks ?? [])].find((hook) => !allowed.includes(hook));
  if (wrong !== undefined) throw fail(`cannot be reached from ${wrong}`, `only from ${allowed?.join(', ')}`);
  const { protocol } = rule.builtin;
  if (
    legality.protocols !== undefined &&
    (protocol === undefined || protocol.invert || !legality.protocols.includes(protocol.number))
  ) {
    const names = legality.protocols.map((number) => protocolName(number) ?? String(number));
    throw fail(`wants -p ${names.join(' or -p ')}`, 'the rule itself must name the protocol, not inverted');
  }
}
