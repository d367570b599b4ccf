/** The tables told as `conntrack -L` and `conntrack -L expect` tell them (ctnetlink_fill_info, ctnetlink_exp_dump_expect in net/netfilter/nf_conntrack_netlink.c). */
import { STATUS_ASSURED } from '../../abi/fields.ts';
import { HELPER_NONE } from '../../abi/helpers.ts';
import { formatAddress } from '../../model/address.ts';
import {
  drawnEnds,
  SCTP_STATE_WORDS,
  sortConnections,
  sortExpectations,
  TCP_STATE_WORDS,
  zoneWord,
} from '../../model/connections.ts';
import { helperName } from '../../model/helpers.ts';
import type { ConntrackEntry, ConntrackExpectation, ConntrackTuple } from '../../model/outcome.ts';
import type { Kernel, Profile } from '../../model/profile.ts';
import type { Connection } from './connection.ts';
import type { Expectation, ExpectationTable } from './expectations.ts';
import type { ConnectionTable } from './table.ts';
import { ICMP, ICMPV6, type Tuple } from './tuple.ts';

/** What lives at `now` (jiffies), sorted. */
export function entriesAt(table: ConnectionTable, now: number, hz: number): ConntrackEntry[] {
  return sortConnections(Array.from(table.live(now), (connection) => entryOf(connection, now, hz)));
}

/** ctnetlink_dump_timeout: whole seconds, what is left of one is dropped. */
function entryOf(connection: Connection, now: number, hz: number): ConntrackEntry {
  const { family, original, reply, mark, tcp, sctp, counters } = connection;
  const entry: ConntrackEntry = {
    family,
    protocol: original.protocol,
    timeout: Math.floor(connection.left(now) / hz),
    original: { ...told(original), ...counters?.[0] },
    reply: { ...told(reply), ...counters?.[1] },
    unreplied: !connection.seenReply,
    assured: connection.has(STATUS_ASSURED),
    mark,
  };
  if (connection.help !== null) entry.helper = connection.help.helper.name;
  if (connection.drawn !== 0) entry.drawn = drawnEnds(connection.drawn);
  if (tcp !== undefined) entry.state = TCP_STATE_WORDS[tcp.state]!;
  if (sctp !== undefined) entry.state = SCTP_STATE_WORDS[sctp.state]!;
  const { id, of } = connection.zone;
  if (id !== 0) entry.zones = [zoneWord(id, of)];
  return entry;
}

/** What is expected at `now` (jiffies), sorted. */
export function expectationsAt(table: ExpectationTable, now: number, { hz, kernel }: Profile): ConntrackExpectation[] {
  return sortExpectations(Array.from(table.live(now), (one) => expectationOf(one, now, hz, kernel)));
}

function expectationOf(one: Expectation, now: number, hz: number, kernel: Kernel): ConntrackExpectation {
  const { tuple, mask, master, kind, permanent, inactive, timeout, assigns } = one;
  const all = tuple.destination.map(() => 0xffffffff);
  const expectation: ConntrackExpectation = {
    protocol: tuple.protocol,
    timeout: Math.floor((timeout - now) / hz),
    tuple: told(tuple),
    mask: told({ ...tuple, source: mask.source, sourcePort: mask.sourcePort, destination: all, destinationPort: 0xffff }),
    master: told(master.original),
    class: kind,
    flags: [...(permanent ? ['PERMANENT'] : []), ...(inactive ? ['INACTIVE'] : [])],
  };
  // 6.1 has one helper of both: the one that the connection is to have.
  if (kernel === '6.1' && assigns !== HELPER_NONE) expectation.helper = helperName(assigns);
  else if (master.help !== null) expectation.helper = master.help.helper.name;
  return expectation;
}

function told({ source, destination, sourcePort, destinationPort, protocol }: Tuple): ConntrackTuple {
  const from = { address: formatAddress(source), port: sourcePort };
  const to = formatAddress(destination);
  if (protocol !== ICMP && protocol !== ICMPV6) return { source: from, destination: { address: to, port: destinationPort } };
  return { source: from, destination: { address: to, port: 0 }, type: destinationPort >> 8, code: destinationPort & 255 };
}
