/** Traffic as captures hold it: conversations of many kinds, each told packet by packet, that take turns; over IPv4 and IPv6. */
import { fold, random, sum } from './traffic.ts';

const TCP = 6;
const UDP = 17;
const ICMP = 1;
const ICMP6 = 58;
const RECORD = 16;
const ETHERNET = 14;
const FILE_HEADER = 24;
const SYN = 2;
const ACK = 16;
const PUSH = 0x18;
const FIN = 0x11;
const RST = 0x14;

/** One packet of a conversation: from whom, how many bytes of data, the flags of a segment, and whether it comes in two fragments. */
export interface Said {
  back?: boolean;
  data?: number;
  flags?: number;
  /** Acknowledges so many bytes less than came: with a block of SACK. */
  lost?: number;
  cut?: boolean;
}

/** Kinds of conversations: the protocol, the other end's port (0: any), and what is said. */
export interface Talk {
  protocol: number;
  port: number;
  says(draw: () => number): Iterable<Said>;
}

/** Who is seen to speak to whom: words of IPv4; over IPv6 they stand behind 2001:db8::. */
export interface View {
  client(number: number): number;
  server: number;
  /** The client as answers address it, the server as it answers, where a router translates. */
  clientSeen?: number;
  serverSeen?: number;
  portSeen?: number;
  six?: boolean;
}

function* shake(): Generator<Said> {
  yield { flags: SYN };
  yield { flags: SYN | ACK, back: true };
  yield { flags: ACK };
}

function* close(): Generator<Said> {
  yield { flags: FIN, back: true };
  yield { flags: FIN };
  yield { flags: ACK, back: true };
}

const tcp = (port: number, says: Talk['says']): Talk => ({ protocol: TCP, port, says });

/** A page: asked for, sent in large segments, every other of which is acknowledged. */
export const page = (port = 443): Talk =>
  tcp(port, function* (draw) {
    yield* shake();
    for (let asked = 0; asked < 3; asked++) {
      yield { flags: PUSH, data: 420 };
      yield { flags: ACK, back: true };
      const segments = 4 + (draw() % 30);
      for (let sent = 0; sent < segments; sent++) {
        yield { flags: sent === segments - 1 ? PUSH : ACK, back: true, data: 1448 };
        if (sent % 2 === 1) yield { flags: ACK };
      }
    }
    yield* close();
  });

/** The same over a bad line: segments are lost, what follows is acknowledged by SACK, and they are sent again. */
export const lossy = (port = 443): Talk =>
  tcp(port, function* (draw) {
    yield* shake();
    yield { flags: PUSH, data: 420 };
    for (let sent = 0; sent < 60; sent++) {
      yield { flags: ACK, back: true, data: 1448 };
      if (draw() % 12 === 0) for (let again = 0; again < 3; again++) yield { flags: ACK, lost: 1448 };
      else yield { flags: ACK };
    }
    yield { flags: RST, back: true };
  });

/** Keys and what they bring on. */
export const shell = (port = 22): Talk =>
  tcp(port, function* (draw) {
    yield* shake();
    for (let key = 0; key < 200 + (draw() % 200); key++) {
      yield { flags: PUSH, data: 36 };
      yield { flags: PUSH, data: 36 + (draw() % 200), back: true };
      yield { flags: ACK };
    }
    yield* close();
  });

/** Asked once and answered at once, with or without a connection. */
export const brief = (port = 80): Talk =>
  tcp(port, function* () {
    yield* shake();
    yield { flags: PUSH, data: 200 };
    yield { flags: PUSH, data: 900, back: true };
    yield* close();
  });

/** Nobody answers, as most often where one looks for open ports. */
export const probe: Talk = tcp(0, function* () {
  yield { flags: SYN };
});

export const question = (port = 53): Talk => ({
  protocol: UDP,
  port,
  *says(draw) {
    yield { data: 30 + (draw() % 20) };
    yield { data: 60 + (draw() % 300), back: true };
  },
});

/** Many datagrams both ways, of so many bytes. */
export const datagrams = (port: number, there: number, back: number, rounds: number): Talk => ({
  protocol: UDP,
  port,
  *says(draw) {
    for (let round = 0; round < rounds; round++) {
      yield { data: there };
      for (let answers = 1 + (back > there ? draw() % 4 : 0); answers > 0; answers--) yield { data: back, back: true };
    }
  },
});
export const quic = datagrams(443, 80, 1200, 60);
export const voice = datagrams(10_000, 172, 172, 500);

