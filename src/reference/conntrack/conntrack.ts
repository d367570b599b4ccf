/** The conntrack hooks: nf_conntrack_in at PREROUTING and OUTPUT, confirmation at the end of INPUT and POSTROUTING (net/netfilter/nf_conntrack_core.c of 6.18). */
import { STATUS_EXPECTED, STATUS_SEEN_REPLY } from '../../abi/fields.ts';
import { HELPER_NONE } from '../../abi/helpers.ts';
import {
  INVALID_CHECKSUM,
  INVALID_FRAGMENT,
  INVALID_HEADER_CHAIN,
  INVALID_ICMP_TYPE,
  INVALID_NONE,
  INVALID_SHORT,
} from '../../abi/reasons.ts';
import type { TurnedOn } from '../../extensions/extension.ts';
import type { CtState } from '../../model/outcome.ts';
import { type Profile, sysctl } from '../../model/profile.ts';
import { INVALID_WORDS } from '../../model/reasons.ts';
import * as ipv6 from '../../packet/ipv6.ts';
import * as tcp from '../../packet/tcp.ts';
import { isUnfinished } from '../../packet/unfinished.ts';
import type { Packet } from '../packet.ts';
import { Calls } from './calls.ts';
import { Connection, ORIGINAL, REPLY } from './connection.ts';
import { ExpectationTable } from './expectations.ts';
import { trackGeneric } from './generic.ts';
import { greKey, trackGre } from './gre.ts';
import { helpOf, type OnSameSide, runHelper, sameHelp } from './helpers/index.ts';
import { inspectIcmp, trackIcmp } from './icmp.ts';
import { TableLimit } from './limit.ts';
import { isTcpReset } from './reset.ts';
import { trackSctp } from './sctp.ts';
import { ConnectionTable, type Found } from './table.ts';
import { trackTcp } from './tcp.ts';
import type { Tracked, TrackerContext, TrackerResult } from './tracker.ts';
import { DCCP, GRE, ICMP, ICMPV6, invert, SCTP, type SourceKey, TCP, type Tuple, tupleOf, UDP, UDPLITE } from './tuple.ts';
import { trackUdp } from './udp.ts';
import { trackUdplite } from './udplite.ts';
import { Vantage } from './vantage.ts';
import { NO_ZONE, type Zone } from './zone.ts';

export class Conntrack {
  readonly expectations: ExpectationTable;
  readonly table = new ConnectionTable(
    (connection) => this.#gone(connection),
    (connection) => this.calls.concerns(connection),
  );
  readonly calls = new Calls(
    () => this.table,
    () => this.expectations,
  );
  readonly #profile: Profile;
  readonly #notes: Set<string>;
  readonly #onSameSide: OnSameSide;

  readonly limit: TableLimit;
  readonly vantage = new Vantage();
  /** TCP connections that began in the middle: packets, each of which began one. */
  pickedUp = 0;
  /** DCCP came by, for which the kernel of the profile has a tracker. */
  sawDccp = false;
  /** Of the packets whose checksum is wrong those that a device was to sum up. */
  unfinished = 0;
  /** The last in which the collector came, since the jiffies began. */
  #minute = -1;
  readonly #accounting: boolean;
  readonly #labels: boolean;

  /** `notes`: where limits met on the way are noted. `turnedOn`: what loading the rules turned on. `onSameSide`: what helpers ask of routes. */
  constructor(profile: Profile, notes: Set<string>, turnedOn: ReadonlySet<TurnedOn>, onSameSide: OnSameSide) {
    this.#profile = profile;
    this.#onSameSide = onSameSide;
    this.#accounting = turnedOn.has('accounting') || sysctl(profile, 'nf_conntrack_acct') !== 0;
    this.#labels = turnedOn.has('labels');
    this.expectations = new ExpectationTable(sysctl(profile, 'nf_conntrack_expect_max'));
    this.#notes = notes;
    this.limit = new TableLimit(profile, this.table);
  }

