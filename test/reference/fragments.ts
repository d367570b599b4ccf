/** Fragments made by hand, and storms of them under a seed: packets cut at random, mixed, doubled, overlapping, lost, and damaged in every way defragmentation has an opinion about. */
import { icmp, ip, join, SYN, tcp, u16 } from './build.ts';
import type { Random } from './flows.ts';

export interface FragmentMore {
  id?: number;
  more?: boolean;
  tos?: number;
  ttl?: number;
  /** IPv4 only. */
  dontFragment?: boolean;
  options?: readonly number[];
  /** IPv6 only: headers before the fragment header, and the number of the first of them. */
  headers?: readonly number[];
  firstHeader?: number;
}

/** A fragment with these bytes at `offset` (in bytes). `protocol` of the whole packet. */
export function fragment(
  from: string,
  to: string,
  protocol: number,
  data: Uint8Array | readonly number[],
  offset: number,
  more: FragmentMore = {},
): Uint8Array {
  const { id = 7, tos = 0, ttl = 64 } = more;
  const bytes = Uint8Array.from(data);
  if (!from.includes(':')) {
    const flags = (more.more ? 0x2000 : 0) | (more.dontFragment ? 0x4000 : 0) | (offset >> 3);
    return ip(from, to, protocol, bytes, -1, {
      fragment: flags,
      tos,
      ttl,
      id,
      ...(more.options ? { options: more.options } : {}),
    });
  }
  const header = [protocol, 0, ...u16((offset & 0xfff8) | (more.more ? 1 : 0)), 0, 0, ...u16(id)];
  return ip(from, to, protocol, bytes, -1, {
    firstHeader: more.firstHeader ?? 44,
    options: [...(more.headers ?? []), ...header],
    tos,
    ttl,
  });
}

/** An IP packet without options or extension headers, taken apart. */
export interface Taken {
  from: string;
  to: string;
  protocol: number;
  payload: Uint8Array;
}

function address(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  return Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! * 256 + bytes[2 * i + 1]!).toString(16)).join(':');
}

export function takeApart(packet: Uint8Array): Taken {
  const six = packet[0]! >> 4 === 6;
  const [at, width, header] = six ? [8, 16, 40] : [12, 4, 20];
  return {
    from: address(packet.subarray(at, at + width)),
    to: address(packet.subarray(at + width, at + 2 * width)),
    protocol: packet[six ? 6 : 9]!,
    payload: packet.subarray(header),
  };
}

/** The packet in pieces of `size` bytes of data (a multiple of 8), in order. */
export function fragmentsOf(packet: Uint8Array, size: number, more: FragmentMore = {}): Uint8Array[] {
  const { from, to, protocol, payload } = takeApart(packet);
  const out: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const last = at + size >= payload.length;
    out.push(fragment(from, to, protocol, payload.subarray(at, at + size), at, { ...more, more: !last }));
  }
  return out;
}

