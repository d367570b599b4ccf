/** One conntrack entry: struct nf_conn, as far as rules and trackers look at it. */
import { STATUS_CONFIRMED, STATUS_EXPECTED, STATUS_SEEN_REPLY } from '../../abi/fields.ts';
import type { Counter } from '../../model/outcome.ts';
import type { Family } from '../../model/ruleset.ts';
import type { ConnectionView } from '../../packet/view.ts';
import type { Expectation } from './expectations.ts';
import type { Help } from './helpers/helper.ts';
import type { SctpState } from './sctp-state.ts';
import type { Shifts } from './sequence.ts';
import type { TcpState } from './tcp-state.ts';
import type { Tuple } from './tuple.ts';
import type { Zone } from './zone.ts';

/** 0 original, 1 reply. */
export type Direction = 0 | 1;
export const ORIGINAL = 0;
export const REPLY = 1;

export const opposite = (direction: Direction): Direction => (direction === ORIGINAL ? REPLY : ORIGINAL);

export class Connection {
  readonly family: Family;
  readonly zone: Zone;
  readonly original: Tuple;
  /** Of the answers; where addresses are translated it is not the original turned round. */
  reply: Tuple;
  /** IPS_* bits (abi/fields.ts). */
  status = 0;
  mark = 0;
  /** Packets and bytes by direction; null: not counted. */
  counters: [Counter, Counter] | null = null;
  /** null: labels are not in use. */
  labels: Set<number> | null = null;
  /** Jiffies: until confirmed how long it will live from then on, afterwards the moment it expires. */
  timeout = 0;
  /** Taken out of the table before its time (reopened TCP, RST before any reply). */
  dead = false;
  tcp: TcpState | undefined;
  sctp: SctpState | undefined;
  /** UDP: from this jiffy on it is a stream. */
  streamFrom = 0;
  /** The helper it was assigned to, and what that knows of it. */
  help: Help | null = null;
  /** The connection whose helper expected this one. */
  master: Connection | null = null;
  /** It is to be translated as its master is, before any rule is asked. */
  follows: Expectation['follows'] = null;
  /** What helpers made of the lengths of its data; null: nothing. */
  shifts: Shifts | null = null;
  /** IPS_SRC_NAT_DONE and IPS_DST_NAT_DONE: the nat table was consulted for this kind of rewriting. */
  sourceNatDone = false;
  destinationNatDone = false;
  /** NAT_DRAWN_*: ports for which the kernel draws lots. */
  drawn = 0;
  /** The device it was masqueraded at; '' otherwise. */
  masqueradedBy = '';

  constructor(family: Family, zone: Zone, original: Tuple, reply: Tuple) {
    this.family = family;
    this.zone = zone;
    this.original = original;
    this.reply = reply;
  }

  has(bit: number): boolean {
    return (this.status & bit) !== 0;
  }

  get confirmed(): boolean {
    return this.has(STATUS_CONFIRMED);
  }

  get seenReply(): boolean {
    return this.has(STATUS_SEEN_REPLY);
  }

  get expected(): boolean {
    return this.has(STATUS_EXPECTED);
  }

  /** A packet that counts (nf_ct_acct_update). */
  account(direction: Direction, bytes: number): void {
    if (this.counters === null) return;
    this.counters[direction].packets++;
    this.counters[direction].bytes += bytes;
  }

  /** Lives `jiffies` from now on; an entry not confirmed yet from its confirmation on (__nf_ct_refresh_acct). */
  refresh(jiffies: number, now: number): void {
    this.timeout = this.confirmed ? now + jiffies : jiffies;
  }

  /** Jiffies left, never negative. */
  left(now: number): number {
    return this.confirmed ? Math.max(0, this.timeout - now) : 0;
  }

  view(now: number, hz: number): ConnectionView {
    const { original, reply, status, mark, counters, labels } = this;
    const masterHelper = this.master?.help?.helper.name ?? null;
    const masterSource = this.master?.original.source ?? null;
    const expires = Math.floor(this.left(now) / hz);
    return { original, reply, status, mark, counters, labels, masterHelper, masterSource, template: false, expires };
  }
}
