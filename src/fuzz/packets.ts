/** Random traffic: live flows that go on, and packets that are wrong in every way a packet can be wrong. */
import type { Draw } from '../extensions/extension.ts';
import type { Family } from '../model/ruleset.ts';
import type { Boundaries } from './boundaries.ts';
import { fillChecksum, type IpFields, icmpMessage, ipPacket } from './build-packet.ts';
import { fragmentsOf } from './fragments.ts';
import { type HeaderChain, ipv4Options, ipv6Chain, NO_CHAIN } from './headers.ts';
import { LOCAL, LOCAL_BROADCAST, MACS, PORTS, REMOTE, STRANGERS } from './pools.ts';
import { HANDSHAKE_STEPS } from './sctp.ts';
import { BROADCAST, type Call, isClientsTurn, protocolOf, SPOKEN, serverPortsOf } from './talk.ts';
import { ALL_MOODS, type Flow, ICMP, type Payload, SCTP, STUTTERS, Transport } from './transport.ts';

export interface TrafficFeatures {
  topology: 'host' | 'forward';
  /** Conversations mostly go as they should. */
  gentle: boolean;
  /** Nothing goes wrong for long. */
  talks: boolean;
  /** How often a packet is cut in fragments, or pretends to be one. */
  fragments: number;
  /** Wrong lengths, checksums, header lengths, tinygrams. */
  damage: boolean;
  /** How often there are IP options or extension headers. */
  options: number;
  /** How often a packet is an ICMP error about one before. */
  errors: number;
  /** Wrong IP lengths and checksums also in packets the host sends: not for the kernel, whose raw socket mends them. */
  unsendable: boolean;
  /** How often an address is none of an ordinary host: groups, broadcast, loopback, unspecified, link-local. */
  strangers: number;
  /** IP protocols of most flows; empty: of all kinds. */
  protocols: readonly number[];
  /** How many flows are alive at most, and how often a packet begins a new one: few make long conversations. */
  flows: number;
  fresh: number;
  /** Up to how many seconds lie between packets now and then; 0: all within milliseconds. */
  pause: number;
  /** Names of helpers that rules give to connections: some flows are conversations that these listen to. */
  helpers: readonly string[];
  /** Fragments are given up by a kernel's timer wheel, whose edges lie where it booted. */
  wheel: boolean;
}

/** A packet on its way: IP bytes, when, which way, and its MACs. */
export interface FuzzPacket {
  time: bigint;
  family: Family;
  bytes: Uint8Array;
  direction: 'in' | 'out';
  kind: 'host' | 'broadcast' | 'multicast';
  sourceMac: string;
}

const START = 1_700_000_000_000_000_000n;
const ERRORS: Record<Family, readonly number[]> = { 4: [3, 11, 12, 4, 5], 6: [1, 2, 3, 4] };
/** How many packets errors choose from. */
const QUOTABLE = 8;
/** How long fragments wait, and how much longer where the wheel turns slowest (60 s at HZ 100: 512 jiffies). docs/kernel-differences.md. */
const FRAGMENT_LIFE: Record<Family, bigint> = { 4: 30_000_000_000n, 6: 60_000_000_000n };
const TIMER_SLACK = 5_200_000_000n;
/** How many flows more live where conversations announce others. */
const ANNOUNCED = 3;
const NO_OPTIONS = new Uint8Array(0);

export class Traffic {
  readonly #draw: Draw;
  readonly #family: Family;
  readonly #features: TrafficFeatures;
  readonly #edges: Boundaries;
  readonly #transport: Transport;
  readonly #remotes: readonly string[];
  readonly #flows: Flow[] = [];
  /** Fragments of a packet that are still to be sent; their time is that of the first. */
  readonly #fragments: FuzzPacket[] = [];
  /** What was sent lately, for ICMP errors to quote. */
  readonly #sent: Uint8Array[] = [];
  /** A connection that was announced just now. */
  #called: Flow | undefined;
  #time = START;

