/** The connection tracking helpers there are in the kernel: names, and what `CT --helper` may assign them to (confirmed on 6.18). */
import {
  HELPER_AMANDA,
  HELPER_FTP,
  HELPER_H245,
  HELPER_IRC,
  HELPER_NETBIOS_NS,
  HELPER_PPTP,
  HELPER_Q931,
  HELPER_RAS,
  HELPER_SANE,
  HELPER_SIP,
  HELPER_SNMP,
  HELPER_SNMP_TRAP,
  HELPER_TFTP,
} from '../abi/helpers.ts';
import { translates } from './nat.ts';
import type { Family, RuleSet } from './ruleset.ts';

const TCP = 6;
const UDP = 17;

export interface KnownHelper {
  name: string;
  /** Protocol numbers it is there for. */
  protocols: readonly number[];
  families: readonly Family[];
  /** HELPER_* (abi/helpers.ts); undefined: wasmtables does not have it yet. */
  number?: number;
}

export const HELPERS: readonly KnownHelper[] = [
  { name: 'ftp', protocols: [TCP], families: [4, 6], number: HELPER_FTP },
  { name: 'tftp', protocols: [UDP], families: [4, 6], number: HELPER_TFTP },
  { name: 'irc', protocols: [TCP], families: [4], number: HELPER_IRC },
  { name: 'sane', protocols: [TCP], families: [4, 6], number: HELPER_SANE },
  { name: 'amanda', protocols: [UDP], families: [4, 6], number: HELPER_AMANDA },
  { name: 'netbios-ns', protocols: [UDP], families: [4], number: HELPER_NETBIOS_NS },
  { name: 'snmp', protocols: [UDP], families: [4], number: HELPER_SNMP },
  { name: 'snmp_trap', protocols: [UDP], families: [4], number: HELPER_SNMP_TRAP },
  { name: 'pptp', protocols: [TCP], families: [4], number: HELPER_PPTP },
  { name: 'sip', protocols: [TCP, UDP], families: [4, 6], number: HELPER_SIP },
  { name: 'Q.931', protocols: [TCP], families: [4, 6], number: HELPER_Q931 },
  { name: 'RAS', protocols: [UDP], families: [4, 6], number: HELPER_RAS },
  { name: 'H.245', protocols: [UDP], families: [4, 6], number: HELPER_H245 },
];

/** By the kernel's name, exactly. */
export function findHelper(name: string): KnownHelper | undefined {
  return HELPERS.find((one) => one.name === name);
}

/** By HELPER_*; throws RangeError for a number nobody has. */
export function helperName(number: number): string {
  const known = HELPERS.find((one) => one.number === number);
  if (known === undefined) throw new RangeError(`no helper has the number ${number}`);
  return known.name;
}

/** Names of the helpers that rules give to connections, each once. */
export function assignedHelpers({ tables }: RuleSet): string[] {
  const rules = tables.flatMap(({ chains }) => chains.flatMap((chain) => chain.rules));
  const names = rules.flatMap(({ target }) =>
    target?.kind === 'extension' && target.name === 'CT'
      ? ((target.options as { helper?: string } | undefined)?.helper ?? [])
      : [],
  );
  return [...new Set(names)];
}

/** What of the kernel rewrites messages in translated connections, which wasmtables does not, by helper. */
const REWRITING: Readonly<Record<string, { module: string; families: readonly Family[] }>> = {
  RAS: { module: 'nf_nat_h323', families: [4] },
  'Q.931': { module: 'nf_nat_h323', families: [4] },
  'H.245': { module: 'nf_nat_h323', families: [4] },
};

/** Names of helpers that rules give to connections and whose messages are not rewritten though these rules translate addresses. */
export function notRewritten(ruleset: RuleSet): string[] {
  const rewrites = (name: string): boolean => REWRITING[name]?.families.includes(ruleset.family) ?? false;
  return translates(ruleset) ? assignedHelpers(ruleset).filter(rewrites) : [];
}

/** What is to be said of rules that give such a helper to connections and translate addresses; undefined for all others. */
export function helperNote(ruleset: RuleSet): string | undefined {
  const names = notRewritten(ruleset);
  if (names.length === 0) return undefined;
  const modules = [...new Set(names.map((name) => REWRITING[name]?.module))].join(', ');
  return `IPv${ruleset.family}: what the helper ${names.join(', ')} reads in connections whose addresses are translated is not rewritten, nor what it expects translated; a kernel with ${modules} does`;
}
