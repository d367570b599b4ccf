/**
 * Tracing where the kernel has no nf_tables for IPv4 and IPv6 (Debian's User-Mode Linux): the oracle's own rules go in front of those of the raw table, and tables that the
 * rules do not use are there to tell, by their policies' TRACE records, how far a packet came.
 */
import type { HookName, Verdict } from '../../model/outcome.ts';
import type { KernelPacket } from '../job.ts';
import { logWords } from '../netlink.ts';
import type { Saved } from '../saved.ts';
import { targetAt } from '../trace.ts';

/**
 * Own rules of each chain, in order. A rule without target only tells that a packet came here, also when the next one's match drops it. In OUTPUT, what has no process behind it is the
 * kernel's own answer (RST, ICMP errors, REJECT, echo replies): see plan.ts, ownTable.
 */
function ownRulesOf(place: string, trace: boolean): string[] {
  const marks = trace ? ['-j TRACE', ''] : [];
  if (place === 'raw PREROUTING') return marks;
  if (place === 'raw OUTPUT') return ['-m owner ! --uid-owner 0 -j DROP', ...marks];
  return trace && ['mangle INPUT', 'mangle FORWARD', 'mangle POSTROUTING'].includes(place) ? [''] : [];
}

const OWN_CHAINS: readonly [table: string, chains: readonly string[]][] = [
  ['raw', ['PREROUTING', 'OUTPUT']],
  ['mangle', ['INPUT', 'FORWARD', 'POSTROUTING']],
];

/** For iptables-legacy-restore --noflush, behind the job's own rules. */
export function ownRules(trace: boolean): string {
  const lines = OWN_CHAINS.flatMap(([table, chains]) => {
    // Each goes to the front, so the last one first.
    const rules = chains.flatMap((chain) =>
      ownRulesOf(`${table} ${chain}`, trace)
        .reverse()
        .map((rule) => `-I ${chain} ${rule}`),
    );
    return table === 'raw' || trace ? [`*${table}`, ...rules, 'COMMIT'] : [];
  });
  if (trace) lines.push('*security', 'COMMIT');
  return `${lines.join('\n')}\n`;
}

function tablesIn(rules: string): Set<string> {
  return new Set(rules.split('\n').flatMap((line) => (line.startsWith('*') ? [line.slice(1).trim()] : [])));
}

/** The text of iptables-save -c without the own rules, still with the own tables. */
export function withoutOwnRules(saved: string, trace: boolean): string {
  let table = '';
  let chain = '';
  let own = 0;
  const isOwn = (line: string): boolean => {
    if (line.startsWith('*')) [table, chain] = [line.slice(1).trim(), ''];
    const of = /^\[\d+:\d+\] -A (\S+)/.exec(line)?.[1];
    if (of === undefined) return false;
    if (of !== chain) own = ownRulesOf(`${table} ${of}`, trace).length;
    chain = of;
    return own-- > 0;
  };
  return saved
    .split('\n')
    .filter((line) => !isOwn(line))
    .join('\n');
}

/** The text of iptables-save -c with only the tables that the rules have. */
export function withoutOwnTables(saved: string, rules: string): string {
  const used = tablesIn(rules);
  let table = '';
  const isOwn = (line: string): boolean => {
    if (line.startsWith('*')) table = line.slice(1).trim();
    const own = table !== '' && !used.has(table);
    if (line === 'COMMIT') table = '';
    return own;
  };
  return saved
    .split('\n')
    .filter((line) => !isOwn(line))
    .join('\n');
}

/** TRACE's words with the numbers the rules have without the own ones, which come out below 1. */
function ownNumber(words: string): string {
  const [table = '', chain = '', kind = '', number] = words.split(':');
  return `${table}:${chain}:${kind}:${Number(number) - ownRulesOf(`${table} ${chain}`, true).length}`;
}

/** The hook, when the packet came to one: every packet that does meets its mangle chain (OUTPUT: its raw one). Own packets that came back to the host came as far as INPUT; a broadcast's copy came there before the packet left. */
function hookOf(all: readonly string[]): HookName | null {
  const met = (place: string) => all.some((words) => words.startsWith(`${place}:`));
  if (met('raw:OUTPUT')) return ['PREROUTING', 'INPUT'].includes(lastBase(all)[1]) ? 'INPUT' : 'OUTPUT';
  if (met('mangle:FORWARD')) return 'FORWARD';
  return met('mangle:INPUT') ? 'INPUT' : null;
}

