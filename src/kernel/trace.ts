/** From the kernel's trace records of one packet to its path, its hook and its verdict. */
import type { HookName, Verdict } from '../model/outcome.ts';
import type { Family } from '../model/ruleset.ts';
import type { KernelPacket } from './job.ts';
import { invalidWords, listedRule, logWords, messagesIn, type NftTrace, nftTrace } from './netlink.ts';
import { OWN_TABLE } from './plan.ts';
import type { Saved } from './saved.ts';

/** Rule numbers by handle: `4 filter FORWARD 17` -> 5; and the number of rules of each chain: `4 filter FORWARD` -> 7. */
export type RuleNumbers = Map<string, number>;

const FAMILIES: Record<number, Family> = { 2: 4, 10: 6 };

/** Reads the answer to RULES_REQUEST: rules come in their order. */
export function ruleNumbers(dump: Uint8Array): RuleNumbers {
  const numbers: RuleNumbers = new Map();
  for (const message of messagesIn(dump)) {
    const rule = listedRule(message);
    const family = FAMILIES[rule?.family ?? 0];
    if (rule === undefined || family === undefined) continue;
    const chain = `${family} ${rule.table} ${rule.chain}`;
    const number = (numbers.get(chain) ?? 0) + 1;
    numbers.set(chain, number);
    numbers.set(`${chain} ${rule.handle}`, number);
  }
  return numbers;
}

const BUILTIN = new Set(['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING']);

/**
 * The nft record in TRACE's words; undefined where TRACE says nothing. nf_tables marks the end of a chain by a `rule` record that names no rule
 * (nf_tables_core.c): for a user chain that is TRACE's return, for a base chain a policy record follows.
 */
function nftWords(record: NftTrace, numbers: RuleNumbers): string | undefined {
  const chain = `${record.family === 10 ? 6 : 4} ${record.table} ${record.chain}`;
  const place = `${record.table}:${record.chain}`;
  const number = numbers.get(`${chain} ${record.handle}`);
  if (record.kind === 'rule' && number !== undefined) return `${place}:rule:${number}`;
  if (record.kind === 'rule' && BUILTIN.has(record.chain)) return undefined;
  return `${place}:${record.kind === 'policy' ? 'policy' : 'return'}:${(numbers.get(chain) ?? 0) + 1}`;
}

export interface PacketTrace {
  path: string[];
  /** What conntrack logged about the packet (nf_conntrack_log_invalid), in order. */
  invalid: string[];
  /** Marker chains met, in order: `first_prerouting`, `last_prerouting`, `first_forward`... */
  marks: string[];
}

/** Sorts the records of one packet into the path (legacy: `logs`; nft: the records of other tables) and the marks. */
export function packetTrace(logs: Uint8Array[], traces: Uint8Array[], numbers: RuleNumbers | undefined): PacketTrace {
  const path: string[] = [];
  const marks: string[] = [];
  for (const message of traces) {
    const record = nftTrace(message);
    if (record === undefined) continue;
    if (record.table === OWN_TABLE) {
      if (record.kind === 'policy') marks.push(record.chain);
    } else if (numbers !== undefined) {
      const words = nftWords(record, numbers);
      if (words !== undefined) path.push(words);
    }
  }
  for (const message of logs) {
    const words = logWords(message);
    if (words !== undefined && numbers === undefined) path.push(words);
  }
  return { path, marks, invalid: logs.flatMap((message) => invalidWords(message) ?? []) };
}

/** What the rule or policy a path entry names does: ACCEPT, DROP, REJECT, a chain... '' when unknown. */
export function targetAt(words: string, saved: Saved): string {
  const [table = '', chain = '', , number] = words.split(':');
  const targets = saved.targets[table]?.[chain] ?? [];
  const index = Number(number) - 1;
  if (index < targets.length) return targets[index] ?? '';
  return saved.counters[table]?.[chain]?.policy ?? 'RETURN';
}

const HOOK_MARKS: [mark: string, hook: HookName][] = [
  ['first_output', 'OUTPUT'],
  ['first_forward', 'FORWARD'],
  ['first_input', 'INPUT'],
];

/**
 * Verdict by how far the packet came: to the end of its last hook (ACCEPT); to the end of a hook, but not into the next (STACK: the stack
 * itself dropped it); else a rule ended it: DROP or REJECT as the last record says, DROP when a match dropped it (hotdrop).
 * Undefined when only the first mark was met and no rule, or a gathered fragment met no hook behind PREROUTING: fragments that wait for the rest look so.
 */
function verdictOf({ path, marks }: PacketTrace, saved: Saved, gathered: boolean): Verdict | undefined {
  const last = marks.at(-1);
  if (gathered && last === 'last_prerouting') return undefined;
  if (last === undefined) return undefined;
  if (last === 'last_input' || last === 'last_postrouting') return 'ACCEPT';
  if (last.startsWith('last_')) return 'STACK';
  const words = path.at(-1);
  if (words === undefined) return marks.length > 1 ? 'DROP' : undefined;
  return targetAt(words, saved) === 'REJECT' ? 'REJECT' : 'DROP';
}

/** The traced half of a packet's outcome. `gathered`: it is an IPv4 fragment that was put to others of its packet. */
export function tracedPacket(
  trace: PacketTrace,
  saved: Saved,
  gathered: boolean,
): Pick<KernelPacket, 'path' | 'hook' | 'verdict' | 'entered' | 'invalid'> {
  // Sent to the host itself (a rule may have redirected it): it came as far as that. A broadcast's copy came there before the packet left.
  const looped = trace.marks.includes('first_output') && /_(?:prerouting|input)$/.test(trace.marks.at(-1) ?? '');
  const hook = looped ? 'INPUT' : (HOOK_MARKS.find(([mark]) => trace.marks.includes(mark))?.[1] ?? null);
  const verdict = verdictOf(trace, saved, gathered);
  // nf_tables has no trace record for a packet that ends before its transport header.
  const entered = trace.marks.length > 0 || trace.path.length > 0;
  const outcome = { path: trace.path, hook, entered, ...(trace.invalid.length === 0 ? {} : { invalid: trace.invalid }) };
  return verdict === undefined ? outcome : { ...outcome, verdict };
}
