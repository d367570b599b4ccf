/** Simpler packets: usual header values, no options, no payload. Lengths move with the bytes; checksums that were right stay right, wrong ones stay wrong. */
import { formatAddress } from '../model/address.ts';
import type { Family } from '../model/ruleset.ts';
import { CHECKSUM_AT, fillChecksum, fillHeaderChecksum } from './build-packet.ts';
import type { FuzzPacket } from './packets.ts';
import { MACS } from './pools.ts';

/** The millisecond that lies between packets that need no other distance. */
const MOMENT = 1_000_000n;
const USUAL_TTL = 64;

/** The packets a moment apart. */
export function unpaused(packets: readonly FuzzPacket[]): FuzzPacket[] {
  const start = packets[0]?.time ?? 0n;
  return packets.map((packet, index) => ({ ...packet, time: start + BigInt(index) * MOMENT }));
}

/** Packets that differ from this one in a step towards the plainest. */
export function* simplerPacket(packet: FuzzPacket): Generator<FuzzPacket> {
  if (packet.kind !== 'host' || packet.sourceMac !== MACS[0]) yield { ...packet, kind: 'host', sourceMac: MACS[0]! };
  for (const bytes of simplerBytes(packet.bytes, packet.family)) if (!same(bytes, packet.bytes)) yield { ...packet, bytes };
}

function* simplerBytes(bytes: Uint8Array, family: Family): Generator<Uint8Array> {
  const parts = split(bytes, family);
  if (parts === undefined) return;
  const { header, between, transport } = parts;
  yield join(parts, usualHeader(header, family), between, transport);
  if (between.length > 0) {
    if (family === 4) yield join(parts, header, between.subarray(between.length), transport);
    else yield join(parts, header.with(6, between[0]!), between.subarray(extensionLength(header[6]!, between)), transport);
  }
  const end = transportHeader(parts);
  if (end < transport.length) yield join(parts, header, between, transport.subarray(0, end));
  if (parts.protocol === 6 && end > 20 && transport.length >= end) {
    const plain = Uint8Array.of(...transport.subarray(0, 20), ...transport.subarray(end));
    plain[12] = 0x50;
    yield join(parts, header, between, plain);
  }
}

interface Parts {
  family: Family;
  protocol: number;
  header: Uint8Array;
  /** IPv4 options or IPv6 extension headers up to the one that ends the chain. */
  between: Uint8Array;
  transport: Uint8Array;
  headerChecksumRight: boolean;
  /** A whole packet whose transport checksum is right. */
  checksumRight: boolean;
}

const same = (one: Uint8Array, two: Uint8Array): boolean =>
  one.length === two.length && one.every((byte, at) => byte === two[at]);

const extensionLength = (type: number, bytes: Uint8Array): number =>
  Math.min(bytes.length, type === 51 ? (bytes[1]! + 2) * 4 : (bytes[1]! + 1) * 8);

/** undefined for what is too broken to be taken apart. */
function split(bytes: Uint8Array, family: Family): Parts | undefined {
  const fixed = family === 4 ? 20 : 40;
  if (bytes.length < fixed) return undefined;
  let end = fixed;
  let protocol = family === 4 ? bytes[9]! : bytes[6]!;
  if (family === 4) end = Math.max(fixed, (bytes[0]! & 15) * 4);
  else
    while ([0, 43, 51, 60].includes(protocol) && end + 8 <= bytes.length) {
      const length = extensionLength(protocol, bytes.subarray(end));
      protocol = bytes[end]!;
      end += length;
    }
  if (end > bytes.length) return undefined;
  const parts = {
    family,
    protocol,
    header: bytes.slice(0, fixed),
    between: bytes.slice(fixed, end),
    transport: bytes.slice(end),
  };
  const whole = family === 6 || ((bytes[6]! << 8) | bytes[7]!) % 0x4000 === 0;
  const candidate = { ...parts, headerChecksumRight: true, checksumRight: whole };
  const again = join(candidate, parts.header, parts.between, parts.transport);
  return {
    ...parts,
    headerChecksumRight: again[10] === bytes[10] && again[11] === bytes[11],
    checksumRight: whole && same(again.subarray(end), parts.transport),
  };
}

/** The pieces as a packet: its length field is moved by what the bytes grew or shrank. */
function join(parts: Parts, header: Uint8Array, between: Uint8Array, transport: Uint8Array): Uint8Array {
  const { family, protocol } = parts;
  const out = Uint8Array.of(...header, ...between, ...transport);
  const view = new DataView(out.buffer);
  const lengthAt = family === 4 ? 2 : 4;
  const grown = between.length + transport.length - parts.between.length - parts.transport.length;
  view.setUint16(lengthAt, Math.max(0, view.getUint16(lengthAt) + grown));
  const start = header.length + between.length;
  if (family === 4) {
    out[0] = 0x40 | (start / 4);
    if (parts.headerChecksumRight) fillHeaderChecksum(out.subarray(0, start));
  }
  const body = out.subarray(start);
  const at = CHECKSUM_AT[protocol];
  if (protocol === 17 && body.length >= 8 && grown !== 0) new DataView(body.buffer, body.byteOffset).setUint16(4, body.length);
  if (parts.checksumRight && at !== undefined && body.length >= at + 2) fillChecksum(body, at, ends(out, family, protocol));
  return out;
}

function ends(bytes: Uint8Array, family: Family, protocol: number) {
  const view = new DataView(bytes.buffer);
  const words = family === 4 ? 1 : 4;
  const address = (from: number): string =>
    formatAddress(Array.from({ length: words }, (_, index) => view.getUint32(from + index * 4)));
  return { family, protocol, source: address(family === 4 ? 12 : 8), destination: address(family === 4 ? 16 : 24) };
}

function usualHeader(header: Uint8Array, family: Family): Uint8Array {
  const out = header.slice();
  if (family === 6) {
    out.set([0x60, 0, 0, 0]);
    out[7] = USUAL_TTL;
    return out;
  }
  out[1] = 0;
  out.set([0, 1], 4);
  out[6]! &= 0x3f;
  out[8] = USUAL_TTL;
  return out;
}

/** Where the transport's payload begins; the whole of it when that cannot be told. */
function transportHeader({ protocol, transport }: Parts): number {
  if (protocol === 6) return transport.length < 20 ? transport.length : Math.max(20, (transport[12]! >> 4) * 4);
  return [1, 17, 58].includes(protocol) ? 8 : transport.length;
}
