/** ICMP and ICMPv6: net/netfilter/nf_conntrack_proto_icmp.c and nf_conntrack_proto_icmpv6.c of 6.18. */
import {
  INVALID_CHECKSUM,
  INVALID_ICMP_INNER,
  INVALID_ICMP_MISMATCH,
  INVALID_ICMP_NEW,
  INVALID_ICMP_TYPE,
  INVALID_ICMP_UNRELATED,
  INVALID_SHORT,
} from '../../abi/reasons.ts';
import { sameWords, words } from '../../packet/bytes.ts';
import * as icmp from '../../packet/icmp.ts';
import * as ipv4 from '../../packet/ipv4.ts';
import * as ipv6 from '../../packet/ipv6.ts';
import type { Packet } from '../packet.ts';
import type { Found } from './table.ts';
import { checksumFails, refresh, type Tracked, type TrackerContext, type TrackerResult, timeoutOf } from './tracker.ts';
import { ICMP, ICMPV6, invert, mayOpen, type SourceKey, type Tuple, tupleOf } from './tuple.ts';

/** The highest ICMP type anybody knows. */
const LAST_TYPE = 18;
/** Destination unreachable, source quench, redirect, time exceeded, parameter problem. */
const ERRORS: readonly number[] = [3, 4, 5, 11, 12];
/** MLD queries, reports and dones, router and neighbour discovery, MLDv2 reports: nothing to track. */
const UNTRACKED6: readonly number[] = [130, 131, 132, 133, 134, 135, 136, 143];
/** Multicast router advertisements and solicitations: untracked too, but not yet in 6.1. */
const ROUTER_DISCOVERY6: readonly number[] = [151, 152];
const REDIRECT6 = 137;
const REDIRECT_HEADER_OPTION = 4;

/** `ordinary`: look it up like any packet. `untracked`. A Found: an error about that connection. A number: INVALID_*. */
export type IcmpResult = 'ordinary' | 'untracked' | Found | number;

/** The first look at ICMP of the packet's own family. */
export function inspectIcmp(packet: Packet, context: TrackerContext): IcmpResult {
  const header = packet.upper;
  if (!icmp.hasHeader(header)) return INVALID_SHORT;
  if (checksumFails(packet, context, packet.family === 6 ? ICMPV6 : null)) return INVALID_CHECKSUM;
  const type = icmp.type(header);
  if (packet.family === 4) {
    if (type > LAST_TYPE) return INVALID_ICMP_TYPE;
    return ERRORS.includes(type) ? relatedTo(packet, header.subarray(icmp.HEADER_LENGTH), context) : 'ordinary';
  }
  if (UNTRACKED6.includes(type)) return 'untracked';
  if (ROUTER_DISCOVERY6.includes(type) && context.profile.kernel !== '6.1') return 'untracked';
  if (type === REDIRECT6) return inspectRedirect(packet, header, context);
  return type < 128 ? relatedTo(packet, header.subarray(icmp.HEADER_LENGTH), context) : 'ordinary';
}

/** A redirect must come from a neighbour and may carry the packet it is about (RFC 4861 4.5). */
function inspectRedirect(packet: Packet, header: Uint8Array, context: TrackerContext): IcmpResult {
  const fixed = 40;
  if (header.length < fixed) return INVALID_SHORT;
  if (icmp.code(header) !== 0) return 'ordinary';
  if (packet.ttl !== 255 || !ipv6.isLinkLocal(packet.source)) return INVALID_ICMP_MISMATCH;
  if (header.length < fixed + 2 || header[fixed + 1] === 0) return INVALID_ICMP_INNER;
  if (header[fixed] !== REDIRECT_HEADER_OPTION) return 'ordinary';
  return relatedTo(packet, header.subarray(fixed + 8), context);
}

/** nf_conntrack_inet_error: `inner` is the packet the error is about. It went the other way, so its answer's tuple is looked up. */
function relatedTo(packet: Packet, inner: Uint8Array, context: TrackerContext): IcmpResult {
  const tuple = innerTuple(packet, inner, context.sourceKey);
  const wanted = tuple === null ? null : invert(tuple);
  if (wanted === null) return INVALID_ICMP_INNER;
  const found = context.table.find(packet.family, context.zone, wanted, packet.now);
  if (found === undefined) return INVALID_ICMP_UNRELATED;
  const inTable = found.direction === 0 ? found.connection.original : found.connection.reply;
  return sameWords(inTable.destination, packet.destination) ? found : INVALID_ICMP_MISMATCH;
}

/** Of the packet that an error quotes; null: it quotes too little; undefined: the packet is no error (redirects of ICMPv6 left out, which no translation takes). */
export function quotedTuple(packet: Packet, sourceKey: SourceKey): Tuple | null | undefined {
  const upper = packet.family === 4 ? null : ipv6.skipExtensions(packet.bytes);
  if (upper === 'unparsable' || (packet.family === 4 ? packet.fragmentOffset : upper!.fragmentOffset) !== 0) return undefined;
  const protocol = packet.family === 4 ? packet.protocol : upper!.protocol;
  if (protocol !== (packet.family === 4 ? ICMP : ICMPV6) || !icmp.hasHeader(packet.upper)) return undefined;
  const type = icmp.type(packet.upper);
  if (packet.family === 4 ? !ERRORS.includes(type) : type >= 128) return undefined;
  return innerTuple(packet, packet.upper.subarray(icmp.HEADER_LENGTH), sourceKey);
}

const innerTuple = ({ family }: Packet, inner: Uint8Array, sourceKey: SourceKey): Tuple | null =>
  family === 4 ? innerTuple4(inner, sourceKey) : innerTuple6(inner, sourceKey);

function innerTuple4(inner: Uint8Array, sourceKey: SourceKey): Tuple | null {
  if (inner.length < 20 || ipv4.fragmentOffset(inner) !== 0) return null;
  const at = ipv4.headerLength(inner);
  if (at > inner.length) return null;
  return tupleOf(ipv4.source(inner), ipv4.destination(inner), ipv4.protocol(inner), inner.subarray(at), sourceKey);
}

function innerTuple6(inner: Uint8Array, sourceKey: SourceKey): Tuple | null {
  if (inner.length < 7) return null;
  const upper = ipv6.skipExtensions(inner);
  if (upper === 'unparsable' || upper.fragmentOffset !== 0 || inner.length < ipv6.HEADER_LENGTH) return null;
  const transport = inner.subarray(Math.min(upper.offset, inner.length));
  return tupleOf(words(inner, 8, 4), words(inner, 24, 4), upper.protocol, transport, sourceKey);
}

/** Queries and their answers. */
export function trackIcmp(tracked: Tracked, context: TrackerContext): TrackerResult {
  const { packet, connection } = tracked;
  const { protocol, destinationPort } = connection.original;
  // ICMP of the other family is nobody's.
  if ((protocol === ICMP) !== (packet.family === 4)) return INVALID_ICMP_TYPE;
  if (!connection.confirmed && !mayOpen(protocol, destinationPort >> 8)) return INVALID_ICMP_NEW;
  const name = protocol === ICMP ? 'nf_conntrack_icmp_timeout' : 'nf_conntrack_icmpv6_timeout';
  refresh(tracked, timeoutOf(context, name));
  return 'accept';
}
