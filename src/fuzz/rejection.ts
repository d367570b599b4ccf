/**
 * What a host answers to a packet that goes no further, as Linux builds it: when REJECT refuses it (nf_send_reset, icmp_send), and when its stack does (icmp_send, tcp_v4_send_reset); and their IPv6 twins. Bytes as they enter OUTPUT; the identification of errors, which the kernel draws, is 0, and no
 * checksum is left to a device.
 */
import { formatAddress } from '../model/address.ts';
import type { Family } from '../model/ruleset.ts';
import { u16, u32 } from '../packet/bytes.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import * as tcp from '../packet/tcp.ts';
import {
  addressBytes,
  CHECKSUM_AT,
  fillChecksum,
  type IpFields,
  icmpMessage,
  ipPacket,
  tcpSegment,
  usualFields,
} from './build-packet.ts';
import { stamped } from './stamped.ts';

/** Codes of "destination unreachable" by what --reject-with says (ipt_REJECT.c, ip6t_REJECT.c). */
const CODES: Readonly<Record<string, number>> = {
  'icmp-net-unreachable': 0,
  'icmp-host-unreachable': 1,
  'icmp-proto-unreachable': 2,
  'icmp-port-unreachable': 3,
  'icmp-net-prohibited': 9,
  'icmp-host-prohibited': 10,
  'icmp-admin-prohibited': 13,
  'icmp6-no-route': 0,
  'icmp6-adm-prohibited': 1,
  'icmp6-addr-unreachable': 3,
  'icmp6-port-unreachable': 4,
  'icmp6-policy-fail': 5,
  'icmp6-reject-route': 6,
};
const TCP = 6;
const ICMP: Readonly<Record<Family, number>> = { 4: 1, 6: 58 };
const UNREACHABLE: Readonly<Record<Family, number>> = { 4: 3, 6: 1 };
const DONT_FRAGMENT = 0x4000;
/** Of the IP header with what stands behind it. */
const LARGEST: Readonly<Record<Family, number>> = { 4: 576, 6: 1280 };
const ECN_LEFT_OUT = 0xfc;
/** Precedence "internetwork control". */
const CONTROL = 0xc0;

/**
 * `refused`: the packet as REJECT had it, whole, which came in: into its options the stack has written. `from`: the address errors come from. null: it gets no answer that can be foretold. Whether the kernel sends it is not asked: of wrong checksums, groups and errors it does not
 * speak.
 */
export function rejection(refused: Uint8Array, family: Family, rejectWith: string, from: string): Uint8Array | null {
  return rejectWith === 'tcp-reset'
    ? reset(refused, family)
    : errorAbout(refused, family, [UNREACHABLE[family], CODES[rejectWith]!], from);
}

/** Of IPv4: where the fault lies stands in the first byte behind the checksum. */
const PARAMETER_PROBLEM = 12;

/** The error about a packet whose options are wrong. As `rejection`. */
export function optionsError(refused: Uint8Array, from: string): Uint8Array | null {
  const fault = stamped(ipv4.options(refused), addressBytes(from, 4))?.fault ?? 0;
  return fault === 0 ? null : errorAbout(refused, 4, [PARAMETER_PROBLEM, 0, fault * 2 ** 24], from);
}

/** From the refused packet's receiver to its sender. */
function answerFields(refused: Uint8Array, family: Family, protocol: number): IpFields {
  const ip = family === 4 ? ipv4 : ipv6;
  const [source, destination] = [formatAddress(ip.destination(refused)), formatAddress(ip.source(refused))];
  return usualFields({ family, source, destination, protocol });
}

/** The segment that a packet carries; null: it carries none, or a later piece of one. */
function segmentOf(bytes: Uint8Array, family: Family): Uint8Array | null {
  if (family === 4) {
    const whole = ipv4.protocol(bytes) === TCP && ipv4.fragmentOffset(bytes) === 0;
    return whole ? bytes.subarray(ipv4.headerLength(bytes)) : null;
  }
  const upper = ipv6.skipExtensions(bytes);
  if (upper === 'unparsable' || upper.protocol !== TCP || upper.fragmentOffset !== 0) return null;
  return bytes.subarray(Math.min(upper.offset, bytes.length));
}

/** The stack's own, where nobody listens: to no reset, and with the TOS of what it answers. */
export function stackReset(refused: Uint8Array, family: Family): Uint8Array | null {
  const bytes = segmentOf(refused, family);
  if (bytes === null || !tcp.hasHeader(bytes) || (tcp.flags(bytes) & tcp.RST) !== 0) return null;
  return reset(refused, family, (family === 4 ? ipv4.tos(refused) : ipv6.trafficClass(refused)) & ECN_LEFT_OUT);
}

function reset(refused: Uint8Array, family: Family, tos = 0): Uint8Array | null {
  const bytes = segmentOf(refused, family);
  if (bytes === null || !tcp.hasHeader(bytes)) return null;
  const flags = tcp.flags(bytes);
  const acked = (flags & tcp.ACK) !== 0;
  const counted = ((flags & tcp.SYN) !== 0 ? 1 : 0) + ((flags & tcp.FIN) !== 0 ? 1 : 0);
  const segment = tcpSegment({
    sourcePort: u16(bytes, 2),
    destinationPort: u16(bytes, 0),
    sequence: acked ? tcp.acknowledgement(bytes) : 0,
    acknowledged: acked ? 0 : (u32(bytes, 4) + counted + bytes.length - tcp.headerLength(bytes)) >>> 0,
    flags: acked ? tcp.RST : tcp.RST | tcp.ACK,
    window: 0,
    options: new Uint8Array(0),
    data: 0,
  });
  const fields = { ...answerFields(refused, family, TCP), tos, id: 0, fragment: family === 4 ? DONT_FRAGMENT : 0 };
  fillChecksum(segment, CHECKSUM_AT[TCP]!, fields);
  return ipPacket(fields, segment);
}

/** An ICMP error of that type and code, with what stands behind its checksum. As `rejection`. */
export function errorAbout(
  refused: Uint8Array,
  family: Family,
  [type, code, rest = 0]: readonly [type: number, code: number, rest?: number],
  from: string,
): Uint8Array | null {
  const stamps = family === 4 ? stamped(ipv4.options(refused), addressBytes(from, 4)) : null;
  if (family === 4 && stamps === null) return null;
  const options = stamps?.own ?? new Uint8Array(0);
  const header = (family === 4 ? 20 : ipv6.HEADER_LENGTH) + options.length;
  const quoted = Uint8Array.from(refused.subarray(0, LARGEST[family] - header - 8));
  if (stamps !== null) quoted.set(stamps.quoted, 20);
  const message = icmpMessage(type, code, rest, quoted);
  const tos = family === 4 ? (ipv4.tos(refused) & 0x1e) | CONTROL : 0;
  const fields = { ...answerFields(refused, family, ICMP[family]), source: from, tos, id: 0, options };
  fillChecksum(message, CHECKSUM_AT[ICMP[family]]!, fields);
  return ipPacket(fields, message);
}
