/** What matches ask conntrack about other connections than the packet's own (get_ct_or_tuple_from_skb of nf_conncount.c). */
import type { Connections, PacketView } from '../../packet/view.ts';
import type { Packet } from '../packet.ts';
import { type Conntrack, protocolOf } from './conntrack.ts';
import { CLOSE, TIME_WAIT } from './tcp-state.ts';
import { type SourceKey, tupleOf } from './tuple.ts';
import { NO_ZONE, type Zone } from './zone.ts';

/** `conntrack` as matches may ask it. Packets are the reference's. */
export function connectionsOf({ table, calls }: Conntrack): Connections {
  const find: Connections['find'] = (view, zone, tuple) => {
    const { family, now } = view as Packet;
    const found = table.find(family, zone, tuple, now)?.connection;
    if (found === undefined) return undefined;
    const state = found.tcp?.state;
    return { zone: found.zone, status: found.status, over: state === TIME_WAIT || state === CLOSE };
  };
  return {
    find,
    zoneOf,
    subject(view) {
      const packet = view as Packet;
      if (packet.tracking.kind === 'entry') {
        const { original, zone, status } = packet.tracking.connection;
        return { tuple: original, zone, status };
      }
      const protocol = protocolOf(packet);
      const sourceKey: SourceKey = (...of) => calls.sourceKey(...of);
      const { source, destination, upper } = packet;
      const tuple = typeof protocol === 'object' ? null : tupleOf(source, destination, protocol, upper, sourceKey);
      if (tuple === null) return undefined;
      const zone = zoneOf(packet);
      return { tuple, zone, status: find(packet, zone, tuple)?.status ?? null };
    },
  };
}

/** A template that takes the mark for the zone has none itself. */
function zoneOf(view: PacketView): Zone {
  const { tracking } = view as Packet;
  if (tracking.kind === 'entry') return tracking.connection.zone;
  return tracking.kind === 'template' && tracking.zone !== 'mark' ? { id: tracking.zone, of: tracking.zoneOf } : NO_ZONE;
}
