/** Translating the bytes of packets and of the packets that ICMP errors quote: net/netfilter/nf_nat_proto.c of 6.18. */
import type { Family, Words } from '../../model/ruleset.ts';
import { u8, u16, words } from '../../packet/bytes.ts';
import { pseudoHeaderSum, sum16 } from '../../packet/checksum.ts';
import * as ipv4 from '../../packet/ipv4.ts';
import * as ipv6 from '../../packet/ipv6.ts';
import { addressAt, halves, putAddress, putU16, updateChecksumAt } from '../../packet/rewrite.ts';
import { crc32c } from '../../packet/sctp.ts';
import { GRE, ICMP, ICMPV6, SCTP, TCP, type Tuple, UDP, UDPLITE } from '../conntrack/tuple.ts';
import type { Manip } from './choose.ts';

/** ICMP messages with an identifier. */
const IDENTIFIED: readonly number[] = [0, 8, 13, 14, 15, 16, 17, 18];
const ECHO6: readonly number[] = [128, 129];
const IP_HEADER = { 4: 20, 6: ipv6.HEADER_LENGTH } as const;
const ICMP_HEADER = 8;
const TCP_HEADER = 20;
const SCTP_HEADER = 12;

/** The IP header in hand, and what becomes of it. */
interface Work {
  bytes: Uint8Array;
  family: Family;
  ip: number;
  transport: number;
  target: Tuple;
  source: boolean;
}

/** Changes `bytes` from the IP header at `ip` on: source, or destination, become those of `target`. False: too little of the packet is there, it is dropped. */
export function translate(bytes: Uint8Array, family: Family, ip: number, target: Tuple, manip: Manip): boolean {
  if (bytes.length - ip < IP_HEADER[family]) return false;
  const source = manip === 'source';
  const transport = transportOf(bytes, family, ip);
  if (transport !== null && !translateTransport({ bytes, family, ip, transport, target, source })) return false;
  putAddress(bytes, family, ip, source, source ? target.source : target.destination);
  return true;
}

/** null: a chain of IPv6 headers that cannot be followed, or a later fragment: only addresses change. */
function transportOf(bytes: Uint8Array, family: Family, ip: number): number | null {
  if (family === 4) return ip + (u8(bytes, ip) & 15) * 4;
  const upper = ipv6.skipExtensions(bytes, ip);
  return upper === 'unparsable' || upper.fragmentOffset !== 0 ? null : upper.offset;
}

function translateTransport(work: Work): boolean {
  const { bytes, transport, target, source } = work;
  const present = bytes.length - transport;
  const port = source ? target.sourcePort : target.destinationPort;
  const portAt = transport + (source ? 0 : 2);
  switch (target.protocol) {
    case TCP: {
      if (present < 8) return false;
      const old = u16(bytes, portAt);
      putU16(bytes, portAt, port);
      if (present < TCP_HEADER) return true;
      followAddress(work, transport + 16);
      updateChecksumAt(bytes, transport + 16, [old], [port]);
      return true;
    }
    case UDP:
    case UDPLITE: {
      if (present < 8) return false;
      // UDP without a checksum stays so.
      if (target.protocol === UDPLITE || u16(bytes, transport + 6) !== 0) {
        followAddress(work, transport + 6);
        updateChecksumAt(bytes, transport + 6, [u16(bytes, portAt)], [port]);
        if (u16(bytes, transport + 6) === 0) putU16(bytes, transport + 6, 0xffff);
      }
      putU16(bytes, portAt, port);
      return true;
    }
    case SCTP:
      return translateSctp(work, portAt, port);
    case ICMP:
    case ICMPV6:
      return translateIcmp(work);
    case GRE:
      return translateGre(work);
    default:
      return true;
  }
}

/** The checksum covers addresses, by its pseudo header. */
function followAddress({ bytes, family, ip, target, source }: Work, at: number): void {
  const old = words(bytes, addressAt(family, ip, source), family === 4 ? 1 : 4);
  updateChecksumAt(bytes, at, halves(old), halves(source ? target.source : target.destination));
}

