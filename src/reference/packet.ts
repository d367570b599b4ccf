/** The packet on its way through the host: what the kernel keeps in an skb, as far as rules can see it. */
import { STATUS_CONFIRMED } from '../abi/fields.ts';
import type { CtTemplate } from '../extensions/extension.ts';
import type { Annotation } from '../model/annotations.ts';
import { drawnEnds } from '../model/connections.ts';
import type { LoggedPacket, LogRequest } from '../model/log.ts';
import type { CtState } from '../model/outcome.ts';
import type { Profile } from '../model/profile.ts';
import { jiffiesAt } from '../model/profile.ts';
import type { Family, Words } from '../model/ruleset.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { addHops } from '../packet/rewrite.ts';
import { isUnfinished, leaveUnfinished } from '../packet/unfinished.ts';
import type { ConnectionView, PacketView } from '../packet/view.ts';
import type { Connection, Direction } from './conntrack/connection.ts';

/** What the stack took off the wire: the IP packet without padding. */
export interface Received {
  family: Family;
  /** From the IP header on; shorter than `length` only for packets the capture cut (prestack `lenient`). */
  bytes: Uint8Array;
  /** skb->len. */
  length: number;
  packetType: 'unicast' | 'broadcast' | 'multicast';
  sourceMac: readonly number[] | null;
  /** The Ethernet header it came with, without tags; null where it came with none, and of what the host itself sends. */
  linkHeader: Uint8Array | null;
  time: bigint;
  /** Its number in the job, from 1. */
  frame: number;
  /** Of a packet put together: length of the largest IP packet that brought a part of it. */
  largestFragment?: number;
  /** Of a fragment that rules have met already, and of what is put together from such. */
  mark?: number;
}

/** Where conntrack stands with a packet. `none`: it has not seen it (ctinfo of a packet without entry). */
type Tracking =
  | { kind: 'none' }
  /** An answer of the host's to what was UNTRACKED: nf_ct_attach gives it a ctinfo all the same, by which rules of CT take it for one that was seen. Conntrack does not. */
  | { kind: 'answer' }
  | { kind: 'untracked' }
  /** CT said how conntrack has to look. `own`: the template, which is the rule's. */
  | ({ kind: 'template'; own: { mark: number } } & CtTemplate)
  | { kind: 'entry'; connection: Connection; state: CtState; direction: Direction };

/** What matches see of a template in the raw table: a confirmed connection of nobody (nf_ct_tmpl_alloc). */
const NOBODY: Record<Family, Words> = { 4: [0], 6: [0, 0, 0, 0] };
const templateOf = (family: Family): ConnectionView => {
  const tuple = { source: NOBODY[family], destination: NOBODY[family], sourcePort: 0, destinationPort: 0, protocol: 0 };
  return {
    original: tuple,
    reply: tuple,
    status: STATUS_CONFIRMED,
    mark: 0,
    masterHelper: null,
    masterSource: null,
    template: true,
    counters: null,
    labels: null,
    expires: 0,
  };
};
const TEMPLATE: Record<Family, ConnectionView> = { 4: templateOf(4), 6: templateOf(6) };

export class Packet implements PacketView {
  /** In the job, from 1. */
  readonly number: number;
  readonly family: Family;
  bytes: Uint8Array;
  length: number;
  readonly protocol: number;
  readonly protocolFailure: 'none' | 'hotdrop' | 'miss';
  readonly fragmentOffset: number;
  /** IPv4: more fragments follow or this one is not the first. IPv6: there is a fragment header. */
  readonly isFragment: boolean;
  /** Offset of `transport` from the IP header. */
  readonly transportOffset: number;
  transport: Uint8Array;
  /** What conntrack takes for the transport header: the same, but behind an authentication header also where nf_tables stops at it. */
  readonly upperOffset: number;
  upper: Uint8Array;
  source: Words;
  destination: Words;
  ttl: number;
  tos: number;
  inInterface = '';
  outInterface = '';
  mark: number;
  packetType: 'unicast' | 'broadcast' | 'multicast';
  sourceMac: readonly number[] | null;
  /** As model/log.ts has it. */
  linkHeader: Uint8Array | null;
  /** What LOG rules wrote down so far. */
  logged: LoggedPacket[] = [];
  readonly time: bigint;
  /** Jiffies of the profile's HZ since the epoch. */
  readonly now: number;
  readonly hz: number;
  /** Of a packet put together: length of the largest IP packet that brought a part of it; it leaves in parts of that size. 0: it came whole. */
  readonly largestFragment: number;
  /** The capture does not hold the packet's end. */
  readonly cut: boolean;
  tracking: Tracking = { kind: 'none' };
  hasSocket = false;
  /** TPROXY gave it to a socket. */
  proxied = false;
  /** It went through a queue in the table it was in last. */
  queued = false;
  looped = false;
  /** It is the host's own answer to a packet that REJECT refused. */
  answersRefused = false;
  /** Of this host's own broadcast to a network that the device has an address of: that network's mask. */
  broadcastMask: number | null = null;
  annotation: Annotation = {};
  /** Forwarding took one from its TTL. */
  #hopTaken = false;
  /** Why conntrack called it INVALID: a word of INVALID_WORDS; '' otherwise. */
  invalidReason = '';
  summed = false;
  readonly unfinished: boolean;

