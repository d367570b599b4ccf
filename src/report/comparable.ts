/** What a comparison of rule sets on one capture rests on: that they are about the same packets, and that the capture's answers are answers under each. */
import { findTarget } from '../extensions/index.ts';
import { translatesSources } from '../model/nat.ts';
import type { Family, RuleSet } from '../model/ruleset.ts';

type Dual = Partial<Record<Family, RuleSet>>;

const FAMILIES = [4, 6] as const;
const SOURCES: readonly string[] = ['SNAT', 'MASQUERADE', 'NETMAP'];
const nameOf = (rules: Dual): string => (rules[4] ?? rules[6])!.file;
const named = (all: readonly Dual[]): string => all.map(nameOf).join(', ');

/** Why two of the rule sets have nothing in common; undefined where all can be compared. */
export function whyIncomparable(rules: readonly Dual[]): string | undefined {
  const [only4, only6] = [rules.filter((one) => one[6] === undefined), rules.filter((one) => one[4] === undefined)];
  if (only4.length === 0 || only6.length === 0) return undefined;
  return `${named(only4)} has IPv4 rules only and ${named(only6)} IPv6 rules only: no packet is judged by both; --rules6 FILE adds the IPv6 half of a host to every -R`;
}

/** Notes of every report of the comparison. */
export function comparisonNotes(rules: readonly Dual[]): string[] {
  return [...familyNotes(rules), ...sourceNotes(rules)];
}

/** A family that some have no rules of: its packets are judged by the others alone. */
function familyNotes(rules: readonly Dual[]): string[] {
  return FAMILIES.flatMap((family) => {
    const without = rules.filter((one) => one[family] === undefined);
    if (without.length === 0 || without.length === rules.length) return [];
    return [`IPv${family} packets are not compared: ${named(without)} has no rules for them`];
  });
}

/** The answers of a capture go to the address that its own router gave: under rules that give another one they find no connection. */
function sourceNotes(rules: readonly Dual[]): string[] {
  return FAMILIES.flatMap((family) => {
    const given = rules.map((one) => (one[family] === undefined ? '' : sourcesOf(one[family])));
    if (new Set(given.filter((text) => text !== '')).size < 2) return [];
    return [
      `the rule sets translate sources to different addresses (${[...new Set(given)].filter((text) => text !== '').join(' and ')}), and the answers in a capture go to one of them: under the others they belong to no connection, and what becomes of them (a changed verdict, a DROP) is not what the host would see`,
    ];
  });
}

/** Where the sources go that the rules translate, in the words of the rules; '' for nowhere. */
function sourcesOf(rules: RuleSet): string {
  if (!translatesSources(rules)) return '';
  const targets = rules.tables.flatMap(({ chains }) => chains.flatMap((chain) => chain.rules.map(({ target }) => target)));
  const texts = targets.flatMap((target) => {
    if (target?.kind !== 'extension' || !SOURCES.includes(target.name)) return [];
    const printed = findTarget(target.name, rules.family)?.print(target.options, { family: rules.family, builtin: {} }) ?? '';
    return [`${target.name}${printed}`];
  });
  return [...new Set(texts)].sort().join(', ');
}
