/** Random traffic: live flows that go on, and packets that are wrong in every way a packet can be wrong. */
import type { Draw } from '../extensions/extension.ts';
import type { Family } from '../model/ruleset.ts';
import { fillChecksum, type IpFields, icmpMessage, ipPacket, tcpSegment, udpDatagram } from './build-packet.ts';
import { LOCAL, MACS, PORTS, REMOTE } from './pools.ts';

export interface TrafficFeatures {
  topology: 'host' | 'forward';
  /** Non-first and first fragments. */
  fragments: boolean;
  /** Wrong lengths, checksums, header lengths, tinygrams. */
  damage: boolean;
  /** IP options and extension headers. */
  options: boolean;
  /** Wrong IP lengths and checksums also in packets the host sends, and SCTP: not for the kernel, whose raw socket mends the first and which has its own states for the second. */
  unsendable: boolean;
  /** Up to how many seconds lie between packets now and then; 0: all within milliseconds. */
  pause: number;
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

interface Flow {
  protocol: number;
  client: string;
  server: string;
  clientPort: number;
  serverPort: number;
  /** Next sequence number of client and server. */
  next: [number, number];
  step: number;
}

const SYN = 2;
const RST = 4;
const ACK = 16;
const ICMP: Record<Family, number> = { 4: 1, 6: 58 };
const ERRORS: Record<Family, readonly number[]> = { 4: [3, 11, 12, 4, 5], 6: [1, 2, 3, 4] };
const ECHO: Record<Family, readonly [number, number]> = { 4: [8, 0], 6: [128, 129] };

export class Traffic {
  readonly #draw: Draw;
  readonly #family: Family;
  readonly #features: TrafficFeatures;
  readonly #flows: Flow[] = [];
  /** What was sent lately, for ICMP errors to quote. */
  readonly #sent: Uint8Array[] = [];
  #time = 1_700_000_000_000_000_000n;

  constructor(draw: Draw, family: Family, features: TrafficFeatures) {
    this.#draw = draw;
    this.#family = family;
    this.#features = features;
  }

