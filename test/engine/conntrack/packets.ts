/** Literal IP packets for the tests of connection tracking: headers byte by byte, checksums by the plainest sum there is. */

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;
export const URG = 32;

export interface Tcp {
  flags: number;
  seq?: number;
  ack?: number;
  window?: number;
  options?: number[];
  data?: number;
  sport?: number;
  dport?: number;
}

/** The Internet checksum of bytes. */
export function internetChecksum(bytes: number[]): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

export const u16 = (value: number): number[] => [(value >> 8) & 255, value & 255];
export const u32 = (value: number): number[] => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

/** Bytes of `10.0.0.1` or of a full `2001:db8:0:0:0:0:0:1`. */
export function address(text: string): number[] {
  if (text.includes('.')) return text.split('.').map(Number);
  return text.split(':').flatMap((word) => u16(Number.parseInt(word, 16)));
}

/** IP around a payload whose transport checksum is at `checksumAt` (filled in unless negative). Pseudo header unless ICMP. */
export function ip(
  from: string,
  to: string,
  protocol: number,
  payload: number[],
  checksumAt = -1,
  options: IpOptions = {},
): Uint8Array {
  const source = address(from);
  const destination = address(to);
  const body = [...payload];
  if (checksumAt >= 0) {
    const pseudo = protocol === 1 ? [] : [...source, ...destination, ...u32(body.length), ...u32(protocol)];
    body.splice(checksumAt, 2, ...u16(internetChecksum([...pseudo, ...body])));
  }
  if (source.length === 4) {
    const header = [0x45, 0, ...u16(20 + body.length), 0, 1, ...u16(options.fragment ?? 0), options.ttl ?? 64, protocol, 0, 0];
    header.push(...source, ...destination);
    header.splice(10, 2, ...u16(internetChecksum(header)));
    return Uint8Array.from([...header, ...body]);
  }
  return Uint8Array.from([0x60, 0, 0, 0, ...u16(body.length), protocol, options.ttl ?? 64, ...source, ...destination, ...body]);
}

export interface IpOptions {
  fragment?: number;
  ttl?: number;
}

/** A TCP segment; data is `data` bytes of 0x61. */
export function tcp(from: string, to: string, fields: Tcp): Uint8Array {
  const options = fields.options ?? [];
  const offset = 20 + options.length;
  const header = [
    ...u16(fields.sport ?? 1000),
    ...u16(fields.dport ?? 80),
    ...u32(fields.seq ?? 0),
    ...u32(fields.ack ?? 0),
    (offset / 4) << 4,
    fields.flags,
    ...u16(fields.window ?? 10000),
    0,
    0,
    0,
    0,
    ...options,
  ];
  return ip(from, to, 6, [...header, ...new Array<number>(fields.data ?? 0).fill(0x61)], 16);
}

export function udp(from: string, to: string, sport: number, dport: number, data = 4): Uint8Array {
  return ip(from, to, 17, [...u16(sport), ...u16(dport), ...u16(8 + data), 0, 0, ...new Array<number>(data).fill(0x62)], 6);
}

export function icmp(from: string, to: string, type: number, code: number, identifier: number, data: number[] = []): Uint8Array {
  return ip(from, to, from.includes(':') ? 58 : 1, [type, code, 0, 0, ...u16(identifier), 0, 1, ...data], 2);
}

/** An ICMP error that quotes `length` bytes of a packet. */
export function icmpError(from: string, to: string, type: number, quoted: Uint8Array, length = quoted.length): Uint8Array {
  return icmp(from, to, type, 0, 0, [...quoted.subarray(0, length)]);
}
