/** The rule set as a model: what iptables-restore would have loaded, with the place of everything. */
import type { Position } from './errors.ts';
import type { Counter } from './outcome.ts';
import type { Profile } from './profile.ts';

export type Family = 4 | 6;

/** u32 words in host order, most significant first: one for IPv4, four for IPv6. */
export type Words = readonly number[];

export interface AddressMatch {
  address: Words;
  mask: Words;
  invert: boolean;
}

/** `-i eth0`, `-i eth+` (pattern keeps the `+`); matching is a prefix compare for `+`. */
export interface InterfaceMatch {
  pattern: string;
  invert: boolean;
}

/** The options every rule has of its own, without -m. */
export interface Builtin {
  source?: AddressMatch;
  destination?: AddressMatch;
  inInterface?: InterfaceMatch;
  outInterface?: InterfaceMatch;
  /** 0 is "all" (only kept when written and meaningful, e.g. `! -p 0` is refused). */
  protocol?: { number: number; invert: boolean };
  /** `-f` (IPv4 only). */
  fragment?: { invert: boolean };
}

/** One `-m NAME ...` (or an implicit protocol match). `options` is what the extension's own parse returned. */
export interface Match {
  name: string;
  options: unknown;
  position: Position;
  /** Set by --unsupported: this match is not understood and is taken for hit or miss. */
  assumed?: { as: 'hit' | 'miss'; text: string };
}

export type Target =
  | { kind: 'verdict'; verdict: 'ACCEPT' | 'DROP' | 'RETURN' | 'QUEUE'; position: Position }
  | { kind: 'chain'; chain: string; goto: boolean; position: Position }
  /** An extension target; `options` is what its parse returned. `assumed`: not understood, taken for one that continues (miss) or accepts nothing. */
  | { kind: 'extension'; name: string; options: unknown; position: Position; assumed?: { as: 'hit' | 'miss'; text: string } };

export interface Rule {
  position: Position;
  /** The rule's text as written (one line, continuation lines joined). */
  text: string;
  builtin: Builtin;
  /** In the order they are evaluated. */
  matches: Match[];
  /** null: count only. */
  target: Target | null;
  /** `[packets:bytes]` in front of the rule, or -c. */
  counters?: Counter;
}

export interface Chain {
  name: string;
  /** null for user chains. */
  policy: 'ACCEPT' | 'DROP' | null;
  counters?: Counter;
  rules: Rule[];
  position: Position;
}

export type TableName = 'raw' | 'mangle' | 'nat' | 'filter' | 'security';

export interface Table {
  name: TableName;
  /** Built-in chains in hook order (always all of the table's), then user chains in the order iptables-save prints them. */
  chains: Chain[];
  position: Position;
}

/** A family's tables. A table absent here is not loaded: it counts nothing. */
export interface RuleSet {
  family: Family;
  file: string;
  tables: Table[];
  /** What --repair or the shell reader did, what was assumed: one line each, with places. */
  notes: { position: Position; message: string }[];
}

/** Built-in chains of each table, in hook order (as iptables-save prints them). */
export const BUILTIN_CHAINS: Record<TableName, readonly string[]> = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  security: ['INPUT', 'FORWARD', 'OUTPUT'],
};

/** All rules as the kernel is given them: iptables-legacy hands it a table at once, chain by chain; iptables-nft rule by rule, in the order of writing. */
export function inLoadOrder({ tables }: RuleSet, backend: Profile['backend']): Rule[] {
  const all = tables.flatMap(({ chains }) => chains.flatMap(({ rules }) => rules));
  return backend === 'nft' ? all.sort((a, b) => a.position.line - b.position.line) : all;
}