  /** The next packet. */
  next(): FuzzPacket {
    const draw = this.#draw;
    this.#time += BigInt(draw.integer(100, 4_000_000));
    if (this.#features.pause > 0 && draw.chance(0.1))
      this.#time += BigInt(draw.integer(1, this.#features.pause * 1000)) * 1_000_000n;
    const flow = this.#flow();
    const error = this.#sent.length > 0 && draw.chance(0.06);
    const { bytes, fromClient } = error ? { bytes: this.#error(flow), fromClient: draw.chance() } : this.#ofFlow(flow);
    this.#sent.push(bytes);
    if (this.#sent.length > 8) this.#sent.shift();
    const source = fromClient ? flow.client : flow.server;
    const out = this.#features.topology === 'host' && source === LOCAL[this.#family] && !error;
    return {
      time: this.#time,
      family: this.#family,
      bytes,
      direction: out ? 'out' : 'in',
      kind: draw.chance(0.04) && !out ? draw.pick(['broadcast', 'multicast'] as const) : 'host',
      sourceMac: draw.pick(MACS),
    };
  }

  /** Mostly one of the live flows, sometimes a new one. */
  #flow(): Flow {
    const draw = this.#draw;
    if (this.#flows.length > 0 && !draw.chance(0.15)) return draw.pick(this.#flows);
    const remote = draw.pick(REMOTE[this.#family]);
    const other =
      this.#features.topology === 'host'
        ? LOCAL[this.#family]
        : draw.pick(REMOTE[this.#family].filter((address) => address !== remote));
    const [client, server] = draw.chance() ? [remote, other] : [other, remote];
    const flow: Flow = {
      protocol: draw.pick([6, 6, 6, 6, 17, 17, ICMP[this.#family], this.#features.unsendable ? 132 : 6, 47, 99]),
      client,
      server,
      clientPort: draw.pick(PORTS),
      serverPort: draw.pick(PORTS),
      next: [draw.integer(0, 0xffffffff), draw.integer(0, 0xffffffff)],
      step: 0,
    };
    this.#flows.push(flow);
    if (this.#flows.length > 12) this.#flows.shift();
    return flow;
  }

  #ofFlow(flow: Flow): { bytes: Uint8Array; fromClient: boolean } {
    const { protocol } = flow;
    if (protocol === 6) return this.#tcp(flow);
    const fromClient = this.#draw.chance(0.6);
    const fields = this.#ip(flow, fromClient);
    if (protocol === 17) return { bytes: this.#udp(flow, fields, fromClient), fromClient };
    if (protocol === ICMP[this.#family]) return { bytes: this.#icmp(flow, fields, fromClient), fromClient };
    const ports = fromClient ? [flow.clientPort, flow.serverPort] : [flow.serverPort, flow.clientPort];
    const payload = new Uint8Array(this.#draw.pick([0, 2, 4, 12, 40]));
    // Plain GRE has flags and version 0; the others begin with ports.
    if (payload.length >= 4 && protocol !== 47)
      for (const [index, port] of ports.entries()) new DataView(payload.buffer).setUint16(index * 2, port!);
    return { bytes: this.#finish(fields, payload, -1), fromClient };
  }

  #tcp(flow: Flow): { bytes: Uint8Array; fromClient: boolean } {
    const draw = this.#draw;
    const planned = draw.chance(0.75);
    const fromClient = planned && flow.step < 3 ? flow.step !== 1 : draw.chance(0.55);
    const side = fromClient ? 0 : 1;
    let flags =
      flow.step === 0 ? SYN : flow.step === 1 ? SYN | ACK : draw.pick([ACK, ACK, ACK | 8, ACK | 8, ACK | 1, RST, RST | ACK]);
    if (!planned)
      flags = draw.chance(0.5) ? draw.integer(0, 63) : draw.pick([SYN, SYN | ACK, ACK, RST, RST | ACK, ACK | 1, 0, 63, 0xc2]);
    const data = (flags & (SYN | RST)) === 0 && draw.chance(0.4) ? draw.integer(1, 60) : 0;
    const off = draw.chance(0.12) ? draw.pick([-1, 1, -70_000, 70_000, 1 << 30, -3000]) : 0;
    const segment = tcpSegment({
      sourcePort: fromClient ? flow.clientPort : flow.serverPort,
      destinationPort: fromClient ? flow.serverPort : flow.clientPort,
      sequence: (flow.next[side] + off) >>> 0,
      acknowledged:
        (flags & ACK) !== 0 || draw.chance(0.2)
          ? (flow.next[1 - side]! + (draw.chance(0.06) ? draw.pick([1, -1, 100_000, -100_000]) : 0)) >>> 0
          : 0,
      flags,
      window: draw.pick([65535, 29200, 1024, 512, draw.chance(0.2) ? 0 : 8192]),
      options: this.#tcpOptions((flags & SYN) !== 0),
      data,
      ...(this.#features.damage && draw.chance(0.02) ? { dataOffset: draw.integer(0, 15) } : {}),
    });
    if (off === 0 && (planned || draw.chance(0.3))) {
      flow.next[side] = (flow.next[side] + data + ((flags & SYN) !== 0 ? 1 : 0) + ((flags & 1) !== 0 ? 1 : 0)) >>> 0;
      flow.step++;
      if ((flags & RST) !== 0 && draw.chance(0.5)) flow.step = 0;
    }
    return { bytes: this.#finish(this.#ip(flow, fromClient), segment, 16), fromClient };
  }

  #tcpOptions(syn: boolean): Uint8Array {
    const draw = this.#draw;
    if (syn && draw.chance(0.6)) return new Uint8Array([2, 4, 5, 0xb4, 4, 2, 1, 3, 3, draw.integer(0, 15)]);
    if (draw.chance(0.3)) return new Uint8Array([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    if (draw.chance(0.08)) return Uint8Array.from({ length: draw.integer(1, 12) }, () => draw.integer(0, 255));
    return new Uint8Array(0);
  }

  #udp(flow: Flow, fields: IpFields, fromClient: boolean): Uint8Array {
    const draw = this.#draw;
    const [from, to] = fromClient ? [flow.clientPort, flow.serverPort] : [flow.serverPort, flow.clientPort];
    const off = this.#features.damage && draw.chance(0.06) ? draw.pick([-20, -1, 1, 50]) : 0;
    const datagram = udpDatagram(from, to, draw.pick([0, 1, 20, 100]), off);
    if (fields.family === 4 && draw.chance(0.1)) return this.#finish(fields, datagram, -1);
    return this.#finish(fields, datagram, 6);
  }

  #icmp(flow: Flow, fields: IpFields, fromClient: boolean): Uint8Array {
    const draw = this.#draw;
    const [request, reply] = ECHO[this.#family];
    const odd = this.#family === 4 ? [9, 10, 13, 14, 15, 17, 18, 3, 40] : [133, 135, 143, 1, 4, 139, 200];
    const type = draw.chance(0.8) ? (fromClient ? request : reply) : draw.pick(odd);
    const message = icmpMessage(
      type,
      draw.chance(0.9) ? 0 : draw.integer(0, 3),
      (flow.clientPort << 16) | (flow.step & 0xffff),
      new Uint8Array(draw.pick([0, 8, 56])),
    );
    return this.#finish(fields, message, 2);
  }

  /** An ICMP error about a packet sent before, to its sender (or to somebody else). */
  #error(flow: Flow): Uint8Array {
    const draw = this.#draw;
    const about = draw.pick(this.#sent);
    const fields = this.#ip(flow, draw.chance());
    if (this.#features.topology === 'host') {
      fields.source = draw.pick(REMOTE[this.#family]);
      fields.destination = LOCAL[this.#family];
    }
    fields.protocol = ICMP[this.#family];
    const quoted = about.subarray(0, draw.pick([28, 28, 48, 68, 100, 12]));
    return this.#finish(fields, icmpMessage(draw.pick(ERRORS[this.#family]), draw.integer(0, 4), 0, quoted), 2);
  }

  #ip(flow: Flow, fromClient: boolean): IpFields {
    const draw = this.#draw;
    const sent = this.#features.topology === 'host' && (fromClient ? flow.client : flow.server) === LOCAL[this.#family];
    const damage = this.#features.damage && (this.#features.unsendable || !sent);
    return {
      family: this.#family,
      source: fromClient ? flow.client : flow.server,
      destination: fromClient ? flow.server : flow.client,
      protocol: flow.protocol,
      ttl: draw.pick([64, 64, 64, 128, 255, 2, 1]),
      tos: draw.pick([0, 0, 0, 0x10, 0xb8, 0xff]),
      id: draw.integer(1, 0xffff),
      fragment: this.#fragment(),
      ...this.#ipOptions(),
      lengthOff: damage && draw.chance(0.02) ? draw.pick([-30, -8, -1, 1, 8, 2000]) : 0,
      badChecksum: damage && draw.chance(0.01),
    };
  }

  #fragment(): number {
    const draw = this.#draw;
    if (!this.#features.fragments || !draw.chance(0.1)) return this.#family === 4 && draw.chance() ? 0x4000 : 0;
    const offset = draw.pick([0, 1, 2, 100, 0x1fff]);
    const more = draw.chance();
    return this.#family === 4 ? offset | (more ? 0x2000 : 0) : (offset << 3) | (more ? 1 : 0);
  }

  #ipOptions(): Pick<IpFields, 'options' | 'firstHeader'> {
    const draw = this.#draw;
    if (!this.#features.options || !draw.chance(0.08)) return { options: new Uint8Array(0) };
    if (this.#family === 4) {
      const options = draw.pick([
        [1, 1, 1, 0],
        [7, 7, 4, 0, 0, 0, 0, 0],
        [0x94, 4, 0, 0],
      ]);
      return { options: new Uint8Array(options) };
    }
    // Authentication headers have their length in words, less two; destination options in units of eight bytes, less one.
    const authenticated = draw.chance(0.4);
    const headers = authenticated
      ? [
          [0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
          [0, 2, 0, 0, 0, 80, 0, 80, 0, 2, 0, 0, 0, 0, 0, 0],
        ]
      : [
          [0, 0, 1, 4, 0, 0, 0, 0],
          [0, 1, 1, 12, ...new Array<number>(12).fill(0)],
        ];
    return { options: new Uint8Array(draw.pick(headers)), firstHeader: authenticated ? 51 : 60 };
  }

  /** Checksum, then the damages that come after it, then the IP header. `checksumAt` < 0: none. */
  #finish(fields: IpFields, payload: Uint8Array, checksumAt: number): Uint8Array {
    const draw = this.#draw;
    let transport = payload;
    if (checksumAt >= 0) {
      fillChecksum(transport, checksumAt, fields);
      if (this.#features.damage && draw.chance(0.03)) transport[checksumAt]! ^= 0x55;
    }
    if (this.#features.damage && draw.chance(0.04))
      transport = transport.subarray(0, draw.integer(0, Math.min(transport.length, 24)));
    return ipPacket(fields, transport);
  }
}
