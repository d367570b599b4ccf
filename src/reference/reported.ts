/**
 * Which packets that REJECT refuses with an error are reported to their sender: nf_send_unreach and nf_send_unreach6 (nf_reject_ipv4.c, nf_reject_ipv6.c; nf_reject_verify_csum of nf_reject.h), then icmp_send and icmp6_send
 * (ipv4/icmp.c, ipv6/icmp.c).
 */
import type { Profile } from '../model/profile.ts';
import { checksumRight, pseudoHeaderSum } from '../packet/checksum.ts';
import * as icmp from '../packet/icmp.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import * as udp from '../packet/udp.ts';
import type { EvaluateContext } from '../packet/view.ts';
import { isToOne } from './conntrack/reset.ts';
import { DCCP, GRE, ICMP, ICMPV6, SCTP, TCP, UDP, UDPLITE } from './conntrack/tuple.ts';
import type { Packet } from './packet.ts';

/** Types of ICMP that are errors, and the last one anybody knows: about them no error is sent, nor about unknown ones. */
const ERRORS: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12];
const LAST_TYPE = 18;
/** Of ICMPv6 the first type that is no error. */
const FIRST_QUESTION = 128;
const [ESP, AH] = [50, 51];
/** Their checksums, if they have any, are not over everything behind the IP header. */
const UNSUMMED: readonly number[] = [GRE, ESP, AH, SCTP, UDPLITE];

/** `offTheWire`: it came in, so that the checksums of TCP and UDP count; this host's own packets get those later. */
export function isReported(
  packet: Packet,
  context: Pick<EvaluateContext, 'profile' | 'addressType'>,
  offTheWire: boolean,
): boolean {
  if (packet.packetType !== 'unicast') return false;
  const message = packet.family === 4 ? message4(packet, context) : message6(packet);
  return message !== null && !isError(packet, message) && isSound(packet, message, context.profile, offTheWire);
}

/** What a packet carries, for icmp_send and for its checksum. */
interface Message {
  protocol: number;
  bytes: Uint8Array;
}

/** null: it went to more than one, or is a later fragment. */
function message4(packet: Packet, { addressType }: Pick<EvaluateContext, 'addressType'>): Message | null {
  const { bytes } = packet;
  if (ipv4.fragmentOffset(bytes) !== 0 || !isToOne(packet, addressType)) return null;
  return { protocol: ipv4.protocol(bytes), bytes: bytes.subarray(ipv4.headerLength(bytes)) };
}

/** null: it went to a group, came from nobody or a group, is a later fragment, or nothing is found behind its headers. */
function message6({ bytes, length, source, destination }: Packet): Message | null {
  if (ipv6.isMulticast(destination) || ipv6.isMulticast(source) || ipv6.isUnspecified(source)) return null;
  const last = ipv6.skipExtensions(bytes);
  if (last === 'unparsable' || last.fragmentOffset !== 0 || last.offset >= length) return null;
  return { protocol: last.protocol, bytes: bytes.subarray(Math.min(last.offset, bytes.length)) };
}

/** An ICMP error, or one without a type. */
function isError({ family }: Packet, { protocol, bytes }: Message): boolean {
  if (protocol !== (family === 4 ? ICMP : ICMPV6)) return false;
  if (bytes.length === 0) return true;
  const type = icmp.type(bytes);
  return family === 4 ? ERRORS.includes(type) || type > LAST_TYPE : type < FIRST_QUESTION;
}

/** The sum of everything behind the IP header is right, or is not asked. Of protocols that nobody knows it is asked, too. */
function isSound(packet: Packet, { protocol, bytes }: Message, profile: Profile, offTheWire: boolean): boolean {
  if (UNSUMMED.includes(protocol) || (protocol === DCCP && profile.kernel !== '6.18')) return true;
  const optional = protocol === UDP && udp.hasHeader(bytes) && udp.checksum(bytes) === 0;
  const ports = protocol === TCP || protocol === UDP;
  if (optional || profile.prestack === 'lenient' || (ports && !offTheWire)) return true;
  const { family, source, destination } = packet;
  const bare = family === 4 && !ports;
  // The kernel sums the IP header up, too, which adds 0xffff: so nothing at all is right.
  return checksumRight(bytes, bare ? 0xffff : pseudoHeaderSum(source, destination, protocol, bytes.length));
}