function translateSctp({ bytes, transport }: Work, portAt: number, port: number): boolean {
  if (bytes.length - transport < 8) return false;
  putU16(bytes, portAt, port);
  if (bytes.length - transport < SCTP_HEADER) return true;
  const sum = crc32c(bytes.subarray(transport));
  for (let i = 0; i < 4; i++) bytes[transport + 8 + i] = (sum >>> (8 * i)) & 0xff;
  return true;
}

function translateIcmp(work: Work): boolean {
  const { bytes, transport, target } = work;
  if (bytes.length - transport < ICMP_HEADER) return false;
  const six = target.protocol === ICMPV6;
  if (six) followAddress(work, transport + 2);
  if (!(six ? ECHO6 : IDENTIFIED).includes(u8(bytes, transport))) return true;
  updateChecksumAt(bytes, transport + 2, [u16(bytes, transport + 4)], [target.sourcePort]);
  putU16(bytes, transport + 4, target.sourcePort);
  return true;
}

/** Only the key of version 1 can be written, and only as a destination. */
function translateGre({ bytes, transport, target, source }: Work): boolean {
  if (bytes.length - transport < 8) return false;
  if (source) return true;
  const version = u8(bytes, transport + 1) & 7;
  if (version > 1) return false;
  if (version === 1) putU16(bytes, transport + 6, target.destinationPort);
  return true;
}

/** Where the ICMP or ICMPv6 message of an error begins. */
export function errorAt(bytes: Uint8Array, family: Family): number {
  return transportOf(bytes, family, 0)!;
}

/** The ICMP checksum is right. */
export function errorChecksumRight(bytes: Uint8Array, family: Family): boolean {
  return sum16(bytes.subarray(errorAt(bytes, family)), checksumStart(bytes, family)) === 0xffff;
}

/**
 * nf_nat_icmp_reply_translation: an error about a connection. The packet it quotes went the other way: `quoted` is that way's tuple, and what is a source outside is a
 * destination inside. `target`: what the error's own addresses become.
 */
export function translateError(bytes: Uint8Array, family: Family, quoted: Tuple, target: Tuple, manip: Manip): boolean {
  const message = errorAt(bytes, family);
  if (!translate(bytes, family, message + ICMP_HEADER, quoted, manip === 'source' ? 'destination' : 'source')) return false;
  sumError(bytes, family, message);
  return translate(bytes, family, 0, { ...target, protocol: family === 4 ? ICMP : ICMPV6 }, manip);
}

/** The quoted packet of an error gets the destination of `target`, the error itself the source, if there is one. */
export function translateQuoted(bytes: Uint8Array, family: Family, target: Tuple, source: Words | undefined): void {
  const message = errorAt(bytes, family);
  translate(bytes, family, message + ICMP_HEADER, target, 'destination');
  if (source !== undefined) putAddress(bytes, family, 0, true, source);
  sumError(bytes, family, message);
}

/** The quoted packet of an error is `target`'s, and its sender is told, from `from`. */
export function translateUnheard(bytes: Uint8Array, family: Family, target: Tuple, from: Words): void {
  const message = errorAt(bytes, family);
  for (const manip of ['source', 'destination'] as const) translate(bytes, family, message + ICMP_HEADER, target, manip);
  putAddress(bytes, family, 0, true, from);
  putAddress(bytes, family, 0, false, target.source);
  sumError(bytes, family, message);
}

function sumError(bytes: Uint8Array, family: Family, message: number): void {
  putU16(bytes, message + 2, 0);
  putU16(bytes, message + 2, ~sum16(bytes.subarray(message), checksumStart(bytes, family)) & 0xffff);
}

function checksumStart(bytes: Uint8Array, family: Family): number {
  // The kernel sums IPv4's header up with it, which is 0xffff.
  if (family === 4) return 0xffff;
  return pseudoHeaderSum(ipv6.source(bytes), ipv6.destination(bytes), ICMPV6, bytes.length - errorAt(bytes, 6));
}

/** Type of an error that tells of a better way; it names a router, which no translation can. */
export function isRedirect(bytes: Uint8Array, family: Family): boolean {
  return u8(bytes, errorAt(bytes, family)) === (family === 4 ? 5 : 137);
}

/** The destination of the packet as it is now. */
export const destinationOf = (bytes: Uint8Array, family: Family) => (family === 4 ? ipv4 : ipv6).destination(bytes);
