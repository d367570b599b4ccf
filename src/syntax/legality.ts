/**
 * What the kernel checks when a table is loaded (ip_tables.c translate_table): loops, and whether matches and targets may stand where they
 * are, judged by the hooks a rule can be reached from. nf_tables and nft_compat check the same, rule by rule as they are added.
 */
import type { Extension, Legality } from '../extensions/extension.ts';
import type { RuleError } from '../model/errors.ts';
import { protocolName } from '../model/names.ts';
import type { Chain, Match, Rule, Table } from '../model/ruleset.ts';
import type { Context } from './context.ts';
import { checkDepth } from './depth.ts';
import { errorAt } from './source.ts';

/** Checks a table. Throws RuleError at the rule, match or target. */
export function checkTable(table: Table, context: Context): void {
  const reached = reachableRules(table, context);
  if (context.backend === 'nft') checkDepth(table, context);
  for (const chain of table.chains) {
    const own = chain.policy === null ? NOWHERE : [chain.name];
    for (const rule of chain.rules) checkRule(rule, reached.hooksOf(rule), own, table, context);
  }
}

/**
 * The base chains each rule is reached from, or a RuleError for a loop. As in the kernel: a rule without any condition that ends the walk hides
 * the rest of its chain, a chain is walked once for each hook, and only loops that are reached count.
 */
function reachableRules(table: Table, context: Context): Reached {
  const chains = new Map(table.chains.map((chain) => [chain.name, chain]));
  const reached = new Reached();
  for (const base of table.chains) {
    if (base.policy !== null) walk(base, chains, reached, context);
  }
  return reached;
}

function walk(base: Chain, chains: ReadonlyMap<string, Chain>, reached: Reached, context: Context): void {
  const done = new Set<string>();
  const active = new Set([base.name]);
  const stack = [{ chain: base, next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const rule = top.chain.rules[top.next++];
    if (rule === undefined || (hides(rule, context) && reached.add(rule, base.name))) {
      stack.pop();
      active.delete(top.chain.name);
      done.add(top.chain.name);
      continue;
    }
    reached.add(rule, base.name);
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

const NOWHERE: readonly string[] = [];

/** The base chains that rules are reached from: few different lists, which many rules share. */
class Reached {
  private readonly hooks = new Map<Rule, readonly string[]>();
  /** By a list, what it is with one base chain more. */
  private readonly longer = new Map<readonly string[], Map<string, readonly string[]>>();

  hooksOf(rule: Rule): readonly string[] {
    return this.hooks.get(rule) ?? NOWHERE;
  }

  add(rule: Rule, hook: string): true {
    const before = this.hooksOf(rule);
    if (!before.includes(hook)) this.hooks.set(rule, this.with(before, hook));
    return true;
  }

  private with(hooks: readonly string[], hook: string): readonly string[] {
    const known = this.longer.get(hooks) ?? new Map<string, readonly string[]>();
    const longer = known.get(hook) ?? [...hooks, hook];
    this.longer.set(hooks, known.set(hook, longer));
    return longer;
  }
}

/** Whether the kernel does not look at what stands behind a rule. That of nftables looks at everything. */
function hides(rule: Rule, context: Context): boolean {
  return context.backend === 'legacy' && rule.target?.kind === 'verdict' && unconditional(rule);
}

/** No condition at all: not even a match that is always true. */
function unconditional({ matches, builtin }: Rule): boolean {
  if (matches.length > 0) return false;
  const { source, destination, inInterface, outInterface, protocol, fragment } = builtin;
  return !source && !destination && !inInterface && !outInterface && !protocol && !fragment;
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

/** `reached`: base chains that the rule is reached from; `own`: the one it stands in. */
function checkRule(rule: Rule, reached: readonly string[], own: readonly string[], table: Table, context: Context): void {
  checkAssumed(rule, table, context);
  const { matches, target } = rule;
  // What a module demands of its options it is asked once: by nf_tables when the rule is added, before anything is known of who calls its chain.
  const asked = context.backend === 'nft' ? own : reached;
  for (const match of matches) {
    checkUse(context.registry.findMatch(match.name, context.family), match, { rule, reached, asked, table, context });
  }
  if (target?.kind === 'extension')
    checkUse(context.registry.findTarget(target.name, context.family), target, { rule, reached, asked, table, context });
}

interface Use {
  rule: Rule;
  reached: readonly string[];
  asked: readonly string[];
  table: Table;
  context: Context;
}

function checkUse(
  extension: Extension | undefined,
  { options, position, assumed }: Pick<Match, 'options' | 'position' | 'assumed'>,
  { rule, reached, asked, table, context }: Use,
): void {
  if (extension === undefined || assumed !== undefined) return;
  const fail: Fail = (message, hint, kind = 'illegal') =>
    errorAt(context.source, position, `${extension.name}: ${message}`, { kind, hint });
  const inverts = context.backend === 'nft' && extension.kind === 'match' && extension.isNative?.(options) === true;
  const wrong = extension.demands?.(options, rule, context.backend);
  if (wrong !== undefined) throw fail(wrong.message, wrong.hint);
  const { legality } = extension;
  if (legality !== undefined) {
    checkPlace(legality, table, reached, fail);
    checkProtocol(legality, rule, inverts, fail);
  }
  const own = extension.legalityOf?.(options);
  if (own === undefined) return;
  checkPlace(own, table, asked, fail);
  checkProtocol(own, rule, inverts, fail);
}

type Fail = (message: string, hint: string, kind?: string) => RuleError;

function checkPlace(legality: Legality, table: Table, hooks: readonly string[], fail: Fail): void {
  const { tables, hooks: allowed } = legality;
  if (tables !== undefined && !tables.includes(table.name)) {
    throw fail(`not in the ${table.name} table`, `only in ${tables.join(', ')}`);
  }
  const wrong = allowed === undefined ? undefined : hooks.find((hook) => !allowed.includes(hook));
  if (wrong !== undefined) throw fail(`cannot be reached from ${wrong}`, `only from ${allowed?.join(', ')}`, 'misplaced');
}

/** `inverts`: ! -p will do. */
function checkProtocol({ protocols }: Legality, { builtin: { protocol } }: Rule, inverts: boolean, fail: Fail): void {
  if (protocols === undefined) return;
  if (protocol !== undefined && (!protocol.invert || inverts) && protocols.includes(protocol.number)) return;
  const names = protocols.map((number) => protocolName(number) ?? String(number));
  throw fail(`wants -p ${names.join(' or -p ')}`, 'the rule itself must name the protocol, not inverted');
}
