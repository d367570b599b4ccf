/** The common shape of a replay by the reference or by the engine: what goes in, what comes out. */
import type { Annotations } from './annotations.ts';
import type { Fingerprint } from './fingerprints.ts';
import type { Host } from './host.ts';
import type { IpSet } from './ipset.ts';
import type { NotFollowed } from './not-followed.ts';
import type { Counter, CtState, HookName, PacketOutcome, TableCounters, Verdict } from './outcome.ts';
import type { Profile } from './profile.ts';
import type { Family, RuleSet } from './ruleset.ts';
import type { Sighted } from './vantage.ts';

/** One captured frame, as the TypeScript readers give it (the engine reads files itself). */
export interface Frame {
  /** Nanoseconds since the epoch. */
  time: bigint;
  linktype: number;
  /** Captured bytes, FCS already cut off. */
  bytes: Uint8Array;
  /** Length on the wire. */
  wire: number;
  /** pcapng if_name. */
  interfaceName?: string;
  /** What the capture says (SLL is found out by the link layer). */
  direction?: 'in' | 'out';
}

export interface Job {
  /** At most one rule set a family; packets of a family without one are unseen ("no rules for this family"). */
  rules: Partial<Record<Family, RuleSet>>;
  host: Host;
  profile: Profile;
  /** What is told of packets that no capture holds. */
  annotations?: Annotations;
  /** Sets of ipset that rules ask. */
  sets?: readonly IpSet[];
  /** What systems send, for `osf`. */
  fingerprints?: readonly Fingerprint[];
  /** Ask for an outcome a packet (slower), with or without its path, its bytes as rules left them, and what LOG rules write down of it. */
  packets?: { path: boolean; bytes?: boolean; logs?: boolean };
}

/** What is known of one capture after it was read. */
export interface CaptureInfo {
  file: string;
  packets: number;
  /** Sum of the lengths on the wire. */
  bytes: number;
  linktypes: number[];
  /** Set when the file is damaged, or (`unread`) could not be opened, or be read to its end: what was read before counts. */
  damage?: { offset: number; packed?: number; reason: string; unread?: true };
}

export interface ReplayResult {
  captures: CaptureInfo[];
  /** All packets read; bytes are IP bytes (skb->len, as rules left them) of those that entered netfilter. */
  packets: number;
  bytes: number;
  verdicts: Record<Verdict, number>;
  hooks: Record<HookName, number>;
  /** By the words of model/reasons.ts; only reasons that occurred. */
  unseen: Record<string, number>;
  stack: Record<string, number>;
  invalid: Record<string, number>;
  ctstates: Record<CtState, number>;
  /** Packets that were the host's own answers to others that REJECT refused. */
  answers: number;
  /** Packets without SYN with which a TCP connection began (nf_conntrack_tcp_loose): it was open before the capture began, or silent for longer than conntrack remembers. */
  pickedUp: number;
  /** Packets that went out where rules translate, and that no connection has: the host's own by their source, but with a TTL of forwarded ones; from addresses of others, and not judged (model/vantage.ts). */
  strays: Sighted;
  unjudged: Sighted;
  /** Of the packets with a bad checksum (`invalid`) those whose checksum a device was to make, as their bytes say: the sum of the pseudo header stands there. */
  unfinished: number;
  notFollowed: NotFollowed;
  counters: Partial<Record<Family, TableCounters>>;
  /**
   * Rules the kernel would have evaluated: every rule whose matches were looked at, in all tables; policies and returns at the end of a chain are not rules.
   */
  evaluations: number;
  /** Connections that were confirmed. */
  connections: number;
  /** What nfacct's objects counted, by their names; absent where no rule names one. */
  nfacct?: (Counter & { name: string })[];
  /**
   * Fallbacks, known limits met on the way: one line each, in this order: of trees and of rules; ports that are drawn, addresses that MASQUERADE and REDIRECT lack; own datagrams in parts;
   * where the capture was taken; a full table of connections; lost log lines; the clock; devices without a name; answers that hang on when a jiffy begins.
   */
  notes: string[];
}

/** Is told of packets as they are judged, if the job asks for them. */
export type OnPacket = (outcome: PacketOutcome) => void;
