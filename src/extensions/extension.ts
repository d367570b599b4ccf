/**
 * What a match or target is: one module with everything about it. A room's `index.ts` is the registry.
 */
import type { Annotations } from '../model/annotations.ts';
import type { Position, RuleError } from '../model/errors.ts';
import type { Fingerprint } from '../model/fingerprints.ts';
import type { ProxySocket } from '../model/host.ts';
import type { LogRequest } from '../model/log.ts';
import type { NatSpec } from '../model/nat.ts';
import type { Action, Test } from '../model/predicate.ts';
import type { Profile } from '../model/profile.ts';
import type { Builtin, Family, Rule, TableName } from '../model/ruleset.ts';
import type { EvaluateContext, LoadContext, PacketView, ZoneView } from '../packet/view.ts';

/** An option as getopt sees it: `names[0]` is the canonical long name without dashes; iptables accepts unambiguous abbreviations of long names. */
export interface OptionSpec {
  names: readonly string[];
  /** `optional`: a value follows only if the next word does not start with a dash (or `!`), as getopt's optional arguments in iptables are read by the extension. */
  argument: 'none' | 'one' | 'two' | 'optional';
  /** `! --dport 80` (and the old `--dport ! 80`, repaired or refused as iptables does). */
  invertible: boolean;
  /** A one-letter short option, e.g. for none of ours; kept for later. */
  short?: string;
}

/** One option as written in a rule. `name` is canonical. */
export interface GivenOption {
  name: string;
  /** The word that was written (`--dport` for `destination-port`), for errors. */
  written?: string;
  values: readonly string[];
  invert: boolean;
  position: Position;
}

export interface ParseContext {
  family: Family;
  table: TableName;
  /** The chain the rule is in (targets that are legal in some chains only are checked by syntax/legality once all is read). */
  chain: string;
  builtin: Builtin;
  /** Whose iptables reads the rule: what they refuse differs. Without one, legacy. */
  backend?: Profile['backend'];
  /** Which kernel takes it. Without one, the latest. */
  kernel?: Profile['kernel'];
  /** Where `-m NAME` or `-j NAME` stands. */
  position: Position;
  /** An error to throw: at an option's place (or the extension's), with a hint. */
  error(message: string, more?: { at?: Position; hint?: string; kind?: string }): RuleError;
  /** Says what iptables takes without a word, and nobody means. Without one, nobody listens. */
  note?(message: string, at: Position): void;
}

/** Where a target or match may stand; undefined: anywhere. Hooks are base-chain names; user chains are judged by who calls them. */
export interface Legality {
  tables?: readonly TableName[];
  hooks?: readonly string[];
  /** Protocols the rule must name with -p (not inverted). */
  protocols?: readonly number[];
}

/** A source of choices for the fuzzer: deterministic under its seed, shrinkable; neutral of any library. */
export interface Draw {
  /** A whole number from low to high, both included. */
  integer(low: number, high: number): number;
  pick<T>(choices: readonly T[]): T;
  /** True with the given probability (default 1/2). */
  chance(probability?: number): boolean;
}

/** Small pools, so that rules and packets collide. Text as iptables reads it. */
export interface Pools {
  addresses: readonly string[];
  ports: readonly number[];
  interfaces: readonly string[];
  marks: readonly number[];
  macs: readonly string[];
}

/** Connections count packets and bytes (nf_conntrack_acct); connections have labels. */
export type TurnedOn = 'accounting' | 'labels';

interface ExtensionBase<O> {
  /** As -m or -j names it; one module may serve aliases (`state` is a module of its own that shares with conntrack). */
  name: string;
  families: readonly Family[];
  options: readonly OptionSpec[];
  /** One line for the support table in the README. */
  about: string;
  /** True when a rule with it makes the kernel put fragments together before all tables, as conntrack does, which not every such rule brings. */
  needsDefragmentation?: boolean;
  legality?: Legality;
  /** What these options demand beyond `legality` (addrtype --limit-iface-out, REJECT --reject-with tcp-reset); undefined: nothing more. */
  legalityOf?(options: O): Legality | undefined;
  /** What it demands of the rest of its rule: why that will not do, and what would; undefined: it will. */
  demands?(options: O, rule: Pick<Rule, 'matches'>, backend: Profile['backend']): { message: string; hint: string } | undefined;
  /** Options in order of writing -> the model. Throws RuleError (context.error) for what iptables refuses, in its spirit: what was wanted, what was there. */
  parse(given: readonly GivenOption[], context: ParseContext): O;
  /** What iptables-save 1.8.9 prints behind `-m NAME` / `-j NAME`: a leading blank before each option, '' for none. */
  print(options: O, context: { family: Family; builtin: Builtin }): string;
  /** Words of a random, valid use of the extension: what stands behind `-m NAME` / `-j NAME`, biased to boundaries and to the pools. `chain`: the built-in chain the rule stands in. `judge`: whom the rule is for: a kernel draws its own random numbers, and the running one sees all packets within a second. */
  generate(
    draw: Draw,
    pools: Pools,
    context: { family: Family; protocol: number; table?: TableName; chain?: string; judge?: 'software' | 'kernel' | 'virtual' },
  ): string[];
  /** True when what it answers, or leaves behind, depends on the packets it was asked about before. */
  keepsState?: boolean;
  /**
   * The reference: what happens when the rule is loaded (checkentry), where rules share state by name. Called once a rule, before the first packet, in the order the kernel
   * is given them.
   */
  load?(options: O, context: LoadContext): void;
}

