/**
 * What the kernel checks when a table is loaded (ip_tables.c translate_table): loops, and whether matches and targets may stand where they
 * are, judged by the hooks a rule can be reached from. nf_tables and nft_compat check the same, rule by rule as they are added.
 */
import type { Extension, Legality } from '../extensions/extension.ts';
import type { RuleError } from '../model/errors.ts';
import { protocolName } from '../model/names.ts';
import type { Chain, Match, Rule, Table, Target } from '../model/ruleset.ts';
import type { Context } from './context.ts';
import { checkDepth } from './depth.ts';
import { errorAt } from './source.ts';

/** Checks a table. Throws RuleError at the rule, match or target. */
export function checkTable(table: Table, context: Context): void {
  const reached = reachableRules(table, context);
  if (context.backend === 'nft') checkDepth(table, context);
  for (const chain of table.chains) {
    const own = chain.policy === null ? undefined : new Set([chain.name]);
    for (const rule of chain.rules) checkRule(rule, { reached: reached.get(rule), own }, table, context);
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
    if (rule === undefined || (hides(rule, context) && mark(rule, base.name, reached))) {
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

/** Whether the kernel does not look at what stands behind a rule. That of nftables looks at everything. */
function hides(rule: Rule, context: Context): boolean {
  return context.backend === 'legacy' && rule.target?.kind === 'verdict' && unconditional(rule);
}

/** No condition at all: not even a match that is always true. */
function unconditional(rule: Rule): boolean {
  const { source, destination, inInterface, outInterface, protocol, fragment } = rule.builtin;
  return rule.matches.length === 0 && !source && !destination && !inInterface && !outInterface && !protocol && !fragment;
}

/** Base chains: those a rule is reached from, and the one it stands in. */
interface Hooks {
  reached: ReadonlySet<string> | undefined;
  own: ReadonlySet<string> | undefined;
}

/** A name taken for a target nobody knows must not turn out to be a chain. */
function checkAssumed({ target }: Rule, table: Table, context: Context): void {
  if (target?.kind !== 'extension' || target.assumed === undefined) return;
  if (!table.chains.some((chain) => chain.name === target.name)) return;
  throw errorAt(context.source, target.position, `no chain or target named "${target.name}" yet`, {
    kind: 'illegal',
    hint: 'the chain is made further down: put its line in front of the rules',
  });
}

function checkRule(rule: Rule, hooks: Hooks, table: Table, context: Context): void {
  checkAssumed(rule, table, context);
  const uses: [Extension | undefined, Match | Extract<Target, { kind: 'extension' }>][] = rule.matches.map((match) => [
    context.registry.findMatch(match.name, context.family),
    match,
  ]);
  const { target } = rule;
  if (target?.kind === 'extension') uses.push([context.registry.findTarget(target.name, context.family), target]);
  for (const [extension, { options, position, assumed }] of uses) {
    if (extension === undefined || assumed !== undefined) continue;
    const fail: Fail = (message, hint, kind = 'illegal') =>
      errorAt(context.source, position, `${extension.name}: ${message}`, { kind, hint });
    const inverts = context.backend === 'nft' && extension.kind === 'match' && extension.isNative?.(options) === true;
    // What a module demands of its options it is asked once: by nf_tables when the rule is added, before anything is known of who calls its chain.
    const asked = context.backend === 'nft' ? hooks.own : hooks.reached;
    const wrong = extension.demands?.(options, rule, context.backend);
    if (wrong !== undefined) throw fail(wrong.message, wrong.hint);
    for (const [legality, from] of [
      [extension.legality, hooks.reached] as const,
      [extension.legalityOf?.(options), asked] as const,
    ]) {
      if (legality === undefined) continue;
      checkPlace(legality, table, from, fail);
      checkProtocol(legality, rule, inverts, fail);
    }
  }
}

type Fail = (message: string, hint: string, kind?: string) => RuleError;

function checkPlace(legality: Legality, table: Table, hooks: ReadonlySet<string> | undefined, fail: Fail): void {
  const { tables, hooks: allowed } = legality;
  if (tables !== undefined && !tables.includes(table.name)) {
    throw fail(`not in the ${table.name} table`, `only in ${tables.join(', ')}`);
  }
  const wrong = allowed === undefined ? undefined : [...(hooks ?? [])].find((hook) => !allowed.includes(hook));
  if (wrong !== undefined) throw fail(`cannot be reached from ${wrong}`, `only from ${allowed?.join(', ')}`, 'misplaced');
}

/** `inverts`: ! -p will do. */
function checkProtocol({ protocols }: Legality, { builtin: { protocol } }: Rule, inverts: boolean, fail: Fail): void {
  if (protocols === undefined) return;
  if (protocol !== undefined && (!protocol.invert || inverts) && protocols.includes(protocol.number)) return;
  const names = protocols.map((number) => protocolName(number) ?? String(number));
  throw fail(`wants -p ${names.join(' or -p ')}`, 'the rule itself must name the protocol, not inverted');
}