  /** Gives the packet its connection and state. `verify`: it came off the wire, so checksums count. A packet that has a connection already keeps it. False: it opens one, there is no room, and it is dropped. */
  look(packet: Packet, verify: boolean): boolean {
    const { tracking } = packet;
    packet.invalidReason = '';
    if (tracking.kind === 'entry' || tracking.kind === 'untracked') return true;
    const zone = zoneOf(packet);
    const helper = tracking.kind === 'template' ? tracking.helper : HELPER_NONE;
    // An error that is about nothing known keeps what it has; a reset does not.
    packet.tracking = tracking.kind === 'answer' && packet.protocol !== TCP ? tracking : { kind: 'none' };
    this.calls.now = packet.now;
    this.#collect(packet.now);
    const sourceKey: SourceKey = (...of) => this.calls.sourceKey(...of);
    const reason = this.#look(packet, { profile: this.#profile, table: this.table, zone, sourceKey, helper, verify });
    if (reason === 'full') return false;
    if (reason === INVALID_CHECKSUM && packet.largestFragment === 0 && isUnfinished(packet)) this.unfinished++;
    if (reason !== INVALID_NONE) packet.invalidReason = INVALID_WORDS[reason]!;
    return true;
  }

  /**
   * gc_worker looks at every connection at least once a minute (GC_SCAN_INTERVAL_MAX), so one whose time was over a minute ago is gone for certain. That is looked at when a packet comes in another minute than
   * the one before, as of the minute's begin; only calls are concerned, as nobody can tell it of others.
   */
  #collect(now: number): void {
    const minute = Math.floor(now / (60 * this.#profile.hz));
    if (minute <= this.#minute) return;
    this.#minute = minute;
    this.table.collect((minute - 1) * 60 * this.#profile.hz);
  }

  /** INVALID_*, or that the table is full. */
  #look(packet: Packet, context: TrackerContext): number | 'full' {
    const protocol = protocolOf(packet);
    if (typeof protocol === 'object') return protocol.invalid;
    const own = packet.family === 4 ? ICMP : ICMPV6;
    if (protocol === own) {
      const seen = inspectIcmp(packet, context);
      if (typeof seen === 'number') return seen;
      if (seen === 'untracked') {
        packet.tracking = { kind: 'untracked' };
        return INVALID_NONE;
      }
      if (seen !== 'ordinary') {
        packet.tracking = { kind: 'entry', connection: seen.connection, direction: seen.direction, state: 'RELATED' };
        return INVALID_NONE;
      }
    }
    if (protocol === DCCP && context.profile.kernel !== '6.18') this.sawDccp = true;
    if (protocol === GRE && greKey(packet.upper) === null) return INVALID_SHORT;
    return this.#resolve(packet, protocol, context);
  }

  #resolve(packet: Packet, protocol: number, context: TrackerContext): number | 'full' {
    const tuple = tupleOf(packet.source, packet.destination, protocol, packet.upper, context.sourceKey);
    if (tuple === null) return INVALID_SHORT;
    for (;;) {
      let found: Found | undefined = this.table.find(packet.family, context.zone, tuple, packet.now);
      if (found === undefined) {
        const reply = invert(tuple);
        if (reply === null) return INVALID_ICMP_TYPE;
        // A router itself resets what was INVALID, and so not translated back.
        if (!isTcpReset(packet)) this.vantage.see(packet.number, this.table.peek(packet.family, context.zone, reply, packet.now));
        if (!this.limit.admits(packet.now)) return 'full';
        found = { connection: this.#open(packet, context, tuple, reply), direction: ORIGINAL };
      }
      const { connection, direction } = found;
      // Taken before the tracker runs: the first answer still finds a connection without reply.
      const state = stateOf(found);
      const result = track({ packet, connection, direction }, context, protocol);
      if (result === 'repeat') continue;
      if (result !== 'accept') return result;
      packet.tracking = { kind: 'entry', connection, direction, state };
      if (protocol === TCP && !connection.confirmed && (tcp.flags(packet.upper) & tcp.SYN) === 0) this.pickedUp++;
      if (direction === REPLY) connection.status |= STATUS_SEEN_REPLY;
      return INVALID_NONE;
    }
  }

  /** init_conntrack: one that was expected takes over its master's mark; a helper of its own it gets only when nobody expected it. */
  #open(packet: Packet, { zone, helper }: TrackerContext, tuple: Tuple, reply: Tuple): Connection {
    const connection = new Connection(packet.family, zone, tuple, reply);
    if (this.#accounting)
      connection.counters = [
        { packets: 0, bytes: 0 },
        { packets: 0, bytes: 0 },
      ];
    if (this.#labels) connection.labels = new Set();
    const expectation = this.expectations.fulfil(packet.family, zone.id, tuple, packet.now);
    if (expectation === undefined) {
      connection.help = helpOf(helper);
    } else {
      connection.status |= STATUS_EXPECTED;
      connection.master = expectation.master;
      connection.follows = expectation.follows;
      connection.mark = expectation.master.mark;
      if (expectation.master.help?.helper.name === 'pptp') this.calls.begin(connection, expectation);
      connection.help = helpOf(expectation.assigns);
      // 6.1.176 takes the helper that expects for one that the expected is to have, where it is not told of another.
      if (this.#profile.kernel === '6.1') connection.help ??= sameHelp(expectation.master);
    }
    return connection;
  }

  #gone(connection: Connection): void {
    this.calls.gone(connection);
    this.expectations.forget(connection);
  }

  /** The packet's last stop before it is confirmed. False: its connection's helper drops it. */
  help(packet: Packet): boolean {
    const { expectations, calls } = this;
    const { kernel } = this.#profile;
    return runHelper(packet, { expectations, calls, notes: this.#notes, kernel, onSameSide: this.#onSameSide });
  }

  /** The packet made it through: a connection it opened becomes known. False: it cannot, and the packet is dropped. */
  confirm(packet: Packet): boolean {
    if (packet.tracking.kind !== 'entry') return true;
    const { connection, direction } = packet.tracking;
    if (connection.confirmed || connection.dead || direction !== ORIGINAL) return true;
    if (this.table.confirm(connection, packet.now)) return true;
    // Another has its answers: it does not come to be, and expects nothing.
    this.expectations.forget(connection);
    return false;
  }
}

/** Of the template that rules gave the packet. */
function zoneOf({ tracking, mark }: Packet): Zone {
  if (tracking.kind !== 'template') return NO_ZONE;
  return { id: tracking.zone === 'mark' ? mark & 0xffff : tracking.zone, of: tracking.zoneOf };
}

function stateOf({ connection, direction }: Found): CtState {
  if (direction === REPLY || connection.seenReply) return 'ESTABLISHED';
  return connection.expected ? 'RELATED' : 'NEW';
}

function track(tracked: Tracked, context: TrackerContext, protocol: number): TrackerResult {
  switch (protocol) {
    case TCP:
      return trackTcp(tracked, context);
    case UDP:
      return trackUdp(tracked, context);
    case ICMP:
    case ICMPV6:
      return trackIcmp(tracked, context);
    case GRE:
      return trackGre(tracked, context);
    case SCTP:
      return trackSctp(tracked, context);
    case UDPLITE:
      return trackUdplite(tracked, context);
    default:
      return trackGeneric(tracked, context);
  }
}

/** The transport protocol, or why there is none to track (get_l4proto). */
export function protocolOf(packet: Packet): number | { invalid: number } {
  if (packet.family === 4) {
    if (packet.fragmentOffset !== 0) return { invalid: INVALID_FRAGMENT };
    return packet.upperOffset > packet.length ? { invalid: INVALID_SHORT } : packet.protocol;
  }
  const upper = ipv6.skipExtensions(packet.bytes);
  if (upper === 'unparsable') return { invalid: INVALID_HEADER_CHAIN };
  return upper.fragmentOffset === 0 ? upper.protocol : { invalid: INVALID_FRAGMENT };
}
