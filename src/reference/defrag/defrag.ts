/**
 * Putting fragments together: the hooks at priority -400, before raw and conntrack, of families whose rules need conntrack; of IPv4 without them, in front of INPUT (ip_local_deliver). IPv6
 * puts together behind INPUT what nobody did before: rules never see it. What this host's kernel itself cut is whole again in either family (sent.ts).
 */
import type { Profile } from '../../model/profile.ts';
import type { Family } from '../../model/ruleset.ts';
import type { Received } from '../packet.ts';
import { Defragmenter4 } from './ipv4.ts';
import { Defragmenter6 } from './ipv6.ts';
import type { FragmentQueue } from './queue.ts';

/** Fragments that arrive, that are sent, that are for this host, and that its kernel made ('CUT', sent.ts) do not mix. */
export type DefragHook = 'PREROUTING' | 'OUTPUT' | 'INPUT' | 'CUT';

export type Gathered =
  /** No fragment, or one that this hook lets through as it is. */
  | { kind: 'on'; received: Received }
  | { kind: 'kept'; queue: FragmentQueue }
  /** `queue`: what it was for; null when it never got so far. */
  | { kind: 'discarded'; queue: FragmentQueue | null }
  /** The last that was missing: the packet made of all of them. */
  | { kind: 'whole'; received: Received; queue: FragmentQueue };

export interface Defragmenter {
  /** `device`: where it arrived. `now`: jiffies. */
  gather(received: Received, hook: DefragHook, device: string, now: number): Gathered;
}

export const defragmenterFor = (family: Family, profile: Profile): Defragmenter =>
  family === 4 ? new Defragmenter4(profile) : new Defragmenter6(profile);
