/** GRE: net/netfilter/nf_conntrack_proto_gre.c. Version 1 (PPTP) has call ids for keys, others addresses only. */
import { STATUS_ASSURED } from '../../abi/fields.ts';
import { u16 } from '../../packet/bytes.ts';
import { refresh, type Tracked, type TrackerContext, type TrackerResult, timeoutOf } from './tracker.ts';

const VERSION_MASK = 7;
const PPTP = 1;
const PPP = 0x880b;

/** Of version 1, and long enough for a call id. */
export const hasCallId = (header: Uint8Array): boolean => header.length >= 8 && (header[1]! & VERSION_MASK) === PPTP;

/** The key in the place of the destination port; null: version 1 that carries no PPP has no tuple. */
export function greKey(header: Uint8Array): number | null {
  if (!hasCallId(header)) return 0;
  return u16(header, 2) === PPP ? u16(header, 6) : null;
}

export function trackGre(tracked: Tracked, context: TrackerContext): TrackerResult {
  const { connection } = tracked;
  if (!connection.seenReply) {
    refresh(tracked, timeoutOf(context, 'nf_conntrack_gre_timeout'));
    return 'accept';
  }
  refresh(tracked, timeoutOf(context, 'nf_conntrack_gre_timeout_stream'));
  connection.status |= STATUS_ASSURED;
  return 'accept';
}
