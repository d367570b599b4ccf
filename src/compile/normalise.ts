/** Pass 1: every rule becomes a list of tests and one action, through the extensions' own `lower`. */
import { lowerBuiltin } from '../extensions/builtin.ts';
import { findMatch, findTarget } from '../extensions/index.ts';
import { queueing } from '../extensions/nfqueue.ts';
import { registersConntrack } from '../extensions/upstream.ts';
import type { Annotations } from '../model/annotations.ts';
import { RuleError } from '../model/errors.ts';
import type { Fingerprint } from '../model/fingerprints.ts';
import type { ProxySocket } from '../model/host.ts';
import type { LogRequest } from '../model/log.ts';
import type { Action, Test } from '../model/predicate.ts';
import type { Profile } from '../model/profile.ts';
import type { Builtin, Family, Match, Rule, RuleSet, Target } from '../model/ruleset.ts';
import type { InterfaceTable } from './interfaces.ts';
import { KnownTests } from './known-tests.ts';
import { countRules, type PlainRule, type PlainTable } from './plain.ts';

export interface NormaliseContext {
  family: Family;
  profile: Profile;
  interfaces: Pick<InterfaceTable, 'range'>;
  annotations?: Annotations;
  /** Names of the job's sets, by their numbers. */
  sets?: readonly string[];
  fingerprints?: readonly Fingerprint[];
  /** Transparent sockets of the host. */
  proxies?: readonly ProxySocket[];
  /** Gives a LOG rule the number of its request, where the lines are wanted. */
  logs?: (request: LogRequest) => number;
}

/**
 * The tables of a rule set in plain form. Throws RuleError for an extension that is not in the registry and was not assumed.
 */
export function normalise(rules: RuleSet, given: Omit<NormaliseContext, 'family'>): PlainTable[] {
  const context = { family: rules.family, ...given };
  const known = new KnownTests(countRules(rules.tables));
  return rules.tables.map((table) => ({
    family: rules.family,
    name: table.name,
    chains: table.chains.map((chain) => ({
      name: chain.name,
      policy: chain.policy,
      rules: chain.rules.map((rule) => normaliseRule(rule, context, known)),
    })),
  }));
}

/** Tests of fields are the objects that equal ones before them are: large rule sets ask the same things again and again. */
function normaliseRule(rule: Rule, context: NormaliseContext, known: KnownTests): PlainRule {
  const tests = lowerBuiltin(rule.builtin, {
    family: context.family,
    interfaceRange: (pattern: string) => context.interfaces.range(pattern),
    profile: context.profile,
  });
  for (const match of rule.matches) tests.push(...lowerMatch(match, context));
  tests.push(...countsOf(rule.target, context));
  for (let index = 0; index < tests.length; index++) tests[index] = known.once(tests[index]!);
  return { tests, action: lowerTarget(rule.target, context), bare: isBare(rule), line: rule.position.line };
}

function lowerMatch(match: Match, context: NormaliseContext): Test[] {
  if (match.assumed !== undefined) return [{ kind: 'constant', value: match.assumed.as === 'hit' }];
  const extension = findMatch(match.name, context.family);
  if (extension === undefined) throw new RuleError(match.position, `${match.name}: no such match`, { kind: 'unsupported' });
  return extension.lower(match.options, context);
}

/** What a target remembers of the packets that come to it. */
function countsOf(target: Target | null, { family, profile }: NormaliseContext): Test[] {
  if (target?.kind !== 'extension' || target.assumed !== undefined) return [];
  return findTarget(target.name, family)?.counts?.(target.options, { profile }) ?? [];
}

function lowerTarget(target: Target | null, context: NormaliseContext): Action {
  const { family, profile } = context;
  if (target === null) return { kind: 'continue' };
  switch (target.kind) {
    case 'verdict':
      if (target.verdict === 'RETURN') return { kind: 'return' };
      if (target.verdict === 'QUEUE') return queueing(profile);
      return { kind: 'verdict', verdict: target.verdict };
    case 'chain':
      return { kind: target.goto ? 'goto' : 'jump', chain: target.chain };
    case 'extension': {
      if (target.assumed !== undefined) return { kind: 'continue' };
      const extension = findTarget(target.name, family);
      if (extension === undefined)
        throw new RuleError(target.position, `${target.name}: no such target`, { kind: 'unsupported' });
      return extension.lower(target.options, context);
    }
  }
}

/** ip_tables.c `unconditional` and a standard target with a negative verdict. */
function isBare(rule: Rule): boolean {
  return rule.target?.kind === 'verdict' && rule.matches.length === 0 && emptyBuiltin(rule.builtin);
}

function emptyBuiltin(builtin: Builtin): boolean {
  const anyAddress = (match: Builtin['source']): boolean =>
    match === undefined || (!match.invert && match.mask.every((word) => word === 0) && match.address.every((word) => word === 0));
  const anyProtocol = builtin.protocol === undefined || (builtin.protocol.number === 0 && !builtin.protocol.invert);
  return (
    anyAddress(builtin.source) &&
    anyAddress(builtin.destination) &&
    anyProtocol &&
    builtin.inInterface === undefined &&
    builtin.outInterface === undefined &&
    builtin.fragment === undefined
  );
}

/**
 * True when some rule makes the kernel register conntrack for the family (kernel-semantics 4.2; NOTRACK and CT --notrack do not). The nat table does so by itself only with
 * rules of its modules.
 */
export function needsConntrack(rules: RuleSet): boolean {
  const rulesOf = rules.tables.flatMap((table) => table.chains.flatMap((chain) => chain.rules));
  return rulesOf.some(({ matches, target }) => {
    const found = matches.some((match) =>
      match.assumed === undefined ? findMatch(match.name, rules.family)?.needsConntrack : registersConntrack(match.name),
    );
    if (found || target?.kind !== 'extension') return found;
    if (target.assumed !== undefined) return registersConntrack(target.name);
    const needs = findTarget(target.name, rules.family)?.needsConntrack;
    return typeof needs === 'function' ? needs(target.options) : needs === true;
  });
}

/** True when some rule makes the kernel put fragments together without conntrack: nf_defrag_ipv4_enable, nf_defrag_ipv6_enable. */
export function wantsWholePackets(rules: RuleSet): boolean {
  const wants = (name: string, target: boolean): boolean =>
    (target ? findTarget(name, rules.family) : findMatch(name, rules.family))?.needsDefragmentation === true;
  return rules.tables.some(({ chains }) =>
    chains.some((chain) =>
      chain.rules.some(
        ({ matches, target }) =>
          matches.some((match) => match.assumed === undefined && wants(match.name, false)) ||
          (target?.kind === 'extension' && target.assumed === undefined && wants(target.name, true)),
      ),
    ),
  );
}