  constructor(draw: Draw, family: Family, features: TrafficFeatures, edges: Boundaries) {
    this.#draw = draw;
    this.#family = family;
    this.#features = features;
    this.#edges = edges;
    const own = features.topology === 'host' ? LOCAL[family] : '';
    this.#remotes = [...new Set([...REMOTE[family], ...edges.addresses])].filter((address) => address !== own);
    const known = { addresses: REMOTE[family], ports: [...PORTS, ...edges.ports.slice(0, 4)] };
    this.#transport = new Transport(draw, family, features, edges, known, (call) => this.#announce(call));
  }

  /** The next packet. Fragments of one are mostly sent behind each other. */
  next(): FuzzPacket {
    const draw = this.#draw;
    this.#time += this.#gap();
    const waiting = this.#fragments.length > 0 && draw.chance(0.8) ? this.#fragments.shift() : undefined;
    const next = waiting === undefined || this.#inDoubt(waiting) ? this.#fresh() : waiting;
    return { ...next, time: this.#time };
  }

  /** Only the kernel knows whether what came before this fragment still waits. */
  #inDoubt({ time, family }: FuzzPacket): boolean {
    const age = this.#time - time - FRAGMENT_LIFE[family];
    return this.#features.wheel && age >= 0n && age <= TIMER_SLACK;
  }

