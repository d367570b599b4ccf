/** Words and order of conntrack entries, for every witness that lists them. */
import { NAT_DRAWN_DESTINATION, NAT_DRAWN_SOURCE } from '../abi/nat.ts';
import type { ConntrackEntry, ConntrackExpectation, ConntrackTuple } from './outcome.ts';

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

/** conntrack's word for a zone, of both directions of a connection or of one. */
export function zoneWord(id: number, of: 'both' | 'original' | 'reply'): string {
  return `${{ both: 'zone', original: 'zone-orig', reply: 'zone-reply' }[of]}=${id}`;
}

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
  return sortByKey(entries, keyOf);
}

/**
 * Expectations in the order in which they are listed: by family, protocol, where the connection goes and where it comes from, then by their master, class and the seconds left. The kernel's own order is
 * that of its hash. Sorts in place and returns the same array.
 */
export function sortExpectations(expectations: ConntrackExpectation[]): ConntrackExpectation[] {
  return sortByKey(expectations, expectationKey);
}

function expectationKey(one: ConntrackExpectation): Key {
  const ends = ({ destination, source }: ConntrackTuple): Key => [
    destination.address,
    destination.port,
    source.address,
    source.port,
  ];
  const family = one.tuple.source.address.includes(':') ? 6 : 4;
  return [family, one.protocol, ...ends(one.tuple), ...ends(one.master), one.class, one.timeout ?? 0];
}

function sortByKey<T>(all: T[], key: (one: T) => Key): T[] {
  const keyed = all.map((one) => ({ one, key: key(one) }));
  keyed.sort((a, b) => compareKeys(a.key, b.key));
  for (const [index, { one }] of keyed.entries()) all[index] = one;
  return all;
}

function compareKeys(a: Key, b: Key): number {
  for (const [index, part] of a.entries()) {
    const other = b[index]!;
    if (part !== other) return part < other ? -1 : 1;
  }
  return 0;
}
