/** The next packet of a live flow: what stands behind the IP header. TCP handshakes, data, resets and all that goes wrong; UDP, ICMP and others. */
import type { Draw } from '../extensions/extension.ts';
import type { Family } from '../model/ruleset.ts';
import type { Boundaries } from './boundaries.ts';
import { icmpMessage, tcpSegment, udpDatagram } from './build-packet.ts';
import { DCCP, dccpPacket, MOBILITY, mobilityMessage } from './rare-transport.ts';
import { sctpPacket } from './sctp.ts';
import { BROADCAST, type Call, say, type Talk } from './talk.ts';

export interface Flow {
  protocol: number;
  client: string;
  server: string;
  clientPort: number;
  serverPort: number;
  /** Next sequence number of client and server; of SCTP their verification tags. */
  next: [number, number];
  step: number;
  /** What it does once it is open. */
  mood: Mood;
  /** Windows the two sides announced last, in bytes, and their scales. */
  windows: [number, number];
  scales: [number, number];
  /** How often a packet is sent again, as it was. */
  stutter: number;
  /** The packet sent last, to be sent again. */
  last?: { bytes: Uint8Array; fromClient: boolean };
  /** What is said in it, where a helper may listen. */
  talk?: Talk;
  /** A conversation announced it. */
  announced: boolean;
}

/** A transport payload without checksum. `checksumAt` < 0: it has none. */
export interface Payload {
  bytes: Uint8Array;
  checksumAt: number;
}

/** Tells of a connection that was announced. */
export type OnCall = (call: Call) => void;

export interface TransportFeatures {
  /** Wrong lengths, checksums, header lengths, tinygrams. */
  damage: boolean;
  /** Conversations mostly go as they should. */
  gentle: boolean;
  /** Nothing goes wrong for long. */
  talks: boolean;
}

export const ICMP: Record<Family, number> = { 4: 1, 6: 58 };
const FIN = 1;
const SYN = 2;
const RST = 4;
const PSH = 8;
const ACK = 16;
const GRE = 47;
export const SCTP = 132;
const UDPLITE = 136;
const ECHO: Record<Family, readonly [number, number]> = { 4: [8, 0], 6: [128, 129] };
const ODD_ICMP: Record<Family, readonly number[]> = {
  4: [9, 10, 13, 14, 15, 17, 18, 3, 40],
  6: [133, 135, 143, 1, 4, 139, 151, 152, 200],
};
/** Flags of the next packet of an open connection: one that talks, closes in order (and opens anew), resets, or does anything. */
const MOODS = {
  talk: [ACK, ACK | PSH, ACK | PSH, ACK | PSH],
  close: [ACK, ACK, ACK | PSH, ACK | FIN, ACK | FIN, SYN],
  reset: [ACK, ACK | PSH, ACK | PSH, RST, RST | ACK, SYN],
  any: [ACK, ACK, ACK | PSH, ACK | PSH, ACK | PSH, ACK | FIN, RST, RST | ACK],
};
export type Mood = keyof typeof MOODS;
export const ALL_MOODS: readonly Mood[] = ['talk', 'close', 'reset', 'any', 'any'];
/** Distances at which windows and acknowledgements are judged (MAXACKWINDOW is one), beside the windows themselves. */
const DISTANCES = [0, 66_000, 70_000, 1 << 30];
/** An acknowledgement that counts retransmissions is repeated three times and more. */
export const STUTTERS: readonly number[] = [0.06, 0.06, 0.5];

export class Transport {
  readonly #draw: Draw;
  readonly #family: Family;
  readonly #features: TransportFeatures;
  readonly #edges: Boundaries;
  readonly #onCall: OnCall;
  /** Whoever is somebody else in a conversation, and the ports announced there. */
  readonly #known: { addresses: readonly string[]; ports: readonly number[] };

  constructor(
    draw: Draw,
    family: Family,
    features: TransportFeatures,
    edges: Boundaries,
    known: { addresses: readonly string[]; ports: readonly number[] },
    onCall: OnCall,
  ) {
    this.#draw = draw;
    this.#family = family;
    this.#features = features;
    this.#edges = edges;
    this.#known = known;
    this.#onCall = onCall;
  }

