/** Every protocol without a tracker of its own: addresses (and ports, where the tuple has them), one timeout. */
import { type Tracked, type TrackerContext, type TrackerResult, timeoutOf } from './tracker.ts';

export function trackGeneric({ packet, connection }: Tracked, context: TrackerContext): TrackerResult {
  connection.refresh(timeoutOf(context, 'nf_conntrack_generic_timeout'), packet.now);
  return 'accept';
}
