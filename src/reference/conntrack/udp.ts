/** UDP: net/netfilter/nf_conntrack_proto_udp.c of 6.18. */
import { STATUS_ASSURED } from '../../abi/fields.ts';
import { INVALID_CHECKSUM, INVALID_NONE, INVALID_SHORT, INVALID_UDP_LENGTH } from '../../abi/reasons.ts';
import * as udp from '../../packet/udp.ts';
import type { Packet } from '../packet.ts';
import { checksumFails, refresh, type Tracked, type TrackerContext, type TrackerResult, timeoutOf } from './tracker.ts';
import { UDP } from './tuple.ts';

/** Traffic both ways for longer than this is a stream. */
const STREAM_SECONDS = 2;

export function trackUdp(tracked: Tracked, context: TrackerContext): TrackerResult {
  const { packet, connection } = tracked;
  const fault = faultOf(packet, context);
  if (fault !== INVALID_NONE) return fault;
  const { now, hz } = packet;
  if (!connection.confirmed) connection.streamFrom = now + STREAM_SECONDS * hz;
  const single = timeoutOf(context, 'nf_conntrack_udp_timeout');
  if (!connection.seenReply) {
    refresh(tracked, single);
    return 'accept';
  }
  const stream = now > connection.streamFrom;
  refresh(tracked, stream ? timeoutOf(context, 'nf_conntrack_udp_timeout_stream') : single);
  if (stream) connection.status |= STATUS_ASSURED;
  return 'accept';
}

function faultOf(packet: Packet, context: TrackerContext): number {
  const header = packet.upper;
  if (!udp.hasHeader(header)) return INVALID_SHORT;
  const length = udp.length(header);
  if (length > packet.length - packet.upperOffset || length < udp.HEADER_LENGTH) return INVALID_UDP_LENGTH;
  // No checksum was computed.
  if (udp.checksum(header) === 0) return INVALID_NONE;
  return checksumFails(packet, context, UDP) ? INVALID_CHECKSUM : INVALID_NONE;
}
