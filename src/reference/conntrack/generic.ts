/** Every protocol without a tracker of its own: addresses (and ports, where the tuple has them), one timeout. */
import { refresh, type Tracked, type TrackerContext, type TrackerResult, timeoutOf } from './tracker.ts';

export function trackGeneric(tracked: Tracked, context: TrackerContext): TrackerResult {
  refresh(tracked, timeoutOf(context, 'nf_conntrack_generic_timeout'));
  return 'accept';
}
