/** The tables while commands are applied to them, as the kernel and libiptc would hold them. */
import type { Position } from '../model/errors.ts';
import { BUILTIN_CHAINS, type Chain, type Rule, type Table, type TableName } from '../model/ruleset.ts';
import { type Command, type Context, fail } from './context.ts';
import { knownTarget } from './known.ts';
import { didYouMean } from './nearest.ts';
import { printRule } from './print.ts';
import { isVerdict } from './rule.ts';
import type { Word } from './source.ts';

const CHAIN_MAX = 28;

/** One table: its chains by name. Starts empty with ACCEPT policies. */
export class TableState {
  readonly name: TableName;
  readonly position: Position;
  readonly chains = new Map<string, Chain>();
  /** How many rules jump to a chain. */
  private readonly references = new Map<string, number>();

  constructor(name: TableName, position: Position) {
    this.name = name;
    this.position = position;
    for (const chain of BUILTIN_CHAINS[name]) this.chains.set(chain, { name: chain, policy: 'ACCEPT', rules: [], position });
  }

  /** What iptables-restore does at `*table`: rules and user chains go, policies stay. */
  restart(): void {
    for (const chain of [...this.chains.values()]) {
      if (chain.policy === null) this.chains.delete(chain.name);
      else chain.rules = [];
    }
    this.references.clear();
  }

  /** The table as the model has it: built-in chains in hook order, user chains in the order of their bytes. */
  finish(): Table {
    const chains = [...this.chains.values()];
    const own = chains.filter((chain) => chain.policy === null).sort((a, b) => compareBytes(a.name, b.name));
    return { name: this.name, chains: [...chains.filter((chain) => chain.policy !== null), ...own], position: this.position };
  }

  /** Whether rules jump to a chain. */
  referenced(chain: string): boolean {
    return (this.references.get(chain) ?? 0) > 0;
  }

  /** Replaces `remove` rules at `index` by `rules`, keeping count of who jumps where. */
  splice(chain: Chain, index: number, remove: number, rules: readonly Rule[]): void {
    this.count(chain.rules.slice(index, index + remove), -1);
    this.count(rules, 1);
    if (index === chain.rules.length && remove === 0) {
      for (const rule of rules) chain.rules.push(rule);
    } else {
      chain.rules.splice(index, remove, ...rules);
    }
  }

  private count(rules: readonly Rule[], by: number): void {
    for (const { target } of rules) {
      if (target?.kind === 'chain') this.references.set(target.chain, (this.references.get(target.chain) ?? 0) + by);
    }
  }

  /** Renames a chain and every jump to it. */
  rename(chain: Chain, name: string): void {
    this.chains.delete(chain.name);
    for (const other of [...this.chains.values(), chain]) {
      for (const rule of other.rules) {
        if (rule.target?.kind === 'chain' && rule.target.chain === chain.name) rule.target = { ...rule.target, chain: name };
      }
    }
    this.references.set(name, this.references.get(chain.name) ?? 0);
    this.references.delete(chain.name);
    chain.name = name;
    this.chains.set(name, chain);
  }
}

const encoder = new TextEncoder();

