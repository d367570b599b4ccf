/** TCP and UDP checksums that a device is to make (CHECKSUM_PARTIAL): the kernel has put the sum of the pseudo header there, as tcp_v4_check and udp4_hwcsum do, not inverted. */
import type { Family, Words } from '../model/ruleset.ts';
import { u8, u16 } from './bytes.ts';
import { pseudoHeaderSum, sum16 } from './checksum.ts';
import * as ipv4 from './ipv4.ts';
import { HEADER_LENGTH } from './ipv6.ts';
import { putU16 } from './rewrite.ts';

/** Where the checksum stands in the transport header. */
const PLACES: Readonly<Record<number, number>> = { 6: 16, 17: 6 };
/** Hop-by-hop options, routing header, destination options. Fragments, and what is authenticated, were finished before. */
const STEPPED_OVER: readonly number[] = [0, 43, 60];

interface Asked {
  family: Family;
  bytes: Uint8Array;
  /** Of the IP packet, as its header says. */
  length: number;
  source: Words;
  destination: Words;
}

interface Carried {
  protocol: number;
  at: number;
}

/** What a device takes for the transport header; undefined: none, or not there. */
function carried({ family, bytes }: Asked): Carried | undefined {
  if (family === 4) {
    return ipv4.fragmentOffset(bytes) === 0 ? { protocol: ipv4.protocol(bytes), at: ipv4.headerLength(bytes) } : undefined;
  }
  let [protocol, at] = [u8(bytes, 6), HEADER_LENGTH];
  while (STEPPED_OVER.includes(protocol)) {
    if (bytes.length < at + 2) return undefined;
    const next = u8(bytes, at);
    at += 8 * (u8(bytes, at + 1) + 1);
    protocol = next;
  }
  return { protocol, at };
}

/** Where the checksum stands, and what stands there where it is unfinished. */
function placeOf(packet: Asked): { at: number; sum: number } | undefined {
  const { source, destination, bytes, length } = packet;
  const found = carried(packet);
  const place = found && PLACES[found.protocol];
  if (found === undefined || place === undefined) return undefined;
  const at = found.at + place;
  if (bytes.length < at + 2 || length < found.at) return undefined;
  return { at, sum: sum16(NOTHING, pseudoHeaderSum(source, destination, found.protocol, length - found.at)) };
}

const NOTHING = new Uint8Array(0);

/** The checksum is the bare sum of the pseudo header. */
export function isUnfinished(packet: Asked): boolean {
  const place = placeOf(packet);
  return place !== undefined && u16(packet.bytes, place.at) === place.sum;
}

/** Writes that sum into the packet's own bytes, for the header it has now. */
export function leaveUnfinished(packet: Asked): void {
  const place = placeOf(packet);
  if (place !== undefined) putU16(packet.bytes, place.at, place.sum);
}
