/** Whether captures can be shared between engines: only where nothing a rule remembers is about more than one pair of addresses. */
import { findMatch } from '../extensions/index.ts';
import { type Profile, sysctl } from '../model/profile.ts';
import type { Family, Rule, RuleSet, TableName } from '../model/ruleset.ts';

/** Targets that change the packet, its mark or its connection, and nothing else. What is not listed is taken for one that remembers. */
const INDEPENDENT: readonly string[] = [
  ...['ACCEPT', 'DROP', 'RETURN', 'REJECT', 'LOG', 'NFLOG', 'MARK', 'CONNMARK', 'CONNSECMARK', 'SECMARK', 'NOTRACK', 'TRACE'],
  ...['AUDIT', 'CHECKSUM', 'CLASSIFY', 'HMARK', 'TTL', 'HL', 'TOS', 'DSCP', 'ECN', 'TCPMSS', 'TCPOPTSTRIP'],
];
/** Matches that keep no state of their own and look at what all connections, or others, left behind. */
const DEPENDENT: readonly string[] = [
  'connlimit',
  'helper',
  'set',
  'recent',
  'hashlimit',
  'quota',
  'statistic',
  'rateest',
  'limit',
];

/** They remember in the engine's words, and ask about the packet's own connection alone, or nothing: their sums are added up. */
const OF_ONE: readonly string[] = ['cluster', 'nfacct'];

/** Why the packets of a job cannot be shared, or undefined. */
export function whyNotShared(rules: Partial<Record<Family, RuleSet>>, profile: Profile): string | undefined {
  if (sysctl(profile, 'nf_conntrack_max') !== 0) return 'nf_conntrack_max counts all connections';
  for (const ruleset of [rules[4], rules[6]]) {
    for (const { name: table, chains } of ruleset?.tables ?? []) {
      for (const { name: chain, rules: lines } of chains) {
        for (const [index, rule] of lines.entries()) {
          const what = whatRemembers(rule, table, ruleset!.family, profile);
          if (what !== undefined) return `rule ${index + 1} of ${chain} (${table}): ${what} is about more than one connection`;
        }
      }
    }
  }
  return undefined;
}

function whatRemembers(rule: Rule, table: TableName, family: Family, profile: Profile): string | undefined {
  for (const { name, options } of rule.matches) {
    if (OF_ONE.includes(name)) continue;
    const tests = findMatch(name, family)?.lower(options, { family, profile }) ?? [];
    if (DEPENDENT.includes(name) || tests.some((test) => test.kind === 'special' && test.stateful)) return `-m ${name}`;
  }
  const { target } = rule;
  if (target?.kind !== 'extension') return undefined;
  // In the raw table it may mark a template of CT, which is the rule's.
  if (target.name === 'CONNMARK' && table === 'raw') return '-j CONNMARK in the raw table';
  if (INDEPENDENT.includes(target.name)) return undefined;
  // A helper expects connections between other ends.
  const helper = (target.options as { helper?: string }).helper;
  return target.name === 'CT' && helper === undefined ? undefined : `-j ${target.name}`;
}