  constructor(received: Received, profile: Profile) {
    const { family, bytes } = received;
    this.number = received.frame;
    this.family = family;
    this.bytes = bytes;
    this.length = received.length;
    this.packetType = received.packetType;
    this.sourceMac = received.sourceMac;
    this.linkHeader = received.linkHeader;
    this.mark = received.mark ?? 0;
    this.time = received.time;
    this.hz = profile.hz;
    this.now = Number(jiffiesAt(received.time, profile.hz));
    this.largestFragment = received.largestFragment ?? 0;
    this.cut = bytes.length < received.length;
    if (family === 4) {
      this.protocol = ipv4.protocol(bytes);
      this.protocolFailure = 'none';
      this.fragmentOffset = ipv4.fragmentOffset(bytes);
      this.isFragment = this.fragmentOffset !== 0 || ipv4.moreFragments(bytes);
      this.transportOffset = ipv4.headerLength(bytes);
      this.source = ipv4.source(bytes);
      this.destination = ipv4.destination(bytes);
      this.ttl = ipv4.ttl(bytes);
      this.tos = ipv4.tos(bytes);
    } else {
      const upper = ipv6.findUpper(bytes, { stopAtAuthentication: profile.backend === 'nft', whole: profile.kernel === '6.12' });
      this.protocol = upper?.protocol ?? -1;
      // nf_tables leaves such a packet without a transport header; ip6_tables drops it at the first rule with -p.
      this.protocolFailure = upper !== null ? 'none' : profile.backend === 'nft' ? 'miss' : 'hotdrop';
      this.fragmentOffset = upper?.fragmentOffset ?? 0;
      this.isFragment = upper?.fragment ?? false;
      this.transportOffset = upper?.offset ?? bytes.length;
      this.source = ipv6.source(bytes);
      this.destination = ipv6.destination(bytes);
      this.ttl = ipv6.hopLimit(bytes);
      this.tos = ipv6.trafficClass(bytes);
    }
    this.transport = bytes.subarray(Math.min(this.transportOffset, bytes.length));
    this.upperOffset = family === 4 ? this.transportOffset : (ipv6.findUpper(bytes)?.offset ?? bytes.length);
    this.upper = bytes.subarray(Math.min(this.upperOffset, bytes.length));
    // The sums of what is cut into fragments are finished before.
    this.unfinished = profile.checksums === 'offload' && this.largestFragment === 0 && isUnfinished(this);
  }

  /** As rules left it: a fragment that defragmentation takes in the middle of its way. */
  get received(): Received {
    const { family, bytes, length, packetType, sourceMac, linkHeader, time, number: frame, mark } = this;
    return { family, bytes, length, packetType, sourceMac, linkHeader, time, frame, mark };
  }

  get connection(): ConnectionView | null {
    if (this.tracking.kind === 'template') return { ...TEMPLATE[this.family], mark: this.tracking.own.mark };
    return this.tracking.kind === 'entry' ? this.tracking.connection.view(this.now, this.hz) : null;
  }

  get ctstate(): CtState {
    if (this.tracking.kind === 'entry') return this.tracking.state;
    if (this.tracking.kind === 'template') return 'NEW';
    return this.tracking.kind === 'untracked' ? 'UNTRACKED' : 'INVALID';
  }

  get direction(): 'ORIGINAL' | 'REPLY' {
    return this.tracking.kind === 'entry' && this.tracking.direction === 1 ? 'REPLY' : 'ORIGINAL';
  }

  /** Of a LOG rule: the packet as it is now. */
  log(request: LogRequest): void {
    const { family, inInterface, outInterface, linkHeader, bytes, length, mark } = this;
    // Only a packet that came in has a header to show (nf_log_syslog.c, dump_mac_header).
    const shown = inInterface === '' ? null : linkHeader;
    this.logged.push({
      request,
      family,
      inInterface,
      outInterface,
      linkHeader: shown,
      bytes: new Uint8Array(bytes),
      length,
      mark,
    });
  }

  /** Other bytes, with the headers in the same places; what is read of them is read anew. */
  rewrite(bytes: Uint8Array): void {
    this.length += bytes.length - this.bytes.length;
    const ip = this.family === 4 ? ipv4 : ipv6;
    this.bytes = bytes;
    this.transport = bytes.subarray(Math.min(this.transportOffset, bytes.length));
    this.upper = bytes.subarray(Math.min(this.upperOffset, bytes.length));
    this.source = ip.source(bytes);
    this.destination = ip.destination(bytes);
    this.ttl = this.family === 4 ? ipv4.ttl(bytes) : ipv6.hopLimit(bytes);
    this.tos = this.family === 4 ? ipv4.tos(bytes) : ipv6.trafficClass(bytes);
    if (this.unfinished) leaveUnfinished(this);
  }

  /** Ends whose port the kernel draws by lot, of a packet in the original direction of its connection. */
  get drawn(): ('source' | 'destination')[] {
    if (this.tracking.kind !== 'entry' || this.tracking.direction !== 0 || !this.tracking.connection.confirmed) return [];
    return drawnEnds(this.tracking.connection.drawn);
  }

  /** The bytes with the TTL that the packet came with. */
  get rewritten(): Uint8Array {
    const bytes = new Uint8Array(this.bytes);
    if (this.#hopTaken) addHops(bytes, this.family, 1);
    return bytes;
  }

  /** Forwarding takes one from TTL or hop limit before the FORWARD hook (ip_forward, ip6_forward); IPv4's header checksum follows (RFC 1141). */
  decrementTtl(): void {
    // Not slice(): a Buffer's shares memory, and these bytes are the caller's.
    const bytes = new Uint8Array(this.bytes);
    const ttl = this.ttl - 1;
    this.#hopTaken = true;
    if (this.family === 6) {
      bytes[7] = ttl;
    } else {
      bytes[8] = ttl;
      let sum = bytes[10]! * 256 + bytes[11]! + 0x100;
      // ip_decrease_ttl: a sum of all ones becomes zero.
      sum += sum > 0xffff ? 1 - 0x10000 : 0;
      if (sum === 0xffff) sum = 0;
      bytes[10] = sum >> 8;
      bytes[11] = sum & 0xff;
    }
    this.rewrite(bytes);
  }
}
