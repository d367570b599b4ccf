/** Words and order of conntrack entries, for every witness that lists them. */
import { NAT_DRAWN_DESTINATION, NAT_DRAWN_SOURCE } from '../abi/nat.ts';
import type { ConntrackEntry } from './outcome.ts';

/** conntrack's words for TCP states, by TCP_* of abi/conntrack.ts. */
export const TCP_STATE_WORDS: readonly string[] = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
];

/** conntrack's words for SCTP states, by the kernel's numbers (SCTP_* of abi/conntrack.ts). */
export const SCTP_STATE_WORDS: readonly string[] = [
  'NONE',
  'CLOSED',
  'COOKIE_WAIT',
  'COOKIE_ECHOED',
  'ESTABLISHED',
  'SHUTDOWN_SENT',
  'SHUTDOWN_RECD',
  'SHUTDOWN_ACK_SENT',
  'HEARTBEAT_SENT',
];

/** NAT_DRAWN_* bits as words. */
export function drawnEnds(bits: number): ('source' | 'destination')[] {
  return [
    ...((bits & NAT_DRAWN_SOURCE) === 0 ? [] : (['source'] as const)),
    ...((bits & NAT_DRAWN_DESTINATION) === 0 ? [] : (['destination'] as const)),
  ];
}

type Key = readonly (number | string)[];

/** Original tuples are unique within a family, protocol and zone. */
function keyOf({ family, protocol, original: { source, destination, type = 0, code = 0 }, zones = [] }: ConntrackEntry): Key {
  return [family, protocol, source.address, destination.address, source.port, destination.port, type, code, zones.join()];
}

/**
 * Entries in the order in which they are listed: by family, protocol, then the original direction's addresses (as text), ports, ICMP type and code. The kernel's own order is that of
 * its hash, which nobody can foretell. Sorts in place and returns the same array.
 */
export function sortConnections(entries: ConntrackEntry[]): ConntrackEntry[] {
  const keyed = entries.map((entry) => ({ entry, key: keyOf(entry) }));
  keyed.sort((a, b) => compareKeys(a.key, b.key));
  for (const [index, { entry }] of keyed.entries()) entries[index] = entry;
  return entries;
}

function compareKeys(a: Key, b: Key): number {
  for (const [index, part] of a.entries()) {
    const other = b[index]!;
    if (part !== other) return part < other ? -1 : 1;
  }
  return 0;
}