  /** What the flow's side sends next. `before`: bytes in front of it, so that whole lengths meet the rules' own. */
  next(flow: Flow, fromClient: boolean, before: number): Payload {
    switch (flow.protocol) {
      case 6:
        return { bytes: this.#tcp(flow, fromClient, before), checksumAt: 16 };
      case 17:
        return this.#udp(flow, fromClient, before);
      case ICMP[this.#family]:
        return { bytes: this.#icmp(flow, fromClient, before), checksumAt: 2 };
      case UDPLITE:
        return this.#udplite(flow, fromClient);
      case SCTP:
        return { bytes: sctpPacket(this.#draw, flow, fromClient, this.#features.gentle ? 0.03 : 0.15), checksumAt: -1 };
      case DCCP: {
        const [from, to] = fromClient ? [flow.clientPort, flow.serverPort] : [flow.serverPort, flow.clientPort];
        return { bytes: dccpPacket(this.#draw, from, to, this.#features.damage), checksumAt: -1 };
      }
      case MOBILITY:
        return { bytes: mobilityMessage(this.#draw, this.#features.damage), checksumAt: -1 };
      case GRE:
        return { bytes: this.#gre(flow, fromClient), checksumAt: -1 };
      default:
        return { bytes: this.#other(flow, fromClient), checksumAt: -1 };
    }
  }

  /** How much payload: one that brings the packet to a length a rule asks for, or one of `usual`. */
  #room(before: number, usual: readonly number[]): number {
    const { lengths } = this.#edges;
    if (lengths.length === 0 || !this.#draw.chance(0.4)) return this.#draw.pick(usual);
    return Math.min(Math.max(0, this.#draw.pick(lengths) - before), 2000);
  }

  #tcp(flow: Flow, fromClient: boolean, before: number): Uint8Array {
    const draw = this.#draw;
    const side = fromClient ? 0 : 1;
    const planned = draw.chance(this.#features.gentle ? 0.97 : 0.78);
    const flags = planned ? this.#plannedFlags(flow) : this.#oddFlags();
    const options = this.#tcpOptions((flags & SYN) !== 0, flow.next[1 - side]!);
    const header = 20 + ((options.length + 3) & ~3);
    const silent = (flags & (SYN | RST)) !== 0 || !draw.chance(flow.talk === undefined ? 0.45 : 0.8);
    const data = silent ? 0 : (this.#speech(flow, fromClient) ?? this.#room(before + header, [1, 10, 60]));
    const length = typeof data === 'number' ? data : data.length;
    // A conversation needs many segments that are right.
    const steady = this.#features.talks ? draw.chance(0.95) : flow.talk !== undefined && draw.chance(0.8);
    const off = steady ? 0 : this.#offWindow(flow.windows[1 - side]!);
    const acknowledges = (flags & ACK) !== 0 || draw.chance(0.2);
    const ackOff = !steady && draw.chance(0.08) ? this.#aside(flow.windows[side]) : 0;
    const sequence = (flow.next[side] + off) >>> 0;
    const acknowledged = acknowledges ? (flow.next[1 - side]! + ackOff) >>> 0 : 0;
    if (off === 0 && (planned || draw.chance(0.3))) this.#advance(flow, side, flags, length);
    const window = draw.pick([65535, 29200, 1024, 512, draw.chance(0.2) ? 0 : 8192]);
    if ((flags & SYN) !== 0) flow.scales[side] = scaleIn(options);
    // A scale counts where both sides have one, which is mostly so.
    flow.windows[side] = (flags & SYN) === 0 ? window << Math.min(flow.scales[side], 14) : window;
    return tcpSegment({
      sourcePort: fromClient ? flow.clientPort : flow.serverPort,
      destinationPort: fromClient ? flow.serverPort : flow.clientPort,
      sequence,
      acknowledged,
      flags,
      window,
      options,
      data,
      ...(this.#features.damage && draw.chance(0.02) ? { dataOffset: draw.integer(0, 15) } : {}),
    });
  }

  /** What the side says, if the flow is a conversation; undefined: nothing in particular. */
  #speech({ talk, ...flow }: Flow, fromClient: boolean): Uint8Array | undefined {
    const draw = this.#draw;
    if (talk === undefined || draw.chance(0.1)) return undefined;
    const { addresses, ports } = this.#known;
    // Who answers a broadcast is mostly in the host's network, as the first two are.
    const near = BROADCAST.includes(talk.helper) && draw.chance(0.7);
    const stranger = draw.pick(near ? addresses.slice(0, 2) : addresses);
    const ends = { ...flow, family: this.#family, stranger, ports };
    const { text, call } = say(draw, talk, ends, fromClient);
    if (call !== undefined) this.#onCall(call);
    return Uint8Array.from(text, (character) => character.charCodeAt(0));
  }

  /** How far from the next sequence number: nothing, an overlap with what was sent, or out of the window. */
  #offWindow(window: number): number {
    const draw = this.#draw;
    if (draw.chance(0.1)) return this.#aside(window);
    return draw.chance(0.06) ? -draw.integer(1, 40) : 0;
  }

  /** A distance at which something is decided, exactly or one aside. */
  #aside(window: number): number {
    const draw = this.#draw;
    return draw.pick([-1, 1]) * draw.pick([window, ...DISTANCES]) + draw.pick([-1, 0, 1]);
  }

  #plannedFlags(flow: Flow): number {
    if (flow.step === 0) return SYN;
    if (flow.step === 1) return SYN | ACK;
    return this.#draw.pick(MOODS[flow.mood]);
  }

  /** Flags that are not the next step: those of the rules and one bit off, famous ones, any. */
  #oddFlags(): number {
    const draw = this.#draw;
    const { flags } = this.#edges;
    if (flags.length > 0 && draw.chance(0.5)) return draw.pick(flags);
    if (draw.chance(0.4)) return draw.integer(0, 63);
    return draw.pick([SYN, SYN | ACK, ACK, RST, RST | ACK, ACK | FIN, 0, 63, 0xc2]);
  }

  #advance(flow: Flow, side: 0 | 1, flags: number, data: number): void {
    flow.next[side] = (flow.next[side] + data + ((flags & SYN) !== 0 ? 1 : 0) + (flags & FIN)) >>> 0;
    flow.step++;
    if ((flags & RST) !== 0 && this.#draw.chance()) flow.step = 0;
  }

  /** `next`: the other side's next sequence number, which selective acknowledgements are about. */
  #tcpOptions(syn: boolean, next: number): Uint8Array {
    const draw = this.#draw;
    const { tcpOptions } = this.#edges;
    if (tcpOptions.length > 0 && draw.chance(0.3)) return optionOfKind(draw, draw.pick(tcpOptions));
    if (syn && draw.chance(0.7)) return Uint8Array.from(draw.pick(SYN_OPTIONS)(draw.integer(0, 15)));
    if (draw.chance(0.3)) return Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2);
    if (draw.chance(0.15)) return this.#selective(next);
    if (draw.chance(0.08)) return Uint8Array.from({ length: draw.integer(1, 12) }, () => draw.integer(0, 255));
    return new Uint8Array(0);
  }

  /** One or two blocks that end near what the other side sent; of a wrong length now and then. */
  #selective(next: number): Uint8Array {
    const draw = this.#draw;
    const blocks = draw.pick([1, 2]);
    const out = new Uint8Array(4 + 8 * blocks);
    out.set([1, 1, 5, 2 + 8 * blocks - (draw.chance(0.1) ? 1 : 0)]);
    const view = new DataView(out.buffer);
    for (let block = 0; block < blocks; block++) {
      const end = (next + draw.pick([-40, -1, 0, 0, 1, 70_000])) >>> 0;
      view.setUint32(4 + 8 * block, (end - 10) >>> 0);
      view.setUint32(8 + 8 * block, end);
    }
    return out;
  }

  #udp(flow: Flow, fromClient: boolean, before: number): Payload {
    const draw = this.#draw;
    const [from, to] = fromClient ? [flow.clientPort, flow.serverPort] : [flow.serverPort, flow.clientPort];
    const off = this.#features.damage && draw.chance(0.06) ? draw.pick([-20, -1, 1, 50]) : 0;
    const data = this.#speech(flow, fromClient) ?? this.#room(before + 8, [0, 1, 20, 100]);
    const bytes = udpDatagram(from, to, data, off);
    // IPv4 allows UDP without a checksum.
    return { bytes, checksumAt: this.#family === 4 && draw.chance(0.1) ? -1 : 6 };
  }

  #icmp(flow: Flow, fromClient: boolean, before: number): Uint8Array {
    const draw = this.#draw;
    const { icmpTypes, icmpCodes } = this.#edges;
    const [request, reply] = ECHO[this.#family];
    const edge = icmpTypes.length > 0 && draw.chance(0.35);
    const type = edge
      ? draw.pick(icmpTypes)
      : draw.chance(0.8)
        ? fromClient
          ? request
          : reply
        : draw.pick(ODD_ICMP[this.#family]);
    const code = icmpCodes.length > 0 && draw.chance(0.3) ? draw.pick(icmpCodes) : draw.chance(0.9) ? 0 : draw.integer(0, 3);
    const rest = (flow.clientPort << 16) | (flow.step & 0xffff);
    return icmpMessage(type, code, rest, new Uint8Array(this.#room(before + 8, [0, 8, 56])));
  }

  /** Where UDP has its length it has how much its checksum covers: all (0 or the length), less than its header, more than there is. There must be a checksum. */
  #udplite(flow: Flow, fromClient: boolean): Payload {
    const draw = this.#draw;
    const [from, to] = fromClient ? [flow.clientPort, flow.serverPort] : [flow.serverPort, flow.clientPort];
    const bytes = udpDatagram(from, to, draw.pick([0, 1, 20]));
    const covered = draw.pick([0, bytes.length, bytes.length, 7, bytes.length + 1]);
    new DataView(bytes.buffer).setUint16(4, covered);
    return { bytes, checksumAt: draw.chance(0.1) ? -1 : 6 };
  }

  /** Version 0 without anything; version 1 (PPTP) with the receiver's call id, carrying PPP or something else. */
  #gre(flow: Flow, fromClient: boolean): Uint8Array {
    const draw = this.#draw;
    const asAnnounced = flow.announced && draw.chance(0.9);
    const bytes = new Uint8Array(draw.pick(asAnnounced ? [8, 12, 40] : [0, 2, 4, 8, 12, 40]));
    if (bytes.length < 8 || (!asAnnounced && draw.chance())) return bytes;
    const view = new DataView(bytes.buffer);
    view.setUint16(0, 0x2001);
    view.setUint16(2, asAnnounced || draw.chance(0.8) ? 0x880b : 0x0800);
    view.setUint16(4, bytes.length - 8);
    view.setUint16(6, fromClient ? flow.serverPort : flow.clientPort);
    return bytes;
  }

  /** Begins with ports. */
  #other(flow: Flow, fromClient: boolean): Uint8Array {
    const bytes = new Uint8Array(this.#draw.pick([0, 2, 4, 12, 40]));
    if (bytes.length < 4) return bytes;
    const view = new DataView(bytes.buffer);
    view.setUint16(0, fromClient ? flow.clientPort : flow.serverPort);
    view.setUint16(2, fromClient ? flow.serverPort : flow.clientPort);
    return bytes;
  }
}

/** Options of a SYN, by its window scale: the usual ones, and some of them only. */
const SYN_OPTIONS: readonly ((scale: number) => readonly number[])[] = [
  (scale) => [2, 4, 5, 0xb4, 4, 2, 1, 3, 3, scale],
  (scale) => [2, 4, 5, 0xb4, 4, 2, 1, 3, 3, scale],
  (scale) => [1, 3, 3, scale],
  () => [1, 1, 4, 2],
  (scale) => [1, 3, 4, scale, 4, 3, 1, 1],
];

/** The shift of a window scale option; 0 without one. */
function scaleIn(options: Uint8Array): number {
  const at = options.findIndex((byte, index) => byte === 3 && options[index + 1] === 3);
  return at < 0 ? 0 : (options[at + 2] ?? 0);
}

/** An option of that kind among no-operations; behind the end of the list; behind one without a length; at the very end. Kinds 0 and 1 have no length. */
function optionOfKind(draw: Draw, kind: number): Uint8Array {
  if (kind < 2) return Uint8Array.of(1, 1, kind, 1);
  return Uint8Array.from(
    draw.pick([
      [1, kind, 3, 0],
      [1, kind, 3, 0],
      [0, kind, 2, 1],
      [kind === 8 ? 9 : 8, 0, kind, 2],
      [kind === 8 ? 9 : 8, 3, 0, kind],
    ]),
  );
}
