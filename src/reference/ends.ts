/** Source and destination of a packet whose header nobody has checked yet. */
import type { Family, Words } from '../model/ruleset.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import type { Link } from '../packet/link.ts';

export interface Ends {
  family: Family;
  source: Words;
  destination: Words;
}

/** Source and destination, when there is a header of the right version to read them from. */
export function addressesOf(bytes: Uint8Array, link: Link): Ends | null {
  const version = bytes.length === 0 ? 0 : bytes[0]! >> 4;
  if (link.family !== 'nibble' && link.family !== version) return null;
  if (version === 4 && bytes.length >= 20) return { family: 4, source: ipv4.source(bytes), destination: ipv4.destination(bytes) };
  if (version === 6 && bytes.length >= ipv6.HEADER_LENGTH) {
    return { family: 6, source: ipv6.source(bytes), destination: ipv6.destination(bytes) };
  }
  return null;
}
