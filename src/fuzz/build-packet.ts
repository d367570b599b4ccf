/** Builds IP packets byte by byte for the fuzzer: right by default, wrong on request. Knows formats, nothing of the witnesses. */
import { parseAddress } from '../model/address.ts';
import type { Family } from '../model/ruleset.ts';
import { type HeaderChain, NO_CHAIN } from './headers.ts';

export interface IpFields {
  family: Family;
  source: string;
  destination: string;
  protocol: number;
  ttl: number;
  tos: number;
  id: number;
  /** IPv4 flags and offset as in the header (DF 0x4000, MF 0x2000, offset in units of 8). IPv6: a fragment header is put in when not 0 (offset << 3 | more). */
  fragment: number;
  /** IPv4 options, padded to four. */
  options: Uint8Array;
  /** IPv6 extension headers before the fragment header. */
  chain?: HeaderChain;
  /** Added to the right total or payload length. */
  lengthOff: number;
  /** Spoils the IPv4 header checksum. */
  badChecksum: boolean;
}

/** The fields of a packet like most: TTL 64, whole, without options, nothing spoiled. */
export const usualFields = (ends: Pick<IpFields, 'family' | 'source' | 'destination' | 'protocol'>): IpFields => ({
  ...ends,
  ttl: 64,
  tos: 0,
  id: 1,
  fragment: 0,
  options: new Uint8Array(0),
  lengthOff: 0,
  badChecksum: false,
});

/** Where transport headers have their checksum, by protocol: ICMP, TCP, UDP, ICMPv6. */
export const CHECKSUM_AT: Readonly<Record<number, number>> = { 1: 2, 6: 16, 17: 6, 58: 2 };

/** A packet like most around a transport header, whose checksum is filled in where its protocol has one. */
export function usualPacket(ends: Parameters<typeof usualFields>[0], transport: Uint8Array): Uint8Array {
  const fields = usualFields(ends);
  const at = CHECKSUM_AT[ends.protocol];
  if (at !== undefined) fillChecksum(transport, at, fields);
  return ipPacket(fields, transport);
}

const sum16 = (bytes: Uint8Array, start = 0): number => {
  let total = start;
  for (let at = 0; at < bytes.length; at += 2) total += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  return total;
};

const fold = (total: number): number => {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 65536);
  return ~folded & 0xffff;
};

const known = new Map<string, Uint8Array>();

/** Address bytes in network order. The array is shared: do not write to it. */
export function addressBytes(text: string, family: Family): Uint8Array {
  const before = known.get(text);
  if (before !== undefined) return before;
  const bytes = readAddress(text, family);
  known.set(text, bytes);
  return bytes;
}

function readAddress(text: string, family: Family): Uint8Array {
  const words = parseAddress(text, family);
  if (words === undefined) throw new Error(`no address: ${text}`);
  const out = new Uint8Array(words.length * 4);
  for (const [index, word] of words.entries()) new DataView(out.buffer).setUint32(index * 4, word);
  return out;
}

/** The transport checksum over the pseudo header; `at` is where it stands. 0 is sent as 0xffff for UDP. */
export function fillChecksum(
  transport: Uint8Array,
  at: number,
  fields: Pick<IpFields, 'family' | 'source' | 'destination' | 'protocol'>,
): void {
  transport[at] = 0;
  transport[at + 1] = 0;
  const pseudo = sum16(addressBytes(fields.source, fields.family)) + sum16(addressBytes(fields.destination, fields.family));
  const own = fields.family === 4 && fields.protocol === 1 ? 0 : pseudo + fields.protocol + transport.length;
  let value = fold(sum16(transport, own));
  if (value === 0 && fields.protocol === 17) value = 0xffff;
  transport[at] = value >> 8;
  transport[at + 1] = value & 255;
}

/** The checksum of an IPv4 header with its options. */
export function fillHeaderChecksum(header: Uint8Array): void {
  header.set([0, 0], 10);
  const value = fold(sum16(header));
  header.set([value >> 8, value & 255], 10);
}

/** The IP packet around a transport payload. */
export function ipPacket(fields: IpFields, payload: Uint8Array): Uint8Array {
  return fields.family === 4 ? ipv4Packet(fields, payload) : ipv6Packet(fields, payload);
}