function compareBytes(a: string, b: string): number {
  const [x, y] = [encoder.encode(a), encoder.encode(b)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const difference = (x[i] ?? 0) - (y[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return x.length - y.length;
}

/** Does what a command says. Throws RuleError (kind `state` for chains and rules that are not or already there). */
export function applyCommand(table: TableState, command: Command, context: Context): void {
  switch (command.letter) {
    case 'A':
    case 'I':
      insert(table, command, context);
      break;
    case 'D':
      remove(table, command, context);
      break;
    case 'C':
      for (const rule of command.rules) find(chainOf(table, command, context), rule, command, context);
      break;
    case 'R':
      replace(table, command, context);
      break;
    case 'N':
      create(table, needWord(command), context);
      break;
    case 'X':
      destroy(table, command, context);
      break;
    case 'E':
      rename(table, command, context);
      break;
    case 'P':
      setPolicy(table, needWord(command), command.policy ?? command.word, context);
      break;
    case 'F':
    case 'Z':
      flushOrZero(table, command, context);
      break;
    default:
      if (command.chain !== undefined) chainOf(table, command, context);
  }
}

function needWord(command: Command): Word {
  return command.chain ?? command.word;
}

function stateError(context: Context, at: Word, message: string, hint?: string) {
  return fail(context, at, message, { kind: 'state', hint });
}

function chainOf(table: TableState, command: Command, context: Context): Chain {
  const word = needWord(command);
  const chain = table.chains.get(word.text);
  if (chain !== undefined) return chain;
  const builtin = Object.values(BUILTIN_CHAINS).some((chains) => chains.includes(word.text));
  const declare = context.dump ? `declare it above the rule: ":${word.text} - [0:0]"` : `make it first: -N ${word.text}`;
  throw stateError(
    context,
    word,
    `no chain named "${word.text}" in the ${table.name} table`,
    didYouMean(word.text, table.chains.keys(), builtin ? `not a chain of ${table.name}` : declare),
  );
}

function checkJump(table: TableState, command: Command, context: Context): void {
  for (const { target } of command.rules) {
    if (target?.kind !== 'chain' || table.chains.get(target.chain)?.policy === null) continue;
    const at = { ...command.word, position: target.position };
    throw fail(context, at, `a rule cannot jump to the built-in chain ${target.chain}`);
  }
}

function insert(table: TableState, command: Command, context: Context): void {
  const chain = chainOf(table, command, context);
  checkJump(table, command, context);
  if (command.letter === 'A') {
    table.splice(chain, chain.rules.length, 0, command.rules);
    return;
  }
  const number = command.number ?? 1;
  if (number > chain.rules.length + 1) {
    throw stateError(
      context,
      needWord(command),
      `${chain.name} has ${chain.rules.length} rules: nothing can be inserted as number ${number}`,
    );
  }
  // Each rule of an address list is inserted at the same number, so they end up in reverse.
  table.splice(chain, number - 1, 0, [...command.rules].reverse());
}

function find(chain: Chain, rule: Rule, command: Command, context: Context): number {
  const wanted = printRule(rule, context.family, context.registry);
  const index = chain.rules.findIndex((other) => printRule(other, context.family, context.registry) === wanted);
  if (index < 0) throw stateError(context, command.word, `${chain.name} has no such rule`);
  return index;
}

function remove(table: TableState, command: Command, context: Context): void {
  const chain = chainOf(table, command, context);
  if (command.number !== undefined) {
    table.splice(chain, numbered(chain, command, context), 1, []);
    return;
  }
  for (const rule of command.rules) table.splice(chain, find(chain, rule, command, context), 1, []);
}

function numbered(chain: Chain, command: Command, context: Context): number {
  const number = command.number ?? 1;
  if (number <= chain.rules.length) return number - 1;
  throw stateError(context, needWord(command), `${chain.name} has no rule ${number}`);
}

function replace(table: TableState, command: Command, context: Context): void {
  const chain = chainOf(table, command, context);
  checkJump(table, command, context);
  table.splice(chain, numbered(chain, command, context), 1, command.rules);
}

/** Makes a user chain. The rules for its name are stricter for -N than for a chain line of a dump. */
export function create(table: TableState, word: Word, context: Context, declared = false): void {
  const { text } = word;
  if (encoder.encode(text).length > CHAIN_MAX)
    throw fail(context, word, `chain name "${text}" is longer than ${CHAIN_MAX} characters`);
  if (!declared) {
    if (/^[-!]/.test(text) || text === '') throw fail(context, word, `a chain name cannot start with "${text.slice(0, 1)}"`);
    if (/[ \t\n\v\f\r]/.test(text)) throw fail(context, word, 'chain name with a blank in it');
    const taken =
      isVerdict(text) || knownTarget(text, context.family) || context.registry.findTarget(text, context.family) !== undefined;
    if (taken) throw fail(context, word, `"${text}" is the name of a target`, { hint: 'choose another chain name' });
  }
  if (table.chains.has(text) || isVerdict(text)) throw stateError(context, word, `there is already a chain named "${text}"`);
  table.chains.set(text, { name: text, policy: null, rules: [], position: word.position });
}

function destroy(table: TableState, command: Command, context: Context): void {
  const chains =
    command.chain === undefined
      ? [...table.chains.values()].filter((c) => c.policy === null)
      : [chainOf(table, command, context)];
  const at = needWord(command);
  for (const chain of chains) {
    if (chain.policy !== null) throw fail(context, at, `${chain.name} is built in and cannot be deleted`);
    if (chain.rules.length > 0)
      throw stateError(context, at, `chain "${chain.name}" has rules`, `flush it first: -F ${chain.name}`);
    if (table.referenced(chain.name)) throw stateError(context, at, `rules still jump to chain "${chain.name}"`);
  }
  for (const chain of chains) table.chains.delete(chain.name);
}

function rename(table: TableState, command: Command, context: Context): void {
  if (context.dump && context.backend === 'nft') {
    const hint = 'declare the chain by its new name';
    throw fail(context, command.word, 'iptables-nft-restore cannot rename a chain it has just made', { hint });
  }
  const chain = chainOf(table, command, context);
  const name = command.newName ?? command.word;
  if (chain.policy !== null) throw fail(context, needWord(command), `${chain.name} is built in and cannot be renamed`);
  if (encoder.encode(name.text).length > CHAIN_MAX)
    throw fail(context, name, `chain name "${name.text}" is longer than ${CHAIN_MAX} characters`);
  if (table.chains.has(name.text) || isVerdict(name.text))
    throw stateError(context, name, `there is already a chain named "${name.text}"`);
  table.rename(chain, name.text);
}

/** Sets the policy of a built-in chain. */
export function setPolicy(table: TableState, at: Word, policy: Word, context: Context): Chain {
  const chain = table.chains.get(at.text);
  if (chain === undefined || chain.policy === null) {
    const own = chain === undefined ? 'a chain of your own has no policy: write "-"' : 'end the chain with a rule that does it';
    const hint = didYouMean(at.text, BUILTIN_CHAINS[table.name], own);
    throw fail(context, at, `only built-in chains of the ${table.name} table have a policy, "${at.text}" is none`, { hint });
  }
  if (policy.text !== 'ACCEPT' && policy.text !== 'DROP') {
    throw fail(context, policy, `"${policy.text.trim()}" is not a policy`, {
      hint: didYouMean(policy.text, ['ACCEPT', 'DROP'], 'ACCEPT or DROP'),
    });
  }
  chain.policy = policy.text;
  delete chain.counters;
  return chain;
}

function flushOrZero(table: TableState, command: Command, context: Context): void {
  const chains = command.chain === undefined ? [...table.chains.values()] : [chainOf(table, command, context)];
  for (const chain of chains) {
    if (command.letter === 'F') {
      table.splice(chain, 0, chain.rules.length, []);
      continue;
    }
    if (command.number !== undefined) delete chain.rules[numbered(chain, command, context)]?.counters;
    else {
      delete chain.counters;
      for (const rule of chain.rules) delete rule.counters;
    }
  }
}
