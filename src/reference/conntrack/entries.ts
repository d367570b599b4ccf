/** The table told as `conntrack -L` tells it (ctnetlink_fill_info in net/netfilter/nf_conntrack_netlink.c). */
import { STATUS_ASSURED } from '../../abi/fields.ts';
import { formatAddress } from '../../model/address.ts';
import { drawnEnds, SCTP_STATE_WORDS, sortConnections, TCP_STATE_WORDS } from '../../model/connections.ts';
import type { ConntrackEntry, ConntrackTuple } from '../../model/outcome.ts';
import type { Connection } from './connection.ts';
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
  if (connection.zone !== 0) entry.zones = [`zone=${connection.zone}`];
  return entry;
}

function told({ source, destination, sourcePort, destinationPort, protocol }: Tuple): ConntrackTuple {
  const from = { address: formatAddress(source), port: sourcePort };
  const to = formatAddress(destination);
  if (protocol !== ICMP && protocol !== ICMPV6) return { source: from, destination: { address: to, port: destinationPort } };
  return { source: from, destination: { address: to, port: 0 }, type: destinationPort >> 8, code: destinationPort & 255 };
}