  #fresh(): FuzzPacket {
    const draw = this.#draw;
    const flow = this.#flow();
    const error = this.#sent.length > 0 && draw.chance(this.#features.errors);
    const { bytes, fromClient } = error ? { bytes: this.#error(flow), fromClient: draw.chance() } : this.#ofFlow(flow);
    this.#sent.push(bytes);
    if (this.#sent.length > QUOTABLE) this.#sent.shift();
    const source = fromClient ? flow.client : flow.server;
    const out = this.#features.topology === 'host' && source === LOCAL[this.#family] && !error;
    const packet: FuzzPacket = {
      time: this.#time,
      family: this.#family,
      bytes,
      direction: out ? 'out' : 'in',
      kind: draw.chance(0.04) && !out ? draw.pick(['broadcast', 'multicast'] as const) : 'host',
      sourceMac: draw.pick(MACS),
    };
    if (!draw.chance(this.#features.fragments / 2)) return packet;
    const pieces = fragmentsOf(draw, bytes, this.#family, draw.integer(1, 0xffff)) ?? [bytes];
    this.#fragments.push(...pieces.slice(1).map((piece) => ({ ...packet, bytes: piece })));
    return { ...packet, bytes: pieces[0]! };
  }

  /** Mostly a moment; now and then what a limit's bucket needs, or a pause. */
  #gap(): bigint {
    const draw = this.#draw;
    const moment = BigInt(draw.integer(100, 4_000_000));
    const { pause } = this.#features;
    if (pause === 0) return moment;
    if (this.#edges.gaps.length > 0 && draw.chance(0.25)) {
      const gap = draw.pick(this.#edges.gaps);
      if (gap <= BigInt(pause) * 1_000_000_000n) return gap;
    }
    return draw.chance(0.1) ? BigInt(draw.integer(1, pause * 1000)) * 1_000_000n : moment;
  }

  /** Mostly one of the live flows, sometimes a new one. */
  #flow(): Flow {
    const draw = this.#draw;
    const called = this.#called;
    this.#called = undefined;
    if (called !== undefined && draw.chance(0.6)) return called;
    if (this.#flows.length > 0 && !draw.chance(this.#features.fresh)) return draw.pick(this.#flows);
    const remote = draw.pick(this.#remotes);
    const other =
      this.#features.topology === 'host' ? LOCAL[this.#family] : draw.pick(this.#remotes.filter((address) => address !== remote));
    const [client, server] = draw.chance() ? [remote, other] : [other, remote];
    const spoken = SPOKEN.filter((name) => this.#features.helpers.includes(name));
    const helper = spoken.length > 0 && draw.chance(0.85) ? draw.pick(spoken) : undefined;
    const protocol = helper === undefined ? this.#protocol() : protocolOf(helper);
    const asks = helper !== undefined && BROADCAST.includes(helper) && this.#features.topology === 'host';
    const ends = asks ? { client: LOCAL[4], server: LOCAL_BROADCAST } : { client, server };
    const known = serverPortsOf(helper);
    const serverPort = known.length > 0 && draw.chance() ? draw.pick(known) : this.#port();
    const flow = this.#begin({ protocol, ...ends, serverPort });
    this.#speak(flow, helper);
    return flow;
  }

  /** The flow is a conversation, if it is to be one. */
  #speak(flow: Flow, helper: string | undefined): void {
    if (helper === undefined) return;
    // Who says everything twice does not come to the point.
    const manner = { mood: this.#draw.chance(0.9) ? 'talk' : 'any', stutter: STUTTERS[0]! };
    Object.assign(flow, { talk: { helper, rest: ['', ''], turns: [] }, ...manner });
  }

  /** A new flow, one of the live ones. */
  #begin({ protocol, client, server, serverPort, clientPort }: Call): Flow {
    const draw = this.#draw;
    const flow: Flow = {
      protocol,
      client,
      server,
      clientPort: clientPort ?? this.#port(),
      serverPort,
      next: [draw.integer(0, 0xffffffff), draw.integer(0, 0xffffffff)],
      step: 0,
      mood: this.#features.talks ? 'talk' : draw.pick(ALL_MOODS),
      windows: [0, 0],
      scales: [0, 0],
      stutter: this.#features.talks ? STUTTERS[0]! : draw.pick(STUTTERS),
      announced: false,
    };
    this.#flows.push(flow);
    const { flows, helpers } = this.#features;
    // What was announced comes and goes; the conversation goes on.
    const oldest = this.#flows.findIndex(({ talk }) => talk === undefined);
    if (this.#flows.length > flows + (helpers.length > 0 ? ANNOUNCED : 0)) this.#flows.splice(Math.max(0, oldest), 1);
    return flow;
  }

  /** A connection was announced: mostly it comes, now and then from somebody else. */
  #announce(call: Call): void {
    const draw = this.#draw;
    if (!draw.chance(0.8)) return;
    const client = draw.chance(0.08) ? draw.pick(this.#remotes) : call.client;
    const own = LOCAL[this.#family];
    const passesBy = this.#features.topology === 'host' && client !== own && call.server !== own;
    if (client === call.server || passesBy) return;
    this.#called = this.#begin({ ...call, client });
    this.#called.announced = true;
    this.#speak(this.#called, call.helper);
  }

  #protocol(): number {
    const draw = this.#draw;
    const { protocols } = this.#features;
    if (protocols.length > 0 && draw.chance(0.85)) return draw.pick(protocols);
    return draw.pick([6, 6, 6, 6, 17, 17, ICMP[this.#family], SCTP, 136, 47, 99]);
  }

  #port(): number {
    const { ports } = this.#edges;
    return ports.length > 0 && this.#draw.chance(0.6) ? this.#draw.pick(ports) : this.#draw.pick(PORTS);
  }

  #ofFlow(flow: Flow): { bytes: Uint8Array; fromClient: boolean } {
    const draw = this.#draw;
    // Sent once more, byte for byte.
    if (flow.last !== undefined && draw.chance(flow.stutter)) return flow.last;
    const steps = flow.protocol === SCTP ? HANDSHAKE_STEPS : flow.protocol === 6 ? 3 : 0;
    const shaking = flow.step < steps && draw.chance(0.8);
    const turn = isClientsTurn(flow.talk);
    const fromClient = shaking ? flow.step % 2 === 0 : turn !== undefined && draw.chance(0.9) ? turn : draw.chance(0.55);
    const fields = this.#ip(flow, fromClient);
    const header = (this.#family === 4 ? 20 : 40) + fields.options.length + (fields.chain?.bytes.length ?? 0);
    const bytes = this.#finish(fields, this.#transport.next(flow, fromClient, header));
    flow.last = { bytes, fromClient };
    return flow.last;
  }

  /** An ICMP error about a packet sent before, to its sender (or to somebody else). */
  #error(flow: Flow): Uint8Array {
    const draw = this.#draw;
    const about = draw.pick(this.#sent);
    const fields = this.#ip(flow, draw.chance());
    if (this.#features.topology === 'host') {
      fields.source = draw.pick(this.#remotes);
      fields.destination = LOCAL[this.#family];
    }
    fields.protocol = ICMP[this.#family];
    const quoted = about.subarray(0, draw.pick([28, 28, 48, 68, 100, 12]));
    const bytes = icmpMessage(draw.pick(ERRORS[this.#family]), draw.integer(0, 4), 0, quoted);
    return this.#finish(fields, { bytes, checksumAt: 2 });
  }

  #ip(flow: Flow, fromClient: boolean): IpFields {
    const draw = this.#draw;
    const { ttls, tos } = this.#edges;
    const source = fromClient ? flow.client : flow.server;
    const sent = this.#features.topology === 'host' && source === LOCAL[this.#family];
    const strange = draw.chance(this.#features.strangers)
      ? draw.pick(['source', 'destination', 'destination'] as const)
      : undefined;
    const damage = this.#features.damage && (this.#features.unsendable || !sent);
    return {
      family: this.#family,
      source: strange === 'source' ? draw.pick(STRANGERS[this.#family]) : source,
      destination: strange === 'destination' ? draw.pick(STRANGERS[this.#family]) : fromClient ? flow.server : flow.client,
      protocol: flow.protocol,
      ttl: ttls.length > 0 && draw.chance(0.5) ? draw.pick(ttls) : draw.pick([64, 64, 64, 64, 64, 64, 128, 255, 2, 1]),
      tos: tos.length > 0 && draw.chance(0.5) ? draw.pick(tos) : draw.pick([0, 0, 0, 0x10, 0xb8, 0xff]),
      id: draw.integer(1, 0xffff),
      fragment: this.#fragment(),
      options: this.#family === 4 && this.#withOptions() ? ipv4Options(draw, damage) : NO_OPTIONS,
      chain: this.#family === 6 && this.#withOptions() ? this.#chain(damage) : NO_CHAIN,
      lengthOff: damage && draw.chance(0.02) ? draw.pick([-30, -8, -1, 1, 8, 2000]) : 0,
      badChecksum: damage && draw.chance(0.01),
    };
  }

  #withOptions(): boolean {
    return this.#draw.chance(this.#features.options);
  }

  #chain(damage: boolean): HeaderChain {
    return ipv6Chain(this.#draw, damage, this.#edges.bytes.kinds);
  }

  #fragment(): number {
    const draw = this.#draw;
    if (!draw.chance(this.#features.fragments / 2)) return this.#family === 4 && draw.chance() ? 0x4000 : 0;
    const offset = draw.pick([0, 0, 1, 2, 100, 0x1fff]);
    const more = offset === 0 || draw.chance();
    return this.#family === 4 ? offset | (more ? 0x2000 : 0) : (offset << 3) | (more ? 1 : 0);
  }

  /** Checksum, then the damages that come after it, then the IP header. */
  #finish(fields: IpFields, { bytes, checksumAt }: Payload): Uint8Array {
    const draw = this.#draw;
    const { damage } = this.#features;
    const wanted = this.#edges.bytes.intoTransport(draw, fields.protocol, bytes);
    if (checksumAt >= 0) {
      fillChecksum(wanted, checksumAt, fields);
      if (damage && draw.chance(0.03)) wanted[checksumAt]! ^= 0x55;
    }
    // Tinygrams: fragments and whole packets that end within their transport header.
    const cut = (damage && draw.chance(0.04)) || (damage && fields.fragment !== 0 && draw.chance(0.2));
    const packet = ipPacket(fields, cut ? wanted.subarray(0, draw.integer(0, Math.min(wanted.length, 24))) : wanted);
    if (this.#family === 6) this.#edges.bytes.intoHeaders(draw, packet);
    return packet;
  }
}