export const ping = (rounds: number): Talk => ({
  protocol: ICMP,
  port: 0,
  *says() {
    for (let round = 0; round < rounds; round++) {
      yield { data: 56 };
      yield { data: 56, back: true };
    }
  },
});

/** Datagrams larger than Ethernet carries. */
export const large: Talk = {
  protocol: UDP,
  port: 2049,
  *says() {
    for (let round = 0; round < 20; round++) {
      yield { data: 2000, cut: true };
      yield { data: 60, back: true };
    }
  },
};

interface Running {
  talk: Talk;
  says: Iterator<Said>;
  client: number;
  port: number;
  service: number;
  view: View;
  /** Sequence numbers of both, and what each saw of the other. */
  sent: [number, number];
  time: number;
}

/** A pcap file of `packets` packets: `talks` of each kind in turns, `active` at a time; one that ends makes room for the next. */
export function talking(packets: number, active: number, kinds: readonly (readonly [Talk, View])[], seed = 1): Uint8Array {
  const draw = random(seed);
  const frames = new Frames(packets * 400);
  let begun = 0;
  const begin = (): Running => {
    const [talk, view] = kinds[begun % kinds.length]!;
    const service = talk.port === 0 ? 1 + (draw() % 65_000) : talk.port;
    // A client and port once only, as long as they last.
    const number = begun++;
    return {
      talk,
      view,
      says: talk.says(draw)[Symbol.iterator](),
      client: view.client(number % 250),
      port: 1024 + (number % 60_000),
      service,
      sent: [draw(), draw()],
      time: draw() % 100_000,
    };
  };
  const all = Array.from({ length: active }, begin);
  while (frames.count < packets) {
    const at = draw() % active;
    const next = all[at]!.says.next();
    if (next.done === true) all[at] = begin();
    else frames.say(all[at]!, next.value, packets);
  }
  return frames.file();
}

class Frames {
  count = 0;
  private bytes: Uint8Array;
  private view: DataView;
  private at = FILE_HEADER;

  constructor(room: number) {
    this.bytes = new Uint8Array(room);
    this.view = new DataView(this.bytes.buffer);
    this.view.setUint32(0, 0xa1b2c3d4, true);
    this.view.setUint32(4, 0x00040002, true);
    this.view.setUint32(16, 65_535, true);
    this.view.setUint32(20, 1, true);
  }

  file(): Uint8Array {
    return this.bytes.subarray(0, this.at);
  }

  say(talk: Running, said: Said, most: number): void {
    const { protocol } = talk.talk;
    const header = protocol === TCP ? tcpLength(said) : 8;
    const length = header + (said.data ?? 0);
    if (this.at + 2 * (RECORD + ETHERNET + 48 + length) > this.bytes.length) this.grow();
    const first = said.cut === true ? 1024 : length;
    this.frame(talk, said, length, 0, first, first < length);
    if (first < length && this.count < most) this.frame(talk, said, length, first, length - first, false);
  }

  private grow(): void {
    const larger = new Uint8Array(2 * this.bytes.length);
    larger.set(this.bytes);
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }

  /** `length` bytes behind the IP header in all, of which this frame has `size` from `offset` on. */
  private frame(talk: Running, said: Said, length: number, offset: number, size: number, more: boolean): void {
    const { view } = this;
    const six = talk.view.six === true;
    const header = six ? 40 + (offset > 0 || more ? 8 : 0) : 20;
    const at = this.at;
    const captured = Math.max(60, ETHERNET + header + size);
    view.setUint32(at, 1_700_000_000 + Math.floor(this.count / 100_000), true);
    view.setUint32(at + 4, (this.count % 100_000) * 10, true);
    view.setUint32(at + 8, captured, true);
    view.setUint32(at + 12, captured, true);
    const frame = at + RECORD;
    const [to, from] = said.back === true ? [1, 2] : [2, 1];
    view.setUint32(frame, 0x02000000);
    view.setUint16(frame + 4, to);
    view.setUint32(frame + 6, 0x02000000);
    view.setUint16(frame + 10, from);
    view.setUint16(frame + 12, six ? 0x86dd : 0x0800);
    const ip = frame + ETHERNET;
    const ends = this.putIp(ip, talk, said, header + size, offset, more);
    this.putTransport(ip + header, talk, said, length, offset, ends);
    this.at = frame + captured;
    this.count++;
  }

