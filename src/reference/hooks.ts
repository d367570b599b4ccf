/** Which tables a hook walks, in the order of their priorities, and what stands between them (kernel-semantics 4.2, 4.4). */
import type { Profile } from '../model/profile.ts';
import type { TableName } from '../model/ruleset.ts';
import type { EvaluateContext } from '../packet/view.ts';
import type { Connection } from './conntrack/connection.ts';
import type { Conntrack } from './conntrack/conntrack.ts';
import type { Defragmenter } from './defrag/defrag.ts';
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
}

/** Dropped where no rule has a say. */
const HELPER_DROPS: WalkResult = { verdict: 'DROP', rule: null, tcpReset: false };

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
  const context = contextFor(hook, passage, plain);
  for (const stop of orderOf(hook, plain.profile.backend)) {
    if (stop === 'conntrack') {
      lookAtConnection(packet, rules, passage, verify);
    } else if (stop === 'confirm') {
      if (rules.conntrack?.help(packet) === false) return HELPER_DROPS;
      confirm(packet, rules, passage);
    } else {
      const result = stop === 'nat' ? walkNat(hook, packet, rules, context) : walkTable(stop, hook, packet, rules, context);
      passage.evaluations += context.evaluations;
      context.evaluations = 0;
      if (result === null) continue;
      passage.last = result.rule;
      if (stop === 'filter') passage.lastFilter = result.rule;
      if (result.verdict !== 'ACCEPT') return result;
    }
  }
  return null;
}

function contextFor(hook: HookPoint, passage: Passage, given: Omit<EvaluateContext, 'hook' | 'state'>): WalkContext {
  const stateless = <T>(make: () => T): T => make();
  const plain: EvaluateContext = { ...given, hook, state: stateless };
  const evaluate = (match: ReadyMatch): EvaluateContext => ({
    ...plain,
    state<T>(make: () => T): T {
      match.state ??= { value: make() };
      return match.state.value as T;
    },
  });
  return { evaluate, plain, evaluations: 0, path: passage.path, listener: passage.listener };
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

/** nf_nat_inet_fn: only packets of new connections (and errors about them), once for each kind of rewriting; without a rule that rewrites the connection is bound as it is. */
function walkNat(hook: HookPoint, packet: Packet, rules: FamilyRules, context: WalkContext): WalkResult | null {
  if (packet.tracking.kind !== 'entry' || !rules.tables.has('nat')) return null;
  const { connection, state } = packet.tracking;
  if (state !== 'NEW' && state !== 'RELATED') return null;
  const isSource = hook === 'POSTROUTING' || hook === 'INPUT';
  if (isSource ? connection.sourceNatDone : connection.destinationNatDone) return null;
  const result = walkTable('nat', hook, packet, rules, context);
  if (result !== null && result.verdict !== 'ACCEPT') return result;
  // nf_nat_setup_info leaves confirmed connections alone.
  if (!connection.confirmed) {
    if (isSource) connection.sourceNatDone = true;
    else connection.destinationNatDone = true;
  }
  return result;
}

function lookAtConnection(packet: Packet, { conntrack }: FamilyRules, passage: Passage, verify: boolean): void {
  if (conntrack === null) return;
  conntrack.look(packet, verify);
  passage.looked = true;
  passage.listener?.conntrack(packet);
}

function confirm(packet: Packet, { conntrack }: FamilyRules, passage: Passage): void {
  const before = packet.tracking.kind === 'entry' && packet.tracking.connection.confirmed;
  conntrack?.confirm(packet);
  if (!before && packet.tracking.kind === 'entry' && packet.tracking.connection.confirmed) {
    passage.listener?.confirmed(packet.tracking.connection);
  }
}
