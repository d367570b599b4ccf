/** Which tables a hook walks, in the order of their priorities, and what stands between them (kernel-semantics 4.2, 4.4). */
import { STACK_TABLE_FULL } from '../abi/reasons.ts';
import type { NatSpec } from '../model/nat.ts';
import type { Profile } from '../model/profile.ts';
import type { TableName } from '../model/ruleset.ts';
import { sameWords } from '../packet/bytes.ts';
import type { EvaluateContext } from '../packet/view.ts';
import type { Connection } from './conntrack/connection.ts';
import type { Conntrack } from './conntrack/conntrack.ts';
import type { Defragmenter } from './defrag/defrag.ts';
import type { FragmentQueue } from './defrag/queue.ts';
import type { Nat } from './nat/nat.ts';
import type { Packet } from './packet.ts';
import type { ReadyMatch, ReadyTables } from './tables.ts';
import { type WalkContext, type WalkListener, type WalkResult, walk } from './walk.ts';

export type HookPoint = EvaluateContext['hook'];

type Stop = TableName | 'conntrack' | 'confirm';

const ORDER: Readonly<Record<HookPoint, readonly Stop[]>> = {
  PREROUTING: ['raw', 'conntrack', 'mangle', 'nat'],
  INPUT: ['mangle', 'filter', 'security', 'nat', 'confirm'],
  FORWARD: ['mangle', 'filter', 'security'],
  OUTPUT: ['raw', 'conntrack', 'mangle', 'nat', 'filter', 'security'],
  POSTROUTING: ['mangle', 'nat', 'confirm'],
};

/** iptables-nft registers security at priority 150 where the kernel's own table has 50: behind nat (100). */
const NFT_INPUT: readonly Stop[] = ['mangle', 'filter', 'nat', 'security', 'confirm'];

const orderOf = (hook: HookPoint, backend: Profile['backend']): readonly Stop[] =>
  hook === 'INPUT' && backend === 'nft' ? NFT_INPUT : ORDER[hook];

/** Told of what happens between tables, for `trace`. */
export interface HookListener extends WalkListener {
  hook(hook: HookPoint, packet: Packet): void;
  conntrack(packet: Packet): void;
  /** A fragment that is kept or thrown away; `queue`: what it was for, null when it never got so far. */
  held(kept: boolean, queue: FragmentQueue | null): void;
  /** A fragment made this packet whole. */
  reassembled(queue: FragmentQueue): void;
  confirmed(connection: Connection): void;
}

/** What happened to one packet over all its hooks. */
export interface Passage {
  path: string[] | null;
  evaluations: number;
  lastFilter: string | null;
  last: string | null;
  /** Conntrack saw the packet. */
  looked: boolean;
  listener: HookListener | null;
}

/** One family's tables and, when its rules need it, conntrack, which brings defragmentation: at -400, before all tables of PREROUTING and OUTPUT. */
export interface FamilyRules {
  tables: ReadyTables;
  conntrack: Conntrack | null;
  defragmenter: Defragmenter | null;
  /** IPv4 without that: what puts fragments for this host together in front of INPUT. */
  delivery: Defragmenter | null;
  /** Without that: what puts together what this host's kernel cut behind POSTROUTING. */
  cut: Defragmenter | null;
  /** There is a nat table, and conntrack: connections are bound, with or without rules that translate. */
  nat: Nat | null;
  /** Whether there is a way for a packet of the host that has another destination now. */
  mayLeave(packet: Packet): boolean;
}

/** Runs a hook. null: every table let the packet on. `verify`: it came off the wire. */
export function runHook(
  hook: HookPoint,
  packet: Packet,
  rules: FamilyRules,
  passage: Passage,
  plain: Omit<EvaluateContext, 'hook' | 'state'>,
  verify: boolean,
): WalkResult | null {
  passage.listener?.hook(hook, packet);
  const context = contextFor(hook, packet, rules.nat, passage, plain);
  for (const stop of orderOf(hook, plain.profile.backend)) {
    if (stop === 'conntrack') {
      if (!lookAtConnection(packet, rules, passage, verify)) return TABLE_FULL;
    } else if (stop === 'confirm') {
      if (rules.conntrack?.help(packet) === false) return LOST;
      if (!confirm(packet, rules, passage)) return LOST;
    } else {
      const { destination } = packet;
      const result = stop === 'nat' ? walkNat(hook, packet, rules, context) : walkTable(stop, hook, packet, rules, context);
      passage.evaluations += context.evaluations;
      context.evaluations = 0;
      if (result === null) continue;
      passage.last = result.rule;
      if (stop === 'filter') passage.lastFilter = result.rule;
      if (result.verdict !== 'ACCEPT') return result;
      // ip6t_mangle_out: translations see to it themselves.
      const turned = hook === 'OUTPUT' && stop === 'mangle' && !sameWords(destination, packet.destination);
      if (turned && !rules.mayLeave(packet)) return LOST;
    }
  }
  return null;
}

function contextFor(
  hook: HookPoint,
  packet: Packet,
  nat: Nat | null,
  passage: Passage,
  given: Omit<EvaluateContext, 'hook' | 'state'>,
): WalkContext {
  const stateless = <T>(make: () => T): T => make();
  const plain: EvaluateContext = { ...given, hook, state: stateless };
  const evaluate = (match: ReadyMatch): EvaluateContext => ({
    ...plain,
    state<T>(make: () => T): T {
      match.state ??= { value: make() };
      return match.state.value as T;
    },
  });
  const translate = (spec: NatSpec): 'ACCEPT' | 'DROP' => nat?.bind(spec, packet, hook) ?? 'ACCEPT';
  return { evaluate, translate, plain, evaluations: 0, path: passage.path, listener: passage.listener };
}

function walkTable(
  table: TableName,
  hook: HookPoint,
  packet: Packet,
  rules: FamilyRules,
  context: WalkContext,
): WalkResult | null {
  const chain = rules.tables.get(table)?.get(hook);
  return chain === undefined ? null : walk(chain, packet, context);
}

/** Dropped without a rule: by a helper, by conntrack, or by a translation that is not possible. */
const LOST: WalkResult = { verdict: 'DROP', rule: null, tcpReset: false };

const TABLE_FULL: WalkResult = { ...LOST, stack: STACK_TABLE_FULL };

/** The rules of the nat table see the first packet of a connection; every packet is translated. */
function walkNat(hook: HookPoint, packet: Packet, rules: FamilyRules, context: WalkContext): WalkResult | null {
  const { nat } = rules;
  if (nat === null) return null;
  packet.queued = false;
  const result = nat.asksRules(packet, hook) ? walkTable('nat', hook, packet, rules, context) : null;
  if (result !== null && result.verdict !== 'ACCEPT') return result;
  // From a queue the packet goes on with the next table: it is neither bound nor translated here.
  if (packet.queued) return result;
  return nat.finish(packet, hook) ? result : LOST;
}

function lookAtConnection(packet: Packet, { conntrack, nat }: FamilyRules, passage: Passage, verify: boolean): boolean {
  if (conntrack === null) return true;
  if (!conntrack.look(packet, verify)) return false;
  nat?.follow(packet);
  passage.looked = true;
  passage.listener?.conntrack(packet);
  return true;
}

function confirm(packet: Packet, { conntrack }: FamilyRules, passage: Passage): boolean {
  if (conntrack === null) return true;
  const opened = packet.tracking.kind === 'entry' && !packet.tracking.connection.confirmed ? packet.tracking.connection : null;
  if (!conntrack.confirm(packet)) return false;
  if (opened?.confirmed) passage.listener?.confirmed(opened);
  return true;
}
