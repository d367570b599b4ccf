/**
 * Which packets that go no further are reported to their sender, by REJECT or by the stack: nf_send_unreach and nf_send_unreach6 (nf_reject_ipv4.c, nf_reject_ipv6.c; nf_reject_verify_csum of nf_reject.h), then icmp_send and icmp6_send
 * (ipv4/icmp.c, ipv6/icmp.c).
 */

import { RTN_UNICAST } from '../abi/fields.ts';
import { STACK_IP_OPTIONS, STACK_MTU, STACK_NO_ROUTE, STACK_SOURCE_SCOPE, STACK_TTL, STACK_UNREACHABLE } from '../abi/reasons.ts';
import type { Family } from '../model/ruleset.ts';
import { checksumRight, pseudoHeaderSum } from '../packet/checksum.ts';
import { headerHolds } from '../packet/header-sum.ts';
import * as icmp from '../packet/icmp.ts';
import * as ipv4 from '../packet/ipv4.ts';
import { type Compiled, compileOptions } from '../packet/ipv4-options.ts';
import * as ipv6 from '../packet/ipv6.ts';
import * as udp from '../packet/udp.ts';
import type { EvaluateContext } from '../packet/view.ts';
import { isToOne } from './conntrack/reset.ts';
import { DCCP, GRE, ICMP, ICMPV6, SCTP, TCP, UDP, UDPLITE } from './conntrack/tuple.ts';
import type { Packet } from './packet.ts';
import type { ErrorKind } from './refusals.ts';

/** Types of ICMP that are errors, and the last one anybody knows: about them no error is sent, nor about unknown ones. */
const ERRORS: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12];
const LAST_TYPE = 18;
/** Of ICMPv6 the first type that is no error. */
const FIRST_QUESTION = 128;
const [ESP, AH] = [50, 51];
/** Their checksums, if they have any, are not over everything behind the IP header. */
const UNSUMMED: readonly number[] = [GRE, ESP, AH, SCTP, UDPLITE];

/** What is asked about addresses. */
export type Types = Pick<EvaluateContext, 'addressType'>;

/** Where a rule refuses a packet. */
export type Refusing = Pick<EvaluateContext, 'profile' | 'addressType' | 'hook'>;

/** REJECT sends an error about the packet. `offTheWire`: it came in, so that the checksums of TCP and UDP count; this host's own packets get those later. */
export function isReported(packet: Packet, context: Refusing, offTheWire: boolean): boolean {
  const message = messageOf(packet);
  return message !== null && isTold(packet, context) && isSound(packet, message, context, offTheWire);
}

/** Types of the errors that the stack sends about packets which it does not forward (ip_forward, ip_error; ip6_forward, ip6_pkt_discard). */
const STACK_ERRORS: Readonly<Record<Family, ReadonlyMap<number, number>>> = {
  4: new Map([
    [STACK_NO_ROUTE, 3],
    [STACK_UNREACHABLE, 3],
    [STACK_MTU, 3],
    [STACK_TTL, 11],
  ]),
  6: new Map([
    [STACK_NO_ROUTE, 1],
    [STACK_UNREACHABLE, 1],
    [STACK_SOURCE_SCOPE, 1],
    [STACK_MTU, 2],
    [STACK_TTL, 3],
  ]),
};

/** Of IPv4: says where in the header the fault lies. */
const PARAMETER_PROBLEM = 12;
const FIXED_HEADER = 20;

/** The IPv4 options of a packet as the stack has made them, which has looked at those of all that come in, over lo too (ip_rcv_options); null: nobody has, or there are none. */
export function compiledOptions({ family, bytes, inInterface }: Packet, { addressType }: Types): Compiled | null {
  if (family === 6 || inInterface === '' || ipv4.headerLength(bytes) === FIXED_HEADER) return null;
  return compileOptions(ipv4.options(bytes), (address) => addressType(4, [address]) !== RTN_UNICAST);
}

