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
  /** HELPER_* (abi/helpers.ts). */
  number: number;
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

/** By a rule it reads datagrams as if they were segments, and nf_nat_h323 rewrites them at another place: nobody means that. Q.931 gives it to the connections that it is for. */
const NOT_REWRITTEN = 'H.245';

/** Names of helpers that rules give to connections and whose messages are not rewritten though these rules translate addresses. */
export function notRewritten(ruleset: RuleSet): string[] {
  return ruleset.family === 4 && translates(ruleset) ? assignedHelpers(ruleset).filter((name) => name === NOT_REWRITTEN) : [];
}

/** What is to be said of rules that give such a helper to connections and translate addresses; undefined for all others. */
export function helperNote(ruleset: RuleSet): string | undefined {
  if (notRewritten(ruleset).length === 0) return undefined;
  return `IPv4: what the helper ${NOT_REWRITTEN} reads in connections whose addresses are translated is not rewritten, nor what it expects translated; a kernel with nf_nat_h323 does`;
}
