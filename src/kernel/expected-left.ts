/** Which bytes must leave the firewall for a packet, by its verdict: what the stack itself changes on the way (net/ipv4/ip_forward.c, ip_options.c, raw.c). */
import type { HookName, Verdict } from '../model/outcome.ts';
import type { Family } from '../model/ruleset.ts';
import { u16 } from '../packet/bytes.ts';
import { sum16 } from '../packet/checksum.ts';
import { skipExtensions } from '../packet/ipv6.ts';
import { putU16, updateChecksumAt } from '../packet/rewrite.ts';
import { crc32c } from '../packet/sctp.ts';
import { withoutPadding } from './plan.ts';

/** A range of bytes, the end not in it. */
export type ByteRange = readonly [from: number, to: number];

/** What must leave. */
export interface ExpectedLeft {
  /** From the IP header on. */
  bytes: Uint8Array;
  /** What the host's addresses, its clock or chance decide (addresses and times in options, an id of 0); the header checksum is then right for whatever stands there. */
  free: ByteRange[];
  /** Numbers that chance decides: two bytes each; the transport checksum is then what it must be for the one that stands there. */
  drawn: DrawnNumber[];
}

/** A port or ICMP identifier, and the checksum that covers it; undefined: none does. */
export interface DrawnNumber {
  at: number;
  checksum: number | undefined;
  /** A checksum of 0 is written as 0xffff. */
  neverZero: boolean;
  /** Where the SCTP packet begins whose sum covers it. */
  sctp?: number;
}

const RECORD_ROUTE = 7;
const TIMESTAMP = 68;

/** A timestamp option whose slot is to be filled (RFC 791); `at`: where it begins. */
function stamp(bytes: Uint8Array, at: number): ByteRange[] {
  const [length = 0, pointer = 0, flags = 0] = bytes.subarray(at + 1, at + 4);
  const kind = flags & 15;
  const slot = at + pointer - 1;
  if (pointer > length) {
    // Full: one more host could not register. A list of prespecified addresses does not count them.
    if (kind !== 3) bytes[at + 3] = flags + 16;
    return [];
  }
  // Whether the next prespecified address is one of the host's own decides, so the pointer is not known either.
  if (kind === 3)
    return [
      [at + 2, at + 3],
      [slot + 4, slot + 8],
    ];
  if (kind > 1) return [];
  const size = kind === 0 ? 4 : 8;
  bytes[at + 2] = pointer + size;
  return [[slot, slot + size]];
}

/** A record route option; the next free slot gets an address of the host. */
function record(bytes: Uint8Array, at: number): ByteRange[] {
  const [length = 0, pointer = 0] = bytes.subarray(at + 1, at + 3);
  if (pointer > length) return [];
  bytes[at + 2] = pointer + 4;
  return [[at + pointer - 1, at + pointer + 3]];
}

/** Changes the options as a router does. They are well-formed: a packet with others is not accepted. */
function routeOptions(bytes: Uint8Array, end: number): ByteRange[] {
  const free: ByteRange[] = [];
  for (let at = 20; at < end; ) {
    const type = bytes[at] ?? 0;
    // What stands behind the end of the list is wiped.
    if (type === 0) bytes.fill(0, at, end);
    if (type === 0) break;
    if (type === RECORD_ROUTE) free.push(...record(bytes, at));
    if (type === TIMESTAMP) free.push(...stamp(bytes, at));
    at += type === 1 ? 1 : Math.max(2, bytes[at + 1] ?? 0);
  }
  return free;
}

