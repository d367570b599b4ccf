/** Defragmentation in front of all rules, where rules bring it; and what the host's own kernel cut, before OUTPUT. */
import { jiffiesAt, type Profile } from '../../model/profile.ts';
import type { FamilyRules } from '../hooks.ts';
import type { Departure } from '../journey.ts';
import type { Received } from '../packet.ts';
import type { Routes } from '../routes.ts';
import type { Gathered } from './defrag.ts';
import { isCutHere } from './sent.ts';

/** A packet before the first hook of its way: goes on, waits, or was the last fragment that was missing. */
export function defragment(
  received: Received,
  { defragmenter, cut }: FamilyRules,
  { way, device }: Departure,
  routes: Routes,
  profile: Profile,
): Gathered {
  const now = Number(jiffiesAt(received.time, profile.hz));
  if (defragmenter === null) {
    // Over lo everything fits.
    const leaves = way === 'output' || way === 'broadcast';
    const wasCut = cut !== null && leaves && isCutHere(received, routes.interfaceNamed(device)?.mtu);
    return wasCut ? cut.gather(received, 'CUT', '', now) : { kind: 'on', received };
  }
  // A packet on its way out has no device yet.
  return way === 'arrives'
    ? defragmenter.gather(received, 'PREROUTING', device, now)
    : defragmenter.gather(received, 'OUTPUT', '', now);
}