/** Tables that are the last of a hook, so that whoever got through them got through the hook. */
const LAST: Record<string, readonly string[]> = {
  PREROUTING: ['mangle', 'nat'],
  INPUT: ['security', 'nat'],
  FORWARD: ['security'],
  OUTPUT: ['security'],
  POSTROUTING: ['mangle', 'nat'],
};

/** The base chain that the last record belongs to: the last record of a walk may be of a user chain. */
function lastBase(all: readonly string[]): [table: string, chain: string] {
  const table = all.at(-1)?.split(':')[0] ?? '';
  const base = all.findLast((words) => words.startsWith(`${table}:`) && (words.split(':')[1] ?? '') in LAST);
  return [table, base?.split(':')[1] ?? ''];
}

/** Targets of the nat table, which end its walk. */
const TRANSLATING: readonly string[] = ['DNAT', 'SNAT', 'NETMAP', 'REDIRECT', 'MASQUERADE'];
/** Rules of this kind bring what drops packets behind the last rule of a hook, where no mark stands: helpers, translations that cannot be, the confirmation of connections whose answers another one has. */
const DROPPING_BEHIND = / -j (CT .*--helper|DNAT|SNAT|NETMAP|REDIRECT|MASQUERADE)\b/;

/** `behind`: packets may be dropped behind their last rule: those that `left` by a device were not, and of the others nobody knows. */
function verdictOf(all: readonly string[], saved: Saved, behind: boolean, left: boolean): Verdict | undefined {
  const last = all.at(-1);
  if (last === undefined) return undefined;
  const target = targetAt(last, saved);
  if (target === 'DROP' || target === 'REJECT') return target;
  // Handed to a queue: where nobody listens, --queue-bypass lets it go on.
  if (/^(NF)?QUEUE$/.test(target)) return left ? 'ACCEPT' : undefined;
  const [table, chain] = lastBase(all);
  const accepted = target === 'ACCEPT' || last.includes(':policy:') || TRANSLATING.includes(target);
  // The walk of a chain did not come to its end: a match dropped the packet.
  const through = accepted && LAST[chain]?.includes(table);
  if (!through) return 'DROP';
  if (behind && !left) return undefined;
  return chain === 'INPUT' || chain === 'POSTROUTING' ? 'ACCEPT' : 'STACK';
}

/** An IP packet that defragmentation may hold: an IPv4 fragment, or an IPv6 packet with a fragment header. */
function isFragment(bytes: Uint8Array): boolean {
  if ((bytes[0] ?? 0) >> 4 === 4) return ((bytes[6] ?? 0) & 0x3f) !== 0 || (bytes[7] ?? 0) !== 0;
  let next = bytes[6];
  for (let at = 40; next === 0 || next === 43 || next === 51 || next === 60; ) {
    const length = bytes[at + 1] ?? 0;
    const step: number = next === 51 ? 4 * (length + 2) : 8 * (length + 1);
    next = bytes[at];
    at += step;
  }
  return next === 44;
}

/**
 * The traced half of a packet's outcome. `bytes`: the packet; `saved`: what withoutOwnRules leaves, read; `left`: it was seen to leave. The first mark stands behind defragmentation, so of a fragment without
 * any mark it is not known whether netfilter saw it.
 */
export function tracedByMarks(
  logs: readonly Uint8Array[],
  bytes: Uint8Array,
  saved: Saved,
  rules: string,
  left: boolean,
): Pick<KernelPacket, 'path' | 'hook' | 'verdict' | 'entered'> {
  const all = logs.flatMap((message) => logWords(message) ?? []).map(ownNumber);
  const used = tablesIn(rules);
  const path = all.filter((words) => used.has(words.split(':')[0] ?? '') && Number(words.split(':')[3]) > 0);
  const verdict = verdictOf(all, saved, DROPPING_BEHIND.test(rules), left);
  const known = all.length > 0 || !isFragment(bytes);
  const outcome = { path, hook: hookOf(all), ...(known ? { entered: all.length > 0 } : {}) };
  return verdict === undefined ? outcome : { ...outcome, verdict };
}
