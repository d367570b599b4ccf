/** What normalising gives: tables of chains of rules whose matches are lists of tests, ready to be walked symbolically. */
import type { Action, Test } from '../model/predicate.ts';
import type { Family, TableName } from '../model/ruleset.ts';

export interface PlainRule {
  tests: readonly Test[];
  action: Action;
  /** No match at all and a standard verdict: TRACE calls such a rule `policy` in a base chain and `return` in a user chain (get_chainname_rulenum). */
  bare: boolean;
  /** Where it was written: the order iptables-nft loads rules in. */
  line?: number;
}

export interface PlainChain {
  name: string;
  policy: 'ACCEPT' | 'DROP' | null;
  rules: readonly PlainRule[];
}

/** How many rules tables have, however they say what these are. */
export const countRules = (tables: readonly { chains: readonly { rules: readonly unknown[] }[] }[]): number =>
  tables.reduce((sum, { chains }) => chains.reduce((all, { rules }) => all + rules.length, sum), 0);

export interface PlainTable {
  family: Family;
  name: TableName;
  chains: readonly PlainChain[];
}
