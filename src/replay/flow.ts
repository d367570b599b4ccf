/** Who talks to whom in a frame, for people; and its flow: the same for both directions. */
import { formatAddress } from '../model/address.ts';
import { protocolName } from '../model/names.ts';
import type { Words } from '../model/ruleset.ts';
import type { Frame } from '../model/witness.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { carriedBytes, readLink } from '../packet/link.ts';

const PORTED = new Set([6, 17, 33, 132, 136]);

/** The two ends of a packet in words. */
export interface Ends {
  source: string;
  destination: string;
  /** Its name, or its number when it has none; absent when the IPv6 header chain cannot be parsed. */
  protocol?: string;
  /** Both there or both absent: only where the protocol has ports and the packet holds them. */
  sourcePort?: number;
  destinationPort?: number;
}

/** The ends of a frame; undefined when it is no readable IP packet. */
export function readEnds(frame: Frame): Ends | undefined {
  const link = readLink(frame);
  return link.kind === 'ip' ? endsOf(carriedBytes(frame.bytes, link)) : undefined;
}

/** The same of bytes from the IP header on. */
export function endsOf(bytes: Uint8Array): Ends | undefined {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4 && ipv4.checkHeader(bytes) === null) {
    const transport = ipv4.fragmentOffset(bytes) === 0 ? bytes.subarray(ipv4.headerLength(bytes)) : new Uint8Array(0);
    return ends(ipv4.source(bytes), ipv4.destination(bytes), ipv4.protocol(bytes), transport);
  }
  if (version === 6 && bytes.length >= ipv6.HEADER_LENGTH) {
    const upper = ipv6.findUpper(bytes);
    if (upper === null) return { source: formatAddress(ipv6.source(bytes)), destination: formatAddress(ipv6.destination(bytes)) };
    return ends(ipv6.source(bytes), ipv6.destination(bytes), upper.protocol, bytes.subarray(upper.offset));
  }
  return undefined;
}

function ends(source: Words, destination: Words, protocol: number, transport: Uint8Array): Ends {
  const found: Ends = {
    source: formatAddress(source),
    destination: formatAddress(destination),
    protocol: protocolName(protocol) ?? String(protocol),
  };
  if (!PORTED.has(protocol) || transport.length < 4) return found;
  const port = (at: number): number => transport[at]! * 256 + transport[at + 1]!;
  return { ...found, sourcePort: port(0), destinationPort: port(2) };
}

/** A key equal for two packets of the same flow; what cannot be read is one flow of its own. */
export function flowKey(packet: Ends | undefined): string {
  if (packet === undefined) return 'unreadable';
  const { source, destination, protocol, sourcePort, destinationPort } = packet;
  const pair = [`${source} ${sourcePort ?? ''}`, `${destination} ${destinationPort ?? ''}`].sort();
  return `${protocol ?? ''} ${pair.join(' ')}`;
}
