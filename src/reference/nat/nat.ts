/** The nat hooks: nf_nat_inet_fn and what surrounds it (net/netfilter/nf_nat_core.c, nf_nat_proto.c), and the targets of the nat table. */
import { STATUS_DST_NAT, STATUS_SRC_NAT } from '../../abi/fields.ts';
import { NAT_DRAWN_DESTINATION, NAT_DRAWN_SOURCE } from '../../abi/nat.ts';
import type { Host } from '../../model/host.ts';
import { NAT_NOTES, type NatSpec } from '../../model/nat.ts';
import { type Profile, sysctl } from '../../model/profile.ts';
import type { Words } from '../../model/ruleset.ts';
import { sameWords } from '../../packet/bytes.ts';
import * as ipv6 from '../../packet/ipv6.ts';
import { type Connection, ORIGINAL, opposite } from '../conntrack/connection.ts';
import type { Announced } from '../conntrack/expectations.ts';
import type { ConnectionTable } from '../conntrack/table.ts';
import { ICMP, ICMPV6, invert, sameTuple } from '../conntrack/tuple.ts';
import type { HookPoint } from '../hooks.ts';
import type { Packet } from '../packet.ts';
import type { Routes } from '../routes.ts';
import { masqueradeAddress, redirectAddress } from './addresses.ts';
import { Chooser, type Manip, type Range } from './choose.ts';
import { errorChecksumRight, isRedirect, translate, translateError } from './translate.ts';

/** Where sources are translated; elsewhere destinations are. */
export const manipAt = (hook: HookPoint): Manip => (hook === 'POSTROUTING' || hook === 'INPUT' ? 'source' : 'destination');

export interface NatSurroundings {
  table: ConnectionTable;
  host: Host;
  routes: Routes;
  profile: Profile;
  notes: Set<string>;
}

export class Nat {
  readonly #around: NatSurroundings;

  constructor(around: NatSurroundings) {
    this.#around = around;
  }

  /** The rules of the nat table are to be asked for this packet. */
  asksRules(packet: Packet, hook: HookPoint): boolean {
    if (packet.tracking.kind !== 'entry' || this.#isError(packet)) return false;
    const { connection, state } = packet.tracking;
    return (state === 'NEW' || state === 'RELATED') && !isBound(connection, manipAt(hook));
  }

  /** What a rule does (xt_nat.c, nf_nat_masquerade.c, nf_nat_redirect.c, xt_NETMAP.c). DROP: there is no address to give. */
  bind(spec: NatSpec, packet: Packet, hook: HookPoint): 'ACCEPT' | 'DROP' {
    if (packet.tracking.kind !== 'entry') return 'ACCEPT';
    const { connection } = packet.tracking;
    const range = this.#rangeOf(spec, packet, hook);
    if (range === 'none') return 'DROP';
    if (range === 'leave') return 'ACCEPT';
    if (spec.to.kind === 'masquerade') connection.masqueradedBy = packet.outInterface;
    this.#bind(connection, range, manipAt(hook), packet.now);
    return 'ACCEPT';
  }

  /** nf_nat_follow_master, and pptp_nat_expected: a connection that was expected goes to where its master's other side is, and comes from where that is seen to come from. */
  follow(packet: Packet): void {
    if (packet.tracking.kind !== 'entry') return;
    const { connection } = packet.tracking;
    const { master, follows } = connection;
    if (master === null || follows === null) return;
    connection.follows = null;
    if ('address' in follows) {
      this.#followAnnounced(connection, master, follows, packet.now);
      return;
    }
    if ('forwardedTo' in follows) {
      // ip_nat_callforwarding_expect: it comes from where its master's answers go to, or from where it is.
      const from = tuple(connection, opposite(follows.direction)).source;
      this.#bind(connection, exactly(from, null), 'source', packet.now);
      this.#bind(connection, exactly(follows.forwardedTo, follows.port), 'destination', packet.now);
      return;
    }
    const { source, destination } = tuple(master, opposite(follows.direction));
    const portOf = (end: Manip): number | null => (follows.end === end ? follows.port : null);
    this.#bind(connection, exactly(destination, portOf('source')), 'source', packet.now);
    this.#bind(connection, exactly(source, portOf('destination')), 'destination', packet.now);
  }

  /** nf_nat_sip_expected: to where it was announced. It comes from where the other of two streams is expected, if that was announced there; else as its master does, if it comes from there. */
  #followAnnounced(
    connection: Connection,
    master: Connection,
    { direction, address, port, media }: Announced,
    now: number,
  ): void {
    const { source, sourcePort, protocol } = connection.original;
    this.#bind(connection, exactly(address, port), 'destination', now);
    const pair = master.help?.expectations.find(
      ({ tuple: { protocol: its }, follows }) =>
        its === protocol &&
        follows !== null &&
        'address' in follows &&
        follows.port === sourcePort &&
        sameWords(follows.address, source),
    );
    if (media && pair !== undefined) {
      this.#bind(connection, exactly(pair.tuple.destination, pair.tuple.destinationPort), 'source', now);
    } else if (sameWords(source, tuple(master, direction).source)) {
      this.#bind(connection, exactly(tuple(master, opposite(direction)).destination, null), 'source', now);
    }
  }

