/** Packets made by hand: IP header on, checksums right unless told otherwise. Written for the reference's tests, from the RFCs. */

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;
export const URG = 32;

function onesComplement(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) total += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

export function addressBytes(text: string): Uint8Array {
  if (!text.includes(':')) return Uint8Array.from(text.split('.').map(Number));
  const [head = '', tail = ''] = text.split('::');
  const groups = (part: string): number[] => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  const [left, right] = [groups(head), groups(tail)];
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]));
}

export function join(...parts: (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => Array.from(part)));
}

/** Two bytes, the higher first. */
export const u16 = (value: number): number[] => [(value >> 8) & 255, value & 255];
const u32 = (value: number): number[] => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

export interface IpMore {
  ttl?: number;
  tos?: number;
  /** IPv4: flags and offset as in the header. */
  fragment?: number;
  /** IPv4. */
  id?: number;
  /** IPv4 options, or IPv6 extension headers (then `firstHeader` names the first). */
  options?: readonly number[];
  firstHeader?: number;
  badChecksum?: boolean;
}

/** `sumAt`: where the payload's checksum goes, -1 for none. */
export function ip(from: string, to: string, protocol: number, payload: Uint8Array, sumAt = -1, more: IpMore = {}): Uint8Array {
  const [source, destination] = [addressBytes(from), addressBytes(to)];
  const body = payload.slice();
  if (sumAt >= 0) {
    const pseudo = protocol === 1 ? [] : join(source, destination, u32(body.length), [0, 0, 0, protocol]);
    body.set(u16(onesComplement(join(pseudo, body))), sumAt);
    if (more.badChecksum) body[sumAt] = (body[sumAt]! ^ 0x55) & 255;
  }
  const options = more.options ?? [];
  const ttl = more.ttl ?? 64;
  if (source.length === 16) {
    const first = more.firstHeader ?? protocol;
    const class4 = (more.tos ?? 0) >> 4;
    const head = [0x60 | class4, ((more.tos ?? 0) & 15) << 4, 0, 0, ...u16(options.length + body.length), first, ttl];
    return join(head, source, destination, options, body);
  }
  const head = [0x45 + options.length / 4, more.tos ?? 0, ...u16(20 + options.length + body.length), ...u16(more.id ?? 1)];
  const rest = join(head, u16(more.fragment ?? 0), [ttl, protocol, 0, 0], source, destination, options);
  rest.set(u16(onesComplement(rest)), 10);
  return join(rest, body);
}

/** So many zero bytes, these characters (a byte each), or these bytes. */
export type Data = number | string | Uint8Array;

function bytesOf(data: Data): Uint8Array {
  if (typeof data === 'number') return new Uint8Array(data);
  return typeof data === 'string' ? Uint8Array.from(data, (character) => character.charCodeAt(0)) : data;
}

export interface TcpMore extends IpMore {
  seq?: number;
  ack?: number;
  window?: number;
  data?: Data;
  tcpOptions?: readonly number[];
}

/** `from` and `to` are `ADDRESS PORT`. */
export function tcp(from: string, to: string, flags: number, more: TcpMore = {}): Uint8Array {
  const [source = '', sport] = from.split(' ');
  const [destination = '', dport] = to.split(' ');
  const options = more.tcpOptions ?? [];
  const head = [...u16(Number(sport)), ...u16(Number(dport)), ...u32(more.seq ?? 1000), ...u32(more.ack ?? 0)];
  const offset = (5 + options.length / 4) << 4;
  const segment = join(head, [offset, flags], u16(more.window ?? 8192), [0, 0, 0, 0], options, bytesOf(more.data ?? 0));
  return ip(source, destination, 6, segment, 16, more);
}

export function udp(
  from: string,
  to: string,
  more: IpMore & { data?: Data; length?: number; noChecksum?: boolean } = {},
): Uint8Array {
  const [source = '', sport] = from.split(' ');
  const [destination = '', dport] = to.split(' ');
  const data = bytesOf(more.data ?? 4);
  const head = [...u16(Number(sport)), ...u16(Number(dport)), ...u16(more.length ?? 8 + data.length), 0, 0];
  return ip(source, destination, 17, join(head, data), more.noChecksum ? -1 : 6, more);
}

/** ICMP or ICMPv6 by the kind of address. `rest`: what follows the checksum. */
export function icmp(
  from: string,
  to: string,
  type: number,
  code: number,
  rest: Uint8Array | readonly number[],
  more: IpMore = {},
): Uint8Array {
  return ip(from, to, from.includes(':') ? 58 : 1, join([type, code, 0, 0], rest), 2, more);
}

/** Echo request (answer: `reply`). */
export function ping(from: string, to: string, more: IpMore & { id?: number; reply?: boolean; data?: Data } = {}): Uint8Array {
  const six = from.includes(':');
  const type = more.reply ? (six ? 129 : 0) : six ? 128 : 8;
  return icmp(from, to, type, 0, join(u16(more.id ?? 7), [0, 1], bytesOf(more.data ?? 0)), more);
}
