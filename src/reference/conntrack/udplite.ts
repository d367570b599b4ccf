/** UDP-Lite (RFC 3828): udplite_error and its tracker in net/netfilter/nf_conntrack_proto_udp.c. */
import { STATUS_ASSURED } from '../../abi/fields.ts';
import { INVALID_CHECKSUM, INVALID_NONE, INVALID_SHORT, INVALID_UDP_LENGTH } from '../../abi/reasons.ts';
import * as udp from '../../packet/udp.ts';
import type { Packet } from '../packet.ts';
import { checksumFails, refresh, type Tracked, type TrackerContext, type TrackerResult, timeoutOf } from './tracker.ts';
import { UDP } from './tuple.ts';

export function trackUdplite(tracked: Tracked, context: TrackerContext): TrackerResult {
  const { packet, connection } = tracked;
  const fault = faultOf(packet, context);
  if (fault !== INVALID_NONE) return fault;
  if (!connection.seenReply) {
    refresh(tracked, timeoutOf(context, 'nf_conntrack_udp_timeout'));
    return 'accept';
  }
  refresh(tracked, timeoutOf(context, 'nf_conntrack_udp_timeout_stream'));
  connection.status |= STATUS_ASSURED;
  return 'accept';
}

/** Where UDP has its length, UDP-Lite has how much the checksum covers; 0 is all. There must be a checksum; the kernel verifies it with UDP's protocol number in the pseudo header, so that a right one fails. */
function faultOf(packet: Packet, context: TrackerContext): number {
  const header = packet.upper;
  if (!udp.hasHeader(header)) return INVALID_SHORT;
  const length = packet.length - packet.upperOffset;
  const covered = udp.length(header) === 0 ? length : udp.length(header);
  if (covered < udp.HEADER_LENGTH || covered > length) return INVALID_UDP_LENGTH;
  if (udp.checksum(header) === 0) return INVALID_CHECKSUM;
  return checksumFails(packet, context, UDP, covered) ? INVALID_CHECKSUM : INVALID_NONE;
}