/** The error that tells of a packet which the stack dropped for this reason (STACK_*); null: there is none. */
export function errorAboutDrop(packet: Packet, reason: number, context: Types): ErrorKind | null {
  if (reason === STACK_IP_OPTIONS) {
    const fault = compiledOptions(packet, context)?.fault ?? null;
    if (fault === null || !isTold(packet, context)) return null;
    return { type: PARAMETER_PROBLEM, code: 0, rest: ((FIXED_HEADER + fault) << 24) >>> 0 };
  }
  const type = STACK_ERRORS[packet.family].get(reason);
  return type !== undefined && isTold(packet, context) ? { type } : null;
}

/** What the stack says of a protocol that nobody knows: type and code. */
const UNKNOWN_PROTOCOL: Readonly<Record<Family, ErrorKind>> = { 4: { type: 3, code: 2 }, 6: { type: 4, code: 1 } };

/** The error that may follow on a packet that INPUT let through (ip_protocol_deliver_rcu, ip6_protocol_deliver_rcu): only where nobody knows its protocol it still has its connection then. */
export function errorAboutProtocol(packet: Packet, context: Types): ErrorKind | null {
  const known = [ICMP, TCP, UDP, ICMPV6].includes(packet.protocol);
  return !known && isTold(packet, context) ? UNKNOWN_PROTOCOL[packet.family] : null;
}

/** icmp_send, icmp6_send: between two, about no error, of IPv4 not about later fragments. */
function isTold(packet: Packet, context: Types): boolean {
  if (packet.packetType !== 'unicast') return false;
  const { family, source, destination } = packet;
  if (family === 4) {
    const message = messageOf(packet);
    if (message === null || !isToOne(packet, context.addressType) || isError(packet, message)) return false;
    return compiledOptions(packet, context)?.answerable !== false;
  }
  if (ipv6.isMulticast(destination) || ipv6.isMulticast(source) || ipv6.isUnspecified(source)) return false;
  // What headers lead nowhere is no error.
  const last = ipv6.skipExtensions(packet.bytes);
  return last === 'unparsable' || !isError(packet, carriedBy(packet, last));
}

/** What a packet carries. */
interface Message {
  protocol: number;
  bytes: Uint8Array;
}

const carriedBy = ({ bytes }: Packet, { protocol, offset }: { protocol: number; offset: number }): Message => ({
  protocol,
  bytes: bytes.subarray(Math.min(offset, bytes.length)),
});

/** null: it is a later fragment, or (IPv6) nothing is found behind its headers. */
function messageOf(packet: Packet): Message | null {
  const { family, bytes, length } = packet;
  if (family === 4) {
    if (ipv4.fragmentOffset(bytes) !== 0) return null;
    return carriedBy(packet, { protocol: ipv4.protocol(bytes), offset: ipv4.headerLength(bytes) });
  }
  const last = ipv6.skipExtensions(bytes);
  return last === 'unparsable' || last.fragmentOffset !== 0 || last.offset >= length ? null : carriedBy(packet, last);
}

/** An ICMP error, or one without a type. */
function isError({ family }: Packet, { protocol, bytes }: Message): boolean {
  if (protocol !== (family === 4 ? ICMP : ICMPV6)) return false;
  if (bytes.length === 0) return true;
  const type = icmp.type(bytes);
  return family === 4 ? ERRORS.includes(type) || type > LAST_TYPE : type < FIRST_QUESTION;
}

/** The sum of everything behind the IP header is right, or is not asked. Of protocols that nobody knows it is asked, too. */
function isSound(packet: Packet, { protocol, bytes }: Message, context: Refusing, offTheWire: boolean): boolean {
  const { profile } = context;
  if (UNSUMMED.includes(protocol) || (protocol === DCCP && profile.kernel !== '6.18')) return true;
  const optional = protocol === UDP && udp.hasHeader(bytes) && udp.checksum(bytes) === 0;
  const ports = protocol === TCP || protocol === UDP;
  // skb_csum_unnecessary: in FORWARD, too.
  if (optional || packet.unfinished || packet.summed || profile.prestack === 'lenient' || (ports && !offTheWire)) return true;
  const { family, source, destination } = packet;
  const bare = family === 4 && !ports;
  // The kernel sums the IP header up, too, which adds 0xffff: so nothing at all is right.
  const right = checksumRight(bytes, bare ? 0xffff : pseudoHeaderSum(source, destination, protocol, bytes.length));
  return right && headerHolds(packet, context);
}
