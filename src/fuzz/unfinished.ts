/** Packets whose TCP or UDP checksum is left to a device, and such that the kernel has as several: made of packets that were drawn before, for cases in which devices do that and for those in which they do not. */
import type { Draw } from '../extensions/extension.ts';
import { u16 } from '../packet/bytes.ts';
import { pseudoHeaderSum, sum16 } from '../packet/checksum.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { putU16 } from '../packet/rewrite.ts';
import { fillHeaderChecksum } from './build-packet.ts';
import type { FuzzCase } from './case.ts';
import type { Judge } from './features.ts';

const UDP = 17;
const DONT_FRAGMENT = 0x40;
const SUM_AT: Readonly<Record<number, number>> = { 6: 16, [UDP]: 6 };

/** The case with such packets among its own, now and then. Kernels are sent packets by a wire: for them no device has anything to do. */
export function withUnfinished(draw: Draw, fuzzCase: FuzzCase, judge: Judge): FuzzCase {
  if (!draw.chance(0.25)) return fuzzCase;
  const offload = judge === 'software' && draw.chance(0.7);
  const share = draw.pick([0.05, 0.5, 0.9]);
  const sent = fuzzCase.packets.filter(({ direction }) => direction === 'out').map(({ bytes }) => Buffer.from(bytes));
  const packets = fuzzCase.packets.map((packet) => {
    if (!draw.chance(share)) return packet;
    const grown = draw.chance(0.4) && judge === 'software' ? draw.integer(1300, 5000) : 0;
    const bytes = unfinished(packet.bytes, grown, draw.chance(0.9));
    // What the host says of a packet quotes the sum it had; a kernel would quote the other.
    return packet.direction === 'in' && isQuoted(packet.bytes, sent) ? packet : { ...packet, bytes };
  });
  return { ...fuzzCase, packets, profile: { ...fuzzCase.profile, ...(offload && { checksums: 'offload' as const }) } };
}

/** One of these holds the packet's first transport bytes, which an error quotes. */
function isQuoted(packet: Uint8Array, sent: readonly Buffer[]): boolean {
  const offset = packet[0]! >> 4 === 6 ? ipv6.findUpper(packet)?.offset : ipv4.headerLength(packet);
  const begins = Buffer.from(packet.subarray(offset ?? packet.length, (offset ?? packet.length) + 8));
  return begins.length === 8 && sent.some((bytes) => bytes.includes(begins));
}

/** A copy, with so many bytes more behind it; `left`: with the sum of the pseudo header alone. What is no whole packet of TCP or UDP stays as it is. */
function unfinished(packet: Uint8Array, grown: number, left: boolean): Uint8Array {
  const six = packet[0]! >> 4 === 6;
  if (six ? packet.length < ipv6.HEADER_LENGTH : ipv4.checkHeader(packet) !== null) return packet;
  const upper = six
    ? ipv6.findUpper(packet)
    : { protocol: ipv4.protocol(packet), offset: ipv4.headerLength(packet), fragment: isFragment(packet) };
  if (upper === null || upper.fragment) return packet;
  const place = SUM_AT[upper.protocol];
  if (place === undefined || packet.length < upper.offset + place + 2) return packet;
  const bytes = new Uint8Array(packet.length + grown);
  bytes.set(packet);
  if (grown > 0) grow(bytes, six, upper, packet.length);
  if (!left) return bytes;
  const ip = six ? ipv6 : ipv4;
  const total = six ? ipv6.payloadLength(bytes) + ipv6.HEADER_LENGTH : ipv4.totalLength(bytes);
  const pseudo = pseudoHeaderSum(ip.source(bytes), ip.destination(bytes), upper.protocol, Math.max(0, total - upper.offset));
  putU16(bytes, upper.offset + place, sum16(new Uint8Array(0), pseudo));
  return bytes;
}

const isFragment = (bytes: Uint8Array): boolean => ipv4.moreFragments(bytes) || ipv4.fragmentOffset(bytes) !== 0;

function grow(bytes: Uint8Array, six: boolean, { protocol, offset }: { protocol: number; offset: number }, before: number): void {
  if (protocol === UDP && u16(bytes, offset + 4) === before - offset) putU16(bytes, offset + 4, bytes.length - offset);
  putU16(bytes, six ? 4 : 2, six ? bytes.length - ipv6.HEADER_LENGTH : bytes.length);
  // Without DF nothing is too big.
  if (!six) bytes[6] = DONT_FRAGMENT;
  if (!six) fillHeaderChecksum(bytes.subarray(0, ipv4.headerLength(bytes)));
}