const pick = <T>(random: Random, choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;
const below = (random: Random, limit: number): number => Math.floor(random() * limit);

/** Extension headers to stand before the fragment header: hop-by-hop options, destination options, both, one of 300 bytes. */
const HEADERS6: readonly FragmentMore[] = [
  { firstHeader: 0, headers: [44, 0, 1, 4, 0, 0, 0, 0] },
  { firstHeader: 60, headers: [44, 0, 1, 4, 0, 0, 0, 0] },
  { firstHeader: 0, headers: [60, 0, 1, 4, 0, 0, 0, 0, 44, 0, 1, 4, 0, 0, 0, 0] },
  { firstHeader: 43, headers: [44, 0, 0, 0, 0, 0, 0, 0] },
  { firstHeader: 60, headers: [43, 29, ...new Array<number>(238).fill(0), 44, 0, 0, 0, 0, 0, 0, 0] },
];
const OPTIONS4: readonly FragmentMore[] = [
  { options: [1, 1, 1, 0] },
  { options: [148, 4, 0, 0] },
  { options: [7, 7, 4, 0, 0, 0, 0, 0] },
];
/** IPv6: what may stand behind the fragment header before the upper one. */
const BEHIND6 = [60, 0, 1, 4, 0, 0, 0, 0];

/** A whole packet of one of few flows. Its data is random, so that a wrong order shows in the checksum. */
function wholePacket(random: Random, six: boolean): Uint8Array {
  const [from, to] = six ? ['2001:db8::1', '2001:db8:1::2'] : [pick(random, ['10.0.0.1', '10.0.0.2']), '10.1.0.2'];
  const data = Uint8Array.from({ length: below(random, pick(random, [4, 60, 200, 700])) }, () => below(random, 256));
  const kind = random();
  const port = 1000 + below(random, 4);
  if (kind < 0.5) {
    const head = [...u16(port), 0, 53, ...u16(8 + data.length), 0, 0];
    return ip(from, to, 17, join(head, data), 6, { badChecksum: random() < 0.05 });
  }
  if (kind < 0.7) return icmp(from, to, six ? 128 : 8, 0, join([0, port & 3, 0, 1], data));
  if (kind < 0.8) return ip(from, to, 50, data.length === 0 ? Uint8Array.of(1) : data);
  return tcp(`${from} ${port}`, `${to} 80`, SYN, { data: data.length });
}

interface Cut {
  offset: number;
  data: Uint8Array;
  more: boolean;
}

function cut(random: Random, payload: Uint8Array): Cut[] {
  const out: Cut[] = [];
  const pieces = 1 + below(random, 5);
  const usual = Math.max(8, Math.ceil(payload.length / pieces / 8) * 8);
  for (let offset = 0; offset < payload.length; ) {
    const size = random() < 0.7 ? usual : 8 * (1 + below(random, 6));
    out.push({ offset, data: payload.subarray(offset, offset + size), more: offset + size < payload.length });
    offset += size;
  }
  return out;
}

/** One thing wrong with one fragment, or nothing. */
function damage(random: Random, piece: Cut, payload: Uint8Array): Cut {
  switch (below(random, 9)) {
    case 0:
      return { ...piece, data: piece.data.subarray(0, below(random, piece.data.length + 1)) };
    case 1:
      return { ...piece, more: !piece.more };
    case 2:
      return { ...piece, offset: Math.max(0, piece.offset + pick(random, [-16, -8, 8, 16])) };
    case 3:
      return { ...piece, data: new Uint8Array(0) };
    case 4:
      return { ...piece, offset: pick(random, [65528, 65520, 65000 & ~7, 8]) };
    case 5:
      // Within what was sent already, or across pieces of it.
      return { ...piece, data: payload.subarray(piece.offset, piece.offset + 8 * below(random, 6)) };
    case 6:
      return { ...piece, data: join(piece.data, [1, 2, 3]) };
    case 7:
      return { ...piece, data: join(piece.data, new Uint8Array(8)) };
    default:
      return { offset: 0, data: piece.data, more: false };
  }
}

function sent(random: Random, six: boolean, number: number, cutHeaders: boolean): Uint8Array[] {
  const whole = wholePacket(random, six);
  const { from, to, protocol, payload } = takeApart(whole);
  if (random() < 0.1) return [whole];
  const behind = six && random() < 0.15;
  const content = behind ? join([protocol], BEHIND6.slice(1), payload) : payload;
  // A few share their ids: the rest of one packet meets the next.
  const id = random() < 0.8 ? 100 + number : 1 + below(random, 12);
  const common: FragmentMore = { id, dontFragment: random() < 0.1, ttl: pick(random, [64, 64, 64, 2]) };
  const marks = random() < 0.8 ? [0] : pick(random, [[1, 2], [2, 3], [1], [3], [0, 2], [0, 1, 2, 3]]);
  const headers = random() < 0.8 ? [] : six ? HEADERS6 : OPTIONS4;
  let pieces = cut(random, content);
  if (random() < 0.3) pieces = pieces.map((piece) => (random() < 0.3 ? damage(random, piece, content) : piece));
  if (random() < 0.1) pieces.splice(below(random, pieces.length), 1);
  if (random() < 0.25) pieces.push(...pieces.filter(() => random() < 0.5));
  if (random() < 0.4) pieces.sort(() => random() - 0.5);
  return pieces.map(({ offset, data, more }) => {
    const own: FragmentMore = headers.length > 0 && random() < 0.8 ? pick(random, headers) : {};
    const packet = fragment(from, to, behind ? 60 : protocol, data, offset, {
      ...common,
      ...own,
      more,
      tos: pick(random, marks),
    });
    return six && cutHeaders && random() < 0.02 ? cutHeader(packet) : packet;
  });
}

/** An IPv6 packet that ends in its fragment header. */
function cutHeader(packet: Uint8Array): Uint8Array {
  const out = packet.slice(0, 46);
  out.set([0, 6], 4);
  return out;
}

/** `count` packets and more: fragments of many packets, a few of them under way at any time. `cutHeaders`: some IPv6 packets end in their fragment header, which nf_tables cannot trace. */
export function fragmentStorm(random: Random, count: number, six: boolean, cutHeaders = true): Uint8Array[] {
  const out: Uint8Array[] = [];
  let number = 0;
  let underWay: Uint8Array[][] = [];
  while (out.length < count) {
    if (underWay.length < 4) underWay.push(sent(random, six, number++, cutHeaders));
    const one = pick(random, underWay);
    const next = one.shift();
    if (next !== undefined) out.push(next);
    underWay = underWay.filter((packets) => packets.length > 0);
  }
  return out;
}
