/** The key of a connection in one direction (include/net/netfilter/nf_conntrack_tuple.h), taken from a packet and turned around. */
import type { Family, Words } from '../../model/ruleset.ts';
import { sameWords, u8, u16 } from '../../packet/bytes.ts';
import * as icmp from '../../packet/icmp.ts';
import type { TupleView } from '../../packet/view.ts';
import { greKey, hasCallId } from './gre.ts';

export const ICMP = 1;
export const TCP = 6;
export const UDP = 17;
export const DCCP = 33;
export const GRE = 47;
export const ICMPV6 = 58;
export const SCTP = 132;
export const UDPLITE = 136;

export type Tuple = TupleView;

const WITH_PORTS: readonly number[] = [TCP, UDP, SCTP, UDPLITE];

/** ICMP types that answer each other; only the asking ones may open a connection. */
const ICMP_PAIRS: readonly (readonly [number, number])[] = [
  [8, 0],
  [13, 14],
  [15, 16],
  [17, 18],
];
const ICMPV6_PAIRS: readonly (readonly [number, number])[] = [
  [128, 129],
  [139, 140],
];

/** True for echo request and its like. */
export function mayOpen(protocol: number, type: number): boolean {
  const pairs = protocol === ICMP ? ICMP_PAIRS : ICMPV6_PAIRS;
  return pairs.some(([asking]) => asking === type);
}

/** The key of the sender of GRE (calls.ts): by the ends and the key of the receiver. */
export type SourceKey = (source: Words, destination: Words, key: number) => number;

/** `transport`: the bytes from the transport header on. null when they are too few (4 for ports, 8 for ICMP), and for GRE of version 1 without PPP. */
export function tupleOf(
  source: Words,
  destination: Words,
  protocol: number,
  transport: Uint8Array,
  sourceKey: SourceKey,
): Tuple | null {
  const tuple = { source, destination, protocol, sourcePort: 0, destinationPort: 0 };
  if (protocol === ICMP || protocol === ICMPV6) {
    if (!icmp.hasHeader(transport)) return null;
    const typeAndCode = u8(transport, 0) * 256 + u8(transport, 1);
    return { ...tuple, sourcePort: icmp.identifier(transport), destinationPort: typeAndCode };
  }
  if (protocol === GRE) {
    const key = greKey(transport);
    if (key === null) return null;
    return { ...tuple, sourcePort: hasCallId(transport) ? sourceKey(source, destination, key) : 0, destinationPort: key };
  }
  if (!WITH_PORTS.includes(protocol)) return tuple;
  if (transport.length < 4) return null;
  return { ...tuple, sourcePort: u16(transport, 0), destinationPort: u16(transport, 2) };
}

/** The tuple of the answers; null for ICMP types without a counterpart. */
export function invert(tuple: Tuple): Tuple | null {
  const turned = { source: tuple.destination, destination: tuple.source, protocol: tuple.protocol };
  if (tuple.protocol !== ICMP && tuple.protocol !== ICMPV6) {
    return { ...turned, sourcePort: tuple.destinationPort, destinationPort: tuple.sourcePort };
  }
  const type = tuple.destinationPort >> 8;
  const pairs = tuple.protocol === ICMP ? ICMP_PAIRS : ICMPV6_PAIRS;
  const pair = pairs.find((one) => one.includes(type));
  if (pair === undefined) return null;
  const other = pair[0] === type ? pair[1] : pair[0];
  return { ...turned, sourcePort: tuple.sourcePort, destinationPort: other * 256 + (tuple.destinationPort & 0xff) };
}

export function sameTuple(a: Tuple, b: Tuple): boolean {
  const ports = a.sourcePort === b.sourcePort && a.destinationPort === b.destinationPort;
  return a.protocol === b.protocol && ports && sameWords(a.source, b.source) && sameWords(a.destination, b.destination);
}

/** As a key of a Map. Connections of different zones know nothing of each other. */
export function keyOf(family: Family, zone: number, tuple: Tuple): string {
  const { protocol, source, destination, sourcePort, destinationPort } = tuple;
  return `${family}|${zone}|${protocol}|${source.join('.')}|${sourcePort}|${destination.join('.')}|${destinationPort}`;
}