function ipv4Packet(fields: IpFields, payload: Uint8Array): Uint8Array {
  const optionBytes = (fields.options.length + 3) & ~3;
  const header = 20 + optionBytes;
  const out = new Uint8Array(header + payload.length);
  const view = new DataView(out.buffer);
  out[0] = 0x40 | (header / 4);
  out[1] = fields.tos;
  view.setUint16(2, Math.max(0, out.length + fields.lengthOff) & 0xffff);
  view.setUint16(4, fields.id);
  view.setUint16(6, fields.fragment);
  out[8] = fields.ttl;
  out[9] = fields.protocol;
  out.set(addressBytes(fields.source, 4), 12);
  out.set(addressBytes(fields.destination, 4), 16);
  out.set(fields.options, 20);
  fillHeaderChecksum(out.subarray(0, header));
  if (fields.badChecksum) out[11]! ^= 1;
  out.set(payload, header);
  return out;
}

function ipv6Packet(fields: IpFields, payload: Uint8Array): Uint8Array {
  const fragment = fields.fragment === 0 ? 0 : 8;
  const chain = fields.chain ?? NO_CHAIN;
  const out = new Uint8Array(40 + chain.bytes.length + fragment + payload.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, (6 << 28) | (fields.tos << 20));
  view.setUint16(4, Math.max(0, out.length - 40 + fields.lengthOff) & 0xffff);
  const behind = fragment === 0 ? fields.protocol : 44;
  out[6] = chain.last >= 0 ? chain.first : behind;
  out[7] = fields.ttl;
  out.set(addressBytes(fields.source, 6), 8);
  out.set(addressBytes(fields.destination, 6), 24);
  out.set(chain.bytes, 40);
  if (chain.last >= 0) out[40 + chain.last] = behind;
  if (fragment !== 0) {
    const at = 40 + chain.bytes.length;
    out[at] = fields.protocol;
    view.setUint16(at + 2, fields.fragment);
    view.setUint32(at + 4, fields.id);
  }
  out.set(payload, out.length - payload.length);
  return out;
}

export interface TcpFields {
  sourcePort: number;
  destinationPort: number;
  sequence: number;
  acknowledged: number;
  flags: number;
  window: number;
  options: Uint8Array;
  /** How many bytes, or which. */
  data: number | Uint8Array;
  /** Instead of the right data offset (in words). */
  dataOffset?: number;
}

/** A TCP segment without checksum. */
export function tcpSegment(fields: TcpFields): Uint8Array {
  const header = 20 + ((fields.options.length + 3) & ~3);
  const out = withData(header, fields.data, 0x61);
  const view = new DataView(out.buffer);
  view.setUint16(0, fields.sourcePort);
  view.setUint16(2, fields.destinationPort);
  view.setUint32(4, fields.sequence);
  view.setUint32(8, fields.acknowledged);
  out[12] = (fields.dataOffset ?? header / 4) << 4;
  out[13] = fields.flags;
  view.setUint16(14, fields.window);
  out.set(fields.options, 20);
  return out;
}

/** Room for a header, then the data, or so many bytes `fill`. */
function withData(header: number, data: number | Uint8Array, fill: number): Uint8Array {
  if (typeof data === 'number') return new Uint8Array(header + data).fill(fill, header);
  const out = new Uint8Array(header + data.length);
  out.set(data, header);
  return out;
}

/** A UDP datagram without checksum; `lengthOff` is added to its length field. */
export function udpDatagram(sourcePort: number, destinationPort: number, data: number | Uint8Array, lengthOff = 0): Uint8Array {
  const out = withData(8, data, 0x62);
  const view = new DataView(out.buffer);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  view.setUint16(4, Math.max(0, out.length + lengthOff));
  return out;
}

/** An ICMP or ICMPv6 message without checksum. */
export function icmpMessage(type: number, code: number, rest: number, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(8 + body.length);
  out[0] = type;
  out[1] = code;
  new DataView(out.buffer).setUint32(4, rest);
  out.set(body, 8);
  return out;
}

/** An Ethernet II frame, padded to 60 bytes when `pad`. */
export function ethernetFrame(destination: string, source: string, family: Family, ip: Uint8Array, pad: boolean): Uint8Array {
  const out = new Uint8Array(Math.max(14 + ip.length, pad ? 60 : 0));
  const mac = (text: string): number[] => text.split(':').map((byte) => Number.parseInt(byte, 16));
  out.set(mac(destination), 0);
  out.set(mac(source), 6);
  out.set(family === 4 ? [0x08, 0x00] : [0x86, 0xdd], 12);
  out.set(ip, 14);
  return out;
}