/** The IPv4 header's checksum with what stands in its place left out. */
function headerChecksum(bytes: Uint8Array): number {
  const end = ((bytes[0] ?? 0) & 15) * 4;
  let sum = 0;
  for (let at = 0; at < end; at += 2) if (at !== 10) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function forwarded(bytes: Uint8Array, family: Family): ByteRange[] {
  const ttl = family === 4 ? 8 : 7;
  bytes[ttl] = (bytes[ttl] ?? 0) - 1;
  return family === 4 ? routeOptions(bytes, ((bytes[0] ?? 0) & 15) * 4) : [];
}

/** A raw socket fills in an id and a source of zero. */
function sent(bytes: Uint8Array, family: Family): ByteRange[] {
  if (family === 6) return [];
  const zero = (from: number, to: number) => bytes.subarray(from, to).every((byte) => byte === 0);
  const whole = ((bytes[6] ?? 0) & 0x40) !== 0;
  return [...(zero(4, 6) && !whole ? [[4, 6] as const] : []), ...(zero(12, 16) ? [[12, 16] as const] : [])];
}

/**
 * The one packet that must leave for a packet (from its IP header on, padding allowed) with this verdict at this hook; undefined: nothing leaves.
 * `packet` is what rules made of it. It holds where no rule changes TTL, TOS... and nothing is fragmented or reassembled: the outgoing MTU is as large as the packet,
 * and a fragment only where no conntrack is. What is sent (OUTPUT) must be for another host: over lo nothing leaves.
 */
export function expectedLeft(
  packet: Uint8Array,
  verdict: Verdict | null | undefined,
  hook: HookName | null | undefined,
  drawn: readonly ('source' | 'destination')[] = [],
): ExpectedLeft | undefined {
  if (verdict !== 'ACCEPT' || (hook !== 'FORWARD' && hook !== 'OUTPUT')) return undefined;
  const family: Family = (packet[0] ?? 0) >> 4 === 6 ? 6 : 4;
  const bytes = Uint8Array.from(withoutPadding(packet, family));
  const free = hook === 'FORWARD' ? forwarded(bytes, family) : sent(bytes, family);
  if (family === 4) setChecksum(bytes);
  return { bytes, free, drawn: drawn.flatMap((end) => drawnNumber(bytes, family, end)) };
}

const TCP = 6;
const UDP = 17;
const UDPLITE = 136;
const SCTP = 132;
const SCTP_HEADER = 12;
const SCTP_SUM = 8;
const ICMP: Readonly<Record<Family, number>> = { 4: 1, 6: 58 };

/** Where the drawn port of a source or destination lies. */
function drawnNumber(bytes: Uint8Array, family: Family, end: 'source' | 'destination'): DrawnNumber[] {
  const upper = transportOf(bytes);
  if (upper === undefined) return [];
  const { protocol, offset: transport } = upper;
  if (protocol === ICMP[family]) return [{ at: transport + 4, checksum: transport + 2, neverZero: false }];
  if (protocol === SCTP)
    return [{ at: transport + (end === 'source' ? 0 : 2), checksum: undefined, neverZero: false, sctp: transport }];
  const sum = protocol === TCP ? 16 : protocol === UDP || protocol === UDPLITE ? 6 : undefined;
  const unsummed = sum === undefined || (protocol === UDP && u16(bytes, transport + 6) === 0);
  return [{ at: transport + (end === 'source' ? 0 : 2), checksum: unsummed ? undefined : transport + sum, neverZero: sum === 6 }];
}

/** Protocol and place of the transport header; undefined: there is none. */
function transportOf(bytes: Uint8Array): { protocol: number; offset: number } | undefined {
  if ((bytes[0] ?? 0) >> 4 === 4) return { protocol: bytes[9] ?? 0, offset: ((bytes[0] ?? 0) & 15) * 4 };
  const upper = skipExtensions(bytes);
  return upper === 'unparsable' ? undefined : upper;
}

/** Puts the number that was drawn in its place. */
function adopt(bytes: Uint8Array, actual: Uint8Array, { at, checksum, neverZero, sctp }: DrawnNumber): void {
  const [own, other] = [u16(bytes, at), u16(actual, at)];
  putU16(bytes, at, other);
  if (own === other) return;
  if (sctp !== undefined) putSctpSum(bytes.subarray(sctp));
  if (checksum === undefined) return;
  updateChecksumAt(bytes, checksum, [own], [other]);
  if (neverZero && u16(bytes, checksum) === 0) putU16(bytes, checksum, 0xffff);
}

/** Who changes a port sums the whole packet anew (sctp_manip_pkt). */
function putSctpSum(message: Uint8Array): void {
  if (message.length < SCTP_HEADER) return;
  new DataView(message.buffer, message.byteOffset).setUint32(SCTP_SUM, crc32c(message), true);
}

function setChecksum(bytes: Uint8Array): void {
  const sum = headerChecksum(bytes);
  bytes[10] = sum >> 8;
  bytes[11] = sum & 255;
}

/**
 * A transport checksum that is the pseudo header's sum alone is left to the device to make (CHECKSUM_PARTIAL): a veth hands the packet over as it is. It is nf_nat_helper.c that leaves the checksums of
 * all packets so whose data it replaced.
 */
function asOnTheWire(bytes: Uint8Array): Uint8Array {
  const upper = transportOf(bytes);
  const place = upper === undefined ? undefined : CHECKSUMS[upper.protocol];
  if (upper === undefined || place === undefined || bytes.length < upper.offset + place + 2) return bytes;
  const data = bytes.subarray(upper.offset);
  const addresses = (bytes[0] ?? 0) >> 4 === 4 ? bytes.subarray(12, 20) : bytes.subarray(8, 40);
  const pseudo = sum16(addresses, upper.protocol + data.length);
  if (u16(data, place) !== pseudo) return bytes;
  const out = Uint8Array.from(bytes);
  // The pseudo header is in the field already.
  putU16(out, upper.offset + place, ~sum16(data) & 0xffff || 0xffff);
  return out;
}

const CHECKSUMS: Readonly<Record<number, number>> = { [TCP]: 16, [UDP]: 6 };

/** How what left differs from what must leave, in one line; undefined when it does not. A sum that a device is to make is as good as made; what was sent with an unfinished one leaves as it is. */
export function leftDifference(expected: ExpectedLeft | undefined, left: readonly Uint8Array[]): string | undefined {
  const hex = (bytes: Uint8Array | undefined) => (bytes === undefined ? 'nothing' : Buffer.from(bytes).toString('hex'));
  if (left.length > 1) return `expected ${hex(expected?.bytes)}, ${left.length} packets left: ${left.map(hex).join(' ')}`;
  const [raw] = left;
  const actual = raw && asOnTheWire(raw);
  const wanted = actual === undefined ? expected?.bytes : expected && freed(expected, actual);
  if (hex(wanted) === hex(actual)) return undefined;
  if (expected !== undefined && raw !== undefined && hex(freed(expected, raw)) === hex(raw)) return undefined;
  return `expected ${hex(wanted)}, left ${hex(actual)}`;
}

/** What must leave, with what is free and was drawn as in the bytes that did. */
function freed({ bytes, free, drawn }: ExpectedLeft, actual: Uint8Array): Uint8Array {
  if (free.length + drawn.length === 0) return bytes;
  const wanted = Uint8Array.from(bytes);
  for (const [from, to] of free) wanted.set(actual.subarray(from, to), from);
  for (const number of drawn) if (number.at + 2 <= actual.length) adopt(wanted, actual, number);
  if ((wanted[0] ?? 0) >> 4 === 4) setChecksum(wanted);
  return wanted;
}
