/** What an extension's `evaluate` may ask of a packet: the reference's view. Implemented by this room and by reference/. */
import type { Annotation } from '../model/annotations.ts';
import type { Fingerprint } from '../model/fingerprints.ts';
import type { ProxySocket } from '../model/host.ts';
import type { SetChange, SetTest, SetUse, SkbInfo } from '../model/ipset.ts';
import type { CtState } from '../model/outcome.ts';
import type { Profile } from '../model/profile.ts';
import type { Family, Words } from '../model/ruleset.ts';

/** A conntrack zone: of both directions of a connection, or of one; the other is in none. */
export interface ZoneView {
  /** 0: none. */
  id: number;
  of: 'both' | 'original' | 'reply';
}

export interface TupleView {
  source: Words;
  destination: Words;
  /** Port, or ICMP id for the source side. */
  sourcePort: number;
  /** Port, or ICMP type << 8 | code as the kernel's union reads it (big-endian u16 of type, code). */
  destinationPort: number;
  protocol: number;
}

export interface ConnectionView {
  original: TupleView;
  reply: TupleView;
  /** IPS_* bits (abi/fields.ts STATUS_*). */
  status: number;
  mark: number;
  /** Packets and bytes of the original and of the reply direction; null where nobody counts them. */
  counters: readonly [{ packets: number; bytes: number }, { packets: number; bytes: number }] | null;
  /** Labels of the connection, to which connlabel adds; null where it can have none. */
  labels: Set<number> | null;
  /** Name of the helper of the connection that expected this one; null: nobody expected it. */
  masterHelper: string | null;
  /** Where the connection that expected this one was opened from; null: nobody expected it. */
  masterSource: Words | null;
  /** It is none: what CT gave the packet in the raw table looks like one to most matches. */
  template: boolean;
  /** Whole seconds until the entry expires at this packet's time (the kernel's nf_ct_expires / HZ); 0 when unconfirmed as the kernel has it. */
  expires: number;
}

export interface PacketView {
  family: Family;
  /** The IP packet from its header on, trimmed to its total length. */
  bytes: Uint8Array;
  /** skb->len. */
  length: number;
  /** IPv4: the raw protocol byte. IPv6: behind the extension headers; -1 when the chain cannot be parsed. */
  protocol: number;
  /** IPv6 only: what a rule with -p does when protocol is -1. */
  protocolFailure: 'none' | 'hotdrop' | 'miss';
  /** As par->fragoff (abi FIELD_FRAGMENT). */
  fragmentOffset: number;
  /** From the transport header (wherever IP says it starts, fragments too) to the end of the packet; may be empty. */
  transport: Uint8Array;
  source: Words;
  destination: Words;
  /** As seen at the current hook. */
  ttl: number;
  tos: number;
  /** '' where the hook has none. */
  inInterface: string;
  outInterface: string;
  mark: number;
  packetType: 'unicast' | 'broadcast' | 'multicast';
  /** Six bytes; null when the in-device is not Ethernet or there is none. */
  sourceMac: readonly number[] | null;
  /** The Ethernet header it came with (model/log.ts); null where it came with none, and of what the host itself sends. */
  linkHeader: Uint8Array | null;
  /** null: no connection; then `ctstate` is INVALID or UNTRACKED. */
  connection: ConnectionView | null;
  ctstate: CtState;
  /** Conntrack has summed it up as it came in, as a whole, and its checksum was right; what rules make of it afterwards the kernel does not look at again (skb->csum_valid). */
  summed: boolean;
  /** Its checksum was left to a device as it came in, so nobody asks for it (profile `checksums`). */
  unfinished: boolean;
  direction: 'ORIGINAL' | 'REPLY';
  /** Nanoseconds since the epoch. */
  time: bigint;
  /** It belongs to a socket of this host: the host sent it. Not so for what is forwarded, and for the copy of its own broadcast. */
  hasSocket: boolean;
  /** It is the copy of the host's own broadcast, on its way back. */
  looped: boolean;
  /** What is told of it beside the capture. */
  annotation: Annotation;
}

/** What conntrack knows, for matches that look at other connections than the packet's own. */
export interface Connections {
  /** The zone of the packet's connection, or of its template. */
  zoneOf(packet: PacketView): ZoneView;
  /**
   * Whom the packet stands for: its connection by the original tuple, or, without one, what its own tuple finds. `status`: IPS_* bits of the connection, which need not be confirmed; null: there is none.
   * undefined: no tuple can be read from the packet.
   */
  subject(packet: PacketView): { tuple: TupleView; zone: ZoneView; status: number | null } | undefined;
  /** The confirmed connection that has this tuple in one of its directions, and lives at the packet's time. `over`: TCP, in TIME_WAIT or CLOSE. */
  find(packet: PacketView, zone: ZoneView, tuple: TupleView): { zone: ZoneView; status: number; over: boolean } | undefined;
}

/** The sets of ipset. */
export interface Sets {
  /** Whether the packet is in a set. */
  test(asked: SetTest, packet: PacketView): boolean;
  change(change: SetChange, packet: PacketView): void;
  /** What a set says of the mark of the packet, which is in it; undefined: it is not. */
  infoOf(use: SetUse, packet: PacketView): SkbInfo | undefined;
}

/** What evaluate may ask of its surroundings. */
export interface EvaluateContext {
  profile: Profile;
  /** Current hook: which devices exist. */
  hook: 'PREROUTING' | 'INPUT' | 'FORWARD' | 'OUTPUT' | 'POSTROUTING';
  /** RTN_* number (abi/fields.ts) of an address by the host's routes; with `device`, as the kernel's inet_dev_addr_type / addrtype's IPv6 lookup limited to that device. */
  addressType(family: Family, address: Words, device?: string): number;
  /** State that belongs to this match of this rule (limit's bucket); made by `make` at first use. */
  state<T>(make: () => T): T;
  /** State that all rules share which ask for it by this name; made by `make` when the first of them does. */
  shared<T>(name: string, make: () => T): T;
  /** Jiffies of the first frame, at which the rules are taken to be loaded. */
  began(): bigint;
  connections: Connections;
  /** Bytes a device takes in one packet; undefined for devices the host model does not know. */
  mtu(device: string): number | undefined;
  /** The first address of a device; undefined where it has none of the family, or is not known. */
  firstAddress(device: string, family: Family): Words | undefined;
  /** Transparent sockets of the host. */
  proxies: readonly ProxySocket[];
  /** The device by which packets to a source leave; null where no way leads there; undefined where nobody knows. */
  wayBack(family: Family, source: Words): string | null | undefined;
  /** Whether routes lead back to a packet's source through the device it came in at (`loose`: through any); `acceptLocal`: an address of this host will do, too. */
  leadsBack(packet: PacketView, how: { loose: boolean; acceptLocal: boolean }): boolean;
  sets: Sets;
  /** Those of --osf. */
  fingerprints: readonly Fingerprint[];
  /** The next of the profile's random numbers, 32 bits. */
  random(): number;
  /** The answer to this packet hangs on when the kernel's jiffies begin. */
  noteJiffyEdge(packet: PacketView): void;
}

/** What a match may ask while its rule is loaded. */
export interface LoadContext extends Pick<EvaluateContext, 'profile' | 'shared'> {
  family: Family;
}