  /** Behind the rules, at every packet of a connection: what is not bound is bound as it is, then the packet is translated. False: it is dropped. */
  finish(packet: Packet, hook: HookPoint): boolean {
    if (packet.tracking.kind !== 'entry') return true;
    const before = packet.destination;
    const goesOn = this.#isError(packet) ? this.#translateError(packet, hook) : this.#finish(packet, hook);
    if (!goesOn || hook !== 'OUTPUT' || sameWords(before, packet.destination)) return goesOn;
    return this.#around.routes.mayLeave(packet);
  }

  /** IPv6's header chain is walked as conntrack does it, not as -p does (nf_nat_ipv6_fn: ipv6_skip_exthdr). */
  #isError({ tracking, family, protocol, bytes }: Packet): boolean {
    if (tracking.kind !== 'entry' || tracking.state !== 'RELATED') return false;
    if (family === 4) return protocol === ICMP;
    const upper = ipv6.skipExtensions(bytes);
    return upper !== 'unparsable' && upper.protocol === ICMPV6;
  }

  #finish(packet: Packet, hook: HookPoint): boolean {
    if (packet.tracking.kind !== 'entry') return true;
    const { connection, direction, state } = packet.tracking;
    const manip = manipAt(hook);
    if ((state === 'NEW' || state === 'RELATED') && !isBound(connection, manip)) {
      const { reply } = connection;
      const address = manip === 'source' ? reply.destination : reply.source;
      const range = { addresses: { low: address, high: address }, ports: null, random: false, persistent: false };
      this.#bind(connection, range, manip, packet.now);
    } else if (hook === 'POSTROUTING' && direction === ORIGINAL && isElsewhere(connection, packet.outInterface)) {
      this.#around.table.remove(connection);
      return false;
    }
    if (!isTranslated(packet, manip)) return true;
    const target = invert(tuple(connection, opposite(direction)))!;
    const bytes = new Uint8Array(packet.bytes);
    if (!translate(bytes, packet.family, 0, target, manip)) return false;
    packet.rewrite(bytes);
    return true;
  }

  #translateError(packet: Packet, hook: HookPoint): boolean {
    if (packet.tracking.kind !== 'entry') return true;
    const { connection, direction } = packet.tracking;
    const manip = manipAt(hook);
    if (this.#sums(hook) && !errorChecksumRight(packet.bytes, packet.family)) return false;
    if (isRedirect(packet.bytes, packet.family)) {
      if (!connection.sourceNatDone || !connection.destinationNatDone) return false;
      if (connection.has(STATUS_SRC_NAT | STATUS_DST_NAT)) return false;
    }
    if (!isTranslated(packet, manip)) return true;
    const other = tuple(connection, opposite(direction));
    const bytes = new Uint8Array(packet.bytes);
    if (!translateError(bytes, packet.family, other, invert(other)!, manip)) return false;
    packet.rewrite(bytes);
    return true;
  }

  /** Whether an error's checksum is looked at: once. What arrives was summed by conntrack, if that does so; else the first of the nat hooks does (nf_ip_checksum, CHECKSUM_COMPLETE afterwards). */
  #sums(hook: HookPoint): boolean {
    const { profile } = this.#around;
    if (profile.prestack === 'lenient') return false;
    return hook === 'OUTPUT' || (hook === 'PREROUTING' && sysctl(profile, 'nf_conntrack_checksum') === 0);
  }

  /** nf_nat_setup_info. A confirmed connection stays as it is. */
  #bind(connection: Connection, range: Range, manip: Manip, now: number): void {
    if (connection.confirmed) return;
    const given = invert(connection.reply)!;
    const choice = new Chooser(this.#around.table, connection, now, this.#around.profile.kernel).choose(given, range, manip);
    if (!sameTuple(choice.tuple, given)) {
      connection.reply = invert(choice.tuple)!;
      connection.status |= manip === 'source' ? STATUS_SRC_NAT : STATUS_DST_NAT;
    }
    if (choice.drawn) {
      connection.drawn |= manip === 'source' ? NAT_DRAWN_SOURCE : NAT_DRAWN_DESTINATION;
      this.#around.notes.add(NAT_NOTES.drawn);
    }
    if (manip === 'source') connection.sourceNatDone = true;
    else connection.destinationNatDone = true;
  }

  #rangeOf(spec: NatSpec, packet: Packet, hook: HookPoint): Range | 'none' | 'leave' {
    const { to, persistent } = spec;
    const range = { ports: spec.ports ?? null, random: spec.random || spec.randomFully, persistent };
    const only = (address: Words): Range => ({ ...range, addresses: { low: address, high: address } });
    switch (to.kind) {
      case 'keep':
        return { ...range, addresses: null };
      case 'range':
        return { ...range, addresses: { low: to.low, high: to.high } };
      case 'netmap': {
        const own = manipAt(hook) === 'source' ? packet.source : packet.destination;
        return only(own.map((word, i) => ((word & ~to.mask[i]!) | to.address[i]!) >>> 0));
      }
      case 'redirect': {
        const device = hook === 'OUTPUT' ? '' : packet.inInterface;
        const address = redirectAddress(this.#around.host, packet.family, device, packet.destination);
        return address === undefined ? this.#noAddress('redirect') : only(address);
      }
      case 'masquerade':
        return this.#masquerade(packet, only);
    }
  }

  /** A source of 0.0.0.0 (a host that asks for its address) is left alone. */
  #masquerade(packet: Packet, only: (address: Words) => Range): Range | 'none' | 'leave' {
    const { family, tracking } = packet;
    if (family === 4 && tracking.kind === 'entry' && tracking.connection.original.source[0] === 0) return 'leave';
    const address = masqueradeAddress(this.#around, family, packet.outInterface, packet.destination);
    if (address === undefined) return this.#noAddress('masquerade');
    if (family === 6 && ipv6.isLoopback(address)) this.#around.notes.add(NAT_NOTES.masquerade);
    return only(address);
  }

  #noAddress(target: 'masquerade' | 'redirect'): 'none' {
    this.#around.notes.add(NAT_NOTES[target]);
    return 'none';
  }
}

/** A range of one address, and of one port or none. */
const exactly = (address: Words, port: number | null): Range => ({
  addresses: { low: address, high: address },
  ports: port === null ? null : { low: port, high: port },
  random: false,
  persistent: false,
});

const isBound = ({ sourceNatDone, destinationNatDone }: Connection, manip: Manip): boolean =>
  manip === 'source' ? sourceNatDone : destinationNatDone;

const tuple = (connection: Connection, direction: 0 | 1) => (direction === ORIGINAL ? connection.original : connection.reply);

/** A masqueraded connection that leaves by another device now. */
const isElsewhere = ({ masqueradedBy }: Connection, device: string): boolean => masqueradedBy !== '' && masqueradedBy !== device;

/** The connection's translation changes this packet here: of answers destinations are turned back where sources are translated. */
function isTranslated({ tracking }: Packet, manip: Manip): boolean {
  if (tracking.kind !== 'entry') return false;
  const asked = (manip === 'source') === (tracking.direction === ORIGINAL);
  return tracking.connection.has(asked ? STATUS_SRC_NAT : STATUS_DST_NAT);
}
