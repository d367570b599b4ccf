/** Every other protocol: addresses only and one timeout (nf_conntrack_core.c, generic_packet). */
import { TRACKING_GENERIC } from '../../src/abi/conntrack';
import { parameter } from './parameters';
import { refresh } from './timeout';

/** One packet. Always accepted. */
export function genericPacket(entry: usize, now: i64): void {
  refresh(entry, parameter(TRACKING_GENERIC), now);
}