export interface MatchExtension<O = unknown> extends ExtensionBase<O> {
  kind: 'match';
  /** What loading a rule with this match turns on for all connections to come. */
  turnsOn?: TurnedOn;
  /** True when a rule set holding this match makes the kernel register conntrack (kernel-semantics 4.2). */
  needsConntrack?: boolean;
  /**
   * True when iptables-nft compiles these options to expressions of its own: the kernel module's check of the protocol is not made then, and a
   * rule may name it inverted.
   */
  isNative?(options: O): boolean;
  /** Protocol numbers for which `-p PROTO --option` loads this match without -m. */
  implicitFor?: readonly number[];
  /**
   * The reference: what the kernel's match function answers (with the extension's own inversions). `hotdrop-matched`: it matches and the packet is dropped: where all
   * other matches of the rule hold, too, the rule counts and its target acts.
   */
  evaluate(options: O, packet: PacketView, context: EvaluateContext): boolean | 'hotdrop' | 'hotdrop-matched';
  /** The engine: the same, in the predicate language, written from the kernel's behaviour and not from evaluate. `sets`: names of the job's sets, by their numbers; `fingerprints`: those of --osf. */
  lower(
    options: O,
    context: {
      family: Family;
      profile: Profile;
      annotations?: Annotations;
      sets?: readonly string[];
      fingerprints?: readonly Fingerprint[];
    },
  ): Test[];
  /** For `trace`: what the packet has where this match looks (`dport 443, flags SYN`). */
  show(options: O, packet: PacketView): string;
}

export interface TargetExtension<O = unknown> extends ExtensionBase<O> {
  kind: 'target';
  /** True when a rule with this target, or with these options of it, makes the kernel register conntrack. */
  needsConntrack?: boolean | ((options: O) => boolean);
  /** The reference: the verdict, or 'continue' after having changed the packet through `effects`. */
  evaluate(
    options: O,
    packet: PacketView,
    effects: TargetEffects,
    context: EvaluateContext,
  ): 'ACCEPT' | 'DROP' | 'REJECT' | 'continue';
  /** The engine. `logs`: gives a LOG rule the number of its request; undefined where nobody wants the lines. `sets`: names of the job's sets, by their numbers. `proxies`: sockets of the host for TPROXY. */
  lower(
    options: O,
    context: {
      family: Family;
      profile: Profile;
      logs?: (request: LogRequest) => number;
      sets?: readonly string[];
      proxies?: readonly ProxySocket[];
    },
  ): Action;
  /** The engine: what it remembers of the packets of its rule, as tests behind those of the matches, which always hold. */
  counts?(options: O, context: { profile: Profile }): Test[];
}

/** How CT wants a packet tracked. */
export interface CtTemplate {
  /** `mark`: the packet's mark when it is tracked. */
  zone: number | 'mark';
  /** The directions of the connection that are in it. */
  zoneOf: ZoneView['of'];
  /** HELPER_* (abi/helpers.ts) that the connection is assigned to, should the packet open one. */
  helper: number;
}

/** What a target may change in the reference's packet. */
export interface TargetEffects {
  /** Addresses and ports of the packet's connection, which is new; DROP where there is no address to give. */
  translate(spec: NatSpec): 'ACCEPT' | 'DROP';
  setMark(mark: number): void;
  /** The packet goes through a queue, and on with the next table. */
  queue(): void;
  /** Writes the packet down as it is now. */
  log(request: LogRequest): void;
  /** Other bytes for the packet, with its headers in the same places; the caller's own, no part of those before. */
  rewrite(bytes: Uint8Array): void;
  /** The packet belongs to a socket of this host from here on. */
  assignSocket(): void;
  /** How conntrack is to track the packet, unless it is there already: as a connection, untracked, or with an earlier template. */
  setTemplate(template: CtTemplate): void;
  /** Of the packet's connection; nothing without one. */
  setConnectionMark(mark: number): void;
  /** Untracked, unless a connection or an untracked mark is there already. */
  notrack(): void;
}

// biome-ignore lint/suspicious/noExplicitAny: the registry holds modules of every option type; each module is typed by itself.
export type Extension = MatchExtension<any> | TargetExtension<any>;