  /** Out: the sum of the pseudo header's addresses. */
  private putIp(ip: number, talk: Running, said: Said, total: number, offset: number, more: boolean): number {
    const { view } = this;
    const { client, view: seen, talk: kind } = talk;
    const [source, destination] =
      said.back === true ? [seen.serverSeen ?? seen.server, seen.clientSeen ?? client] : [client, seen.server];
    if (seen.six === true) {
      const protocol = kind.protocol === ICMP ? ICMP6 : kind.protocol;
      const isCut = total > 0 && (offset > 0 || more);
      view.setUint32(ip, 0x60000000);
      view.setUint16(ip + 4, total - 40);
      view.setUint16(ip + 6, ((isCut ? 44 : protocol) << 8) | 64);
      for (const [place, word] of [
        [8, source],
        [24, destination],
      ] as const) {
        view.setUint32(ip + place, 0x20010db8);
        view.setUint32(ip + place + 12, word!);
      }
      if (isCut) {
        view.setUint16(ip + 40, protocol << 8);
        view.setUint16(ip + 42, offset | Number(more));
        view.setUint32(ip + 44, this.count + Number(more));
      }
      return sum(view, ip + 8, 32);
    }
    view.setUint16(ip, 0x4500);
    view.setUint16(ip + 2, total);
    view.setUint16(ip + 4, (offset > 0 ? this.count - 1 : this.count) & 0xffff);
    view.setUint16(ip + 6, offset > 0 || more ? (offset >>> 3) | (more ? 0x2000 : 0) : 0x4000);
    view.setUint8(ip + 8, 64);
    view.setUint8(ip + 9, kind.protocol);
    view.setUint32(ip + 12, source!);
    view.setUint32(ip + 16, destination!);
    view.setUint16(ip + 10, fold(sum(view, ip, 20)));
    return sum(view, ip + 12, 8);
  }

  private putTransport(at: number, talk: Running, said: Said, length: number, offset: number, ends: number): void {
    if (offset > 0) return;
    const { view } = this;
    const { talk: kind, port, view: seen } = talk;
    const back = said.back === true;
    const six = seen.six === true;
    const service = back ? (seen.portSeen ?? talk.service) : talk.service;
    view.setUint16(at, back ? service : port);
    view.setUint16(at + 2, back ? port : service);
    if (kind.protocol === TCP) this.putSegment(at, talk, said, length, ends);
    else if (kind.protocol === UDP) {
      view.setUint16(at + 4, length);
      view.setUint16(at + 6, fold(sum(view, at, 6) + ends + UDP + length));
    } else {
      view.setUint16(at, six ? (back ? 0x8100 : 0x8000) : back ? 0 : 0x0800);
      view.setUint16(at + 4, port);
      view.setUint16(at + 6, talk.sent[0]++ & 0xffff);
      view.setUint16(at + 2, 0);
      view.setUint16(at + 2, fold(sum(view, at, 8) + (six ? ends + ICMP6 + length : 0)));
    }
  }

  private putSegment(at: number, talk: Running, said: Said, length: number, ends: number): void {
    const { view } = this;
    const [own, other] = said.back === true ? [1, 0] : [0, 1];
    const flags = said.flags ?? ACK;
    const header = tcpLength(said);
    view.setUint32(at + 4, talk.sent[own]!);
    view.setUint32(at + 8, (flags & ACK) === 0 ? 0 : talk.sent[other]! - (said.lost ?? 0));
    view.setUint16(at + 12, (header << 10) | flags);
    view.setUint16(at + 14, (flags & SYN) === 0 ? 1024 : 64_240);
    let option = at + 20;
    if ((flags & SYN) !== 0) {
      view.setUint32(option, 0x020405b4);
      view.setUint32(option + 4, 0x0402080a);
      view.setUint32(option + 8, talk.time);
      view.setUint32(option + 16, 0x01030307);
    } else {
      view.setUint32(option, 0x0101080a);
      view.setUint32(option + 4, talk.time++);
      option += 12;
      if (said.lost !== undefined) {
        view.setUint32(option, 0x0101050a);
        view.setUint32(option + 4, talk.sent[other]! - said.lost + 700);
        view.setUint32(option + 8, talk.sent[other]!);
      }
    }
    view.setUint16(at + 16, fold(sum(view, at, header) + ends + TCP + length));
    talk.sent[own] = (talk.sent[own]! + length - header + Number((flags & 3) !== 0)) >>> 0;
  }
}

function tcpLength({ flags = ACK, lost }: Said): number {
  return (flags & SYN) !== 0 ? 40 : lost === undefined ? 32 : 44;
}
