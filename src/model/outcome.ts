/**
 * What every witness answers: the reference interpreter, the engine and the running kernel all give these shapes,
 * so that they can be compared without knowing each other.
 */

import type { LoggedPacket } from './log.ts';

/** The three ways of a packet through a host, named by the filter hook it meets; a packet over lo, which may meet two, by the last it met. */
export type HookName = 'INPUT' | 'OUTPUT' | 'FORWARD';

/**
 * What became of a packet that entered netfilter. STACK: the stack itself dropped it between two hooks (no route, TTL
 * exceeded in forwarding, martian address...), or keeps it (an IPv4 fragment for this host that nothing put together before), `reason` says why.
 */
export type Verdict = 'ACCEPT' | 'DROP' | 'REJECT' | 'STACK';

/** Connection states in the words of `--ctstate`. */
export type CtState = 'INVALID' | 'NEW' | 'ESTABLISHED' | 'RELATED' | 'UNTRACKED';

/** Packets and IP bytes (skb->len: the IP total length), as `iptables -nvxL` counts them. */
export interface Counter {
  packets: number;
  bytes: number;
}

/** A chain's counters; `policy` is null for user chains, whose own packets and bytes stay 0. Rules are in rule order. */
export interface ChainCounters extends Counter {
  policy: 'ACCEPT' | 'DROP' | null;
  rules: Counter[];
}

/** Counters by table name, then chain name. */
export type TableCounters = Record<string, Record<string, ChainCounters>>;

/** One packet's fate. */
export interface PacketOutcome {
  /** 1-based number in the capture (over all captures of a job). */
  packet: number;
  /** Nanoseconds since the epoch. */
  time: bigint;
  /** IP total length as counted; 0 for packets that never reached netfilter. */
  bytes: number;
  /** null: never reached netfilter, see `unseen`. */
  hook: HookName | null;
  verdict: Verdict | null;
  /** Why the packet never reached netfilter, in the words of model/reasons.ts. */
  unseen?: string;
  /**
   * The place that decided, in TRACE's words: `filter:FORWARD:rule:2` or `filter:FORWARD:policy:8`. DROP, REJECT: where it was dropped. ACCEPT: what ended the
   * last walk of the filter table; where no filter table was walked, what ended the last walk of all. STACK: absent.
   */
  rule?: string;
  /** Connection state after conntrack saw the packet; absent where no conntrack ran. */
  ctstate?: CtState;
  /** For verdict STACK, and for ctstate INVALID: why, in the words of model/reasons.ts. */
  reason?: string;
  /**
   * Every rule that matched, every return and policy, in order, in TRACE's words (`filter:web:return:3`). Only when asked for.
   * The kernel prints a rule only when it matched.
   */
  path?: string[];
  /** From the IP header on, as rules left it (translated addresses and ports, their checksums); what forwarding changes (TTL) is not in it. Only when asked for, of packets that entered netfilter. */
  rewritten?: Uint8Array;
  /** Every LOG rule it met, in order. Only when asked for, and only where it met one. */
  logged?: LoggedPacket[];
  /** Ends whose port in `rewritten` the kernel draws by lot: it is free and in the range, but not the kernel's. */
  drawn?: ('source' | 'destination')[];
}

/** One end of a connection's tuple. `port` is the port, or the GRE key; of ICMP the source has the id and the destination 0; 0 where the protocol has none. */
export interface TupleEnd {
  address: string;
  port: number;
}

/** One direction of a connection. `type` and `code` for ICMP and ICMPv6 only; `packets` and `bytes` where connections are accounted (nf_conntrack_acct). */
export interface ConntrackTuple {
  source: TupleEnd;
  destination: TupleEnd;
  type?: number;
  code?: number;
  packets?: number;
  bytes?: number;
}

/** A confirmed connection as `conntrack -L -o extended` tells it. */
export interface ConntrackEntry {
  family: 4 | 6;
  /** IP protocol number. */
  protocol: number;
  /** Whole seconds left at the time of looking, as conntrack prints them. */
  timeout: number;
  /** TCP and SCTP: the state in conntrack's words (`ESTABLISHED`, `SYN_SENT`...). */
  state?: string;
  original: ConntrackTuple;
  reply: ConntrackTuple;
  /** No reply was seen yet: `[UNREPLIED]`. */
  unreplied: boolean;
  /** `[ASSURED]`. */
  assured: boolean;
  mark: number;
  /** Name of the helper it was assigned to. */
  helper?: string;
  /** Ends of the translation whose port the kernel draws by lot: that of the reply's destination (`source`) or source (`destination`) is as good as any other free one. */
  drawn?: ('source' | 'destination')[];
  /** As printed (`zone=7`, `zone-orig=5`); absent when all is in zone 0. */
  zones?: string[];
}

/** A connection that a helper waits for, as `conntrack -L expect` tells it: without family (its addresses have one) and zone. */
export interface ConntrackExpectation {
  /** IP protocol number. */
  protocol: number;
  /** Whole seconds left; absent where none is printed. */
  timeout?: number;
  /** What the first packet must look like where `mask` has ones. Port 0 of both: any. */
  tuple: ConntrackTuple;
  mask: ConntrackTuple;
  /** Original direction of the connection whose helper expects this one. */
  master: ConntrackTuple;
  /** The helper's classes have numbers: of a master there may be so many of each. */
  class: number;
  helper?: string;
  /** PERMANENT, INACTIVE, USERSPACE. */
  flags: string[];
}
