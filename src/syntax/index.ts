/** Text -> model and back: iptables-save dumps, shell scripts of iptables commands, bare lists of rules. */
import { findMatch, findTarget } from '../extensions/index.ts';
import type { RuleError } from '../model/errors.ts';
import type { Rule, RuleSet } from '../model/ruleset.ts';
import type { Registry } from './context.ts';
import { guessFamily } from './family.ts';
import type { ParseOptions } from './options.ts';
import { type PrintOptions, printRule, printRuleSet } from './print.ts';
import { type RulesKind, type RulesResult, readRules } from './rules.ts';
import { type ParseResult, readSave } from './save.ts';
import { readScript, type ScriptResult } from './script.ts';

export type { Registry } from './context.ts';
export { guessFamily } from './family.ts';
export { parseFingerprints } from './fingerprints.ts';
export { parseIpsets } from './ipset.ts';
export { saveIpsets } from './ipset-save.ts';
export type { ParseOptions } from './options.ts';
export type { PrintOptions } from './print.ts';
export { type RulesKind, rulesKind } from './rules.ts';
export type { ParseResult } from './save.ts';
export type { Save, ScriptResult } from './script.ts';
export { quoteWord } from './words.ts';

const REGISTRY: Registry = { findMatch, findTarget };

function first(errors: readonly RuleError[]): never {
  const [error] = errors;
  throw error ?? new Error('no rule set and no error');
}

/** Reads iptables-save text; what iptables-restore 1.8.9 refuses is thrown as RuleError, the first by place. */
export function parseSave(text: string, options: ParseOptions): RuleSet {
  const { ruleset, errors } = parseSaveAll(text, options);
  return ruleset ?? first(errors);
}

/** The same, with all errors that can be found (at most about a hundred). `ruleset` is there when there were none. */
export function parseSaveAll(text: string, options: ParseOptions): ParseResult {
  const family = options.family ?? guessFamily(text) ?? 4;
  return readSave(text, family, options.registry ?? REGISTRY, options, false);
}

/** Reads a shell script of iptables and ip6tables commands: the rule sets in force when it ends. Throws RuleError. */
export function parseScript(text: string, options: ParseOptions): ScriptResult {
  const { result, errors } = parseScriptAll(text, options);
  return result ?? first(errors);
}

/** The same, with all errors. */
export function parseScriptAll(text: string, options: ParseOptions): { result?: ScriptResult; errors: RuleError[] } {
  return readScript(text, options.registry ?? REGISTRY, options);
}

/** Reads rules of any kind. A dump or a bare list gives the rule set of its family. Throws RuleError. */
export function parseRules(text: string, options: ParseOptions): ScriptResult & { kind: RulesKind } {
  const { result, errors } = parseRulesAll(text, options);
  return result ?? first(errors);
}

/** The same, with all errors. */
export function parseRulesAll(text: string, options: ParseOptions): RulesResult {
  return readRules(text, options.registry ?? REGISTRY, options);
}

/** A rule set as iptables-save 1.8.9 prints it. */
export function printSave(ruleset: RuleSet, options: PrintOptions, registry: Registry = REGISTRY): string {
  return printRuleSet(ruleset, registry, options);
}

/** One rule as it stands behind `-A CHAIN` in a dump, without the leading blank. */
export function printRuleText(rule: Rule, ruleset: RuleSet, registry: Registry = REGISTRY): string {
  return printRule(rule, ruleset.family, registry).trimStart();
}
