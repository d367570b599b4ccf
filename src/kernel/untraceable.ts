/** Packets nf_tables has no trace record for: the record quotes the transport header, and where that lies behind the packet's end the quoting fails (nf_tables_trace.c). */
import type { Family } from '../model/ruleset.ts';

const IPV6_HEADER = 40;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
/** Hop-by-hop, routing, fragment, authentication, destination options. */
const EXTENSIONS: ReadonlySet<number> = new Set([0, 43, FRAGMENT, AUTHENTICATION, 60]);

/** True for an IPv6 packet whose extension headers say that they end behind it. */
export function untraceable(packet: Uint8Array, family: Family): boolean {
  if (family === 4 || packet.length < IPV6_HEADER) return false;
  const end = Math.min(packet.length, IPV6_HEADER + packet[4]! * 256 + packet[5]!);
  let at = IPV6_HEADER;
  for (let kind = packet[6]!; EXTENSIONS.has(kind); ) {
    // A chain that cannot be parsed has no transport header to quote.
    if (at + 2 > end) return false;
    const length = packet[at + 1]!;
    const size = kind === FRAGMENT ? 8 : kind === AUTHENTICATION ? (length + 2) * 4 : (length + 1) * 8;
    kind = packet[at]!;
    at += size;
  }
  return at > end;
}
