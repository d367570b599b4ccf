/** Packets, written byte by byte. */
import { Writer } from './files.ts';

export interface Ip4 {
  source?: number;
  destination?: number;
  protocol?: number;
  ttl?: number;
  tos?: number;
  /** Flags and offset word. */
  fragment?: number;
  options?: readonly number[];
  payload?: readonly number[];
  total?: number;
  first?: number;
  checksum?: number;
}

/** An IPv4 packet with a right checksum unless one is given. */
export function ip4(packet: Ip4 = {}): number[] {
  const { options = [], payload = tcp(), source = 0x0a000001, destination = 0xc0a80102 } = packet;
  const header = 20 + options.length;
  const out = new Writer(true)
    .u8(packet.first ?? 0x40 | (header / 4), packet.tos ?? 0)
    .u16(packet.total ?? header + payload.length);
  out
    .u16(0x1234)
    .u16(packet.fragment ?? 0)
    .u8(packet.ttl ?? 64, packet.protocol ?? 6);
  const bytes = [...out.u16(0).u32(source).u32(destination).bytes(options).done()];
  const sum = packet.checksum ?? checksum(bytes);
  bytes[10] = sum >> 8;
  bytes[11] = sum & 255;
  return [...bytes, ...payload];
}

function checksum(bytes: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export interface Ip6 {
  source?: readonly number[];
  destination?: readonly number[];
  next?: number;
  hops?: number;
  trafficClass?: number;
  payload?: readonly number[];
  length?: number;
  version?: number;
}

export const DOC1 = [0x20010db8, 0, 0, 1];
export const DOC2 = [0x20010db8, 1, 0, 2];

export function ip6(packet: Ip6 = {}): number[] {
  const { payload = tcp(), source = DOC1, destination = DOC2 } = packet;
  const out = new Writer(true).u32(((packet.version ?? 6) << 28) | ((packet.trafficClass ?? 0) << 20) | 0x12345);
  out.u16(packet.length ?? payload.length).u8(packet.next ?? 6, packet.hops ?? 64);
  for (const word of [...source, ...destination]) out.u32(word);
  return [...out.bytes(payload).done()];
}

/** A TCP header from port 1234 to port 80. */
export function tcp(flags = 0x02): number[] {
  return [4, 210, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0];
}

export const MAC_A = [0x02, 0, 0, 0, 0, 0x0a];
export const MAC_B = [0x02, 0, 0, 0, 0, 0x0b];

export function frame(
  type: number,
  payload: readonly number[],
  destination: readonly number[] = MAC_A,
  source: readonly number[] = MAC_B,
): number[] {
  return [...destination, ...source, type >> 8, type & 255, ...payload];
}
