/** What a capture shows of packets that left the host, where connections are translated: they are behind the translation, and only the connections tell whose they are (model/host.ts). */
import { STATUS_DST_NAT, STATUS_SRC_NAT } from '../../abi/fields.ts';
import type { Words } from '../../model/ruleset.ts';
import { sameWords } from '../../packet/bytes.ts';
import { type Connection, ORIGINAL, opposite } from '../conntrack/connection.ts';
import { protocolOf } from '../conntrack/conntrack.ts';
import { quotedTuple } from '../conntrack/icmp.ts';
import type { ConnectionTable, Found } from '../conntrack/table.ts';
import { invert, type SourceKey, type Tuple, tupleOf } from '../conntrack/tuple.ts';
import { NO_ZONE } from '../conntrack/zone.ts';
import type { Packet } from '../packet.ts';
import { translate, translateQuoted } from './translate.ts';

/** `known`: some connection has it as it is. `unknown`: none has it, translated or not. `copy`: it came in before, and was sent on. Bytes: it is the host's own, and OUTPUT had it so. */
export type Left = 'known' | 'unknown' | 'copy' | Uint8Array;

export interface LeftBy {
  table: ConnectionTable;
  sourceKey: SourceKey;
  isLocal(address: Words): boolean;
}

/** A packet, which the capture says went out, and that no rule has seen. */
export function leftAs(packet: Packet, by: LeftBy): Left {
  const quoted = quotedTuple(packet, by.sourceKey);
  return quoted === null ? plainly(packet, by) : asError(packet, quoted, by);
}

function plainly(packet: Packet, { table, sourceKey, isLocal }: LeftBy): Left {
  const protocol = protocolOf(packet);
  if (typeof protocol === 'object') return 'unknown';
  const tuple = tupleOf(packet.source, packet.destination, protocol, packet.upper, sourceKey);
  const turned = tuple && invert(tuple);
  if (tuple === null || turned === null) return 'unknown';
  // In OUTPUT it was as it is: a connection has it that is not translated, or not at this end.
  if (table.peek(packet.family, NO_ZONE, tuple, packet.now) !== undefined) return 'known';
  const found = table.peek(packet.family, NO_ZONE, turned, packet.now);
  if (!isTranslated(found)) return 'unknown';
  const before = tupleIn(found.connection, opposite(found.direction));
  if (!isLocal(before.source)) return 'copy';
  const bytes = new Uint8Array(packet.bytes);
  const whole = translate(bytes, packet.family, 0, before, 'source') && translate(bytes, packet.family, 0, before, 'destination');
  return whole ? bytes : 'unknown';
}

/** An error quotes a packet as its sender had it, who is told. */
function asError(packet: Packet, quoted: Tuple, { table, isLocal }: LeftBy): Left {
  const found = table.peek(packet.family, NO_ZONE, quoted, packet.now);
  if (!isTranslated(found) || !sameWords(quoted.source, packet.destination)) return 'unknown';
  const { connection, direction } = found;
  const before = tupleIn(connection, opposite(direction));
  if (!isLocal(before.source)) return 'copy';
  // icmp_send: it comes from where the packet went that it tells of.
  if (!connection.has(direction === ORIGINAL ? STATUS_DST_NAT : STATUS_SRC_NAT)) return 'unknown';
  const bytes = new Uint8Array(packet.bytes);
  translateQuoted(bytes, packet.family, invert(before)!, before.source);
  return bytes;
}

const isTranslated = (found: Found | undefined): found is Found =>
  found?.connection.has(STATUS_SRC_NAT | STATUS_DST_NAT) === true;

const tupleIn = ({ original, reply }: Connection, direction: 0 | 1): Tuple => (direction === ORIGINAL ? original : reply);
