/** The flow of a frame, for counting: addresses, protocol and ports, the same for both directions. */
import type { Frame } from '../model/witness.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { readLink } from '../packet/link.ts';

const PORTED = new Set([6, 17, 33, 132, 136]);

/** A key equal for two frames of the same flow; what cannot be read is one flow of its own. */
export function flowKey(frame: Frame): string {
  const link = readLink(frame);
  if (link.kind !== 'ip') return 'not IP';
  const bytes = frame.bytes.subarray(link.offset);
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4 && ipv4.checkHeader(bytes) === null) {
    const transport = ipv4.fragmentOffset(bytes) === 0 ? bytes.subarray(ipv4.headerLength(bytes)) : new Uint8Array(0);
    return key(ipv4.source(bytes), ipv4.destination(bytes), ipv4.protocol(bytes), transport);
  }
  if (version === 6 && bytes.length >= ipv6.HEADER_LENGTH) {
    const upper = ipv6.findUpper(bytes);
    if (upper === null) return key(ipv6.source(bytes), ipv6.destination(bytes), -1, new Uint8Array(0));
    return key(ipv6.source(bytes), ipv6.destination(bytes), upper.protocol, bytes.subarray(upper.offset));
  }
  return 'unreadable';
}

function key(source: readonly number[], destination: readonly number[], protocol: number, transport: Uint8Array): string {
  const ported = PORTED.has(protocol) && transport.length >= 4;
  const port = (at: number): string => (ported ? `:${transport[at]! * 256 + transport[at + 1]!}` : '');
  const ends = [`${source.join('.')}${port(0)}`, `${destination.join('.')}${port(2)}`].sort();
  return `${protocol} ${ends.join(' ')}`;
}
