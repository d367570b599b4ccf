/** `-j DNPT` (IPv6): see npt-target.ts. */
import { prefixTarget } from './npt-target.ts';

// The kernel takes it in OUTPUT, too; where an own packet goes then is not followed yet.
export const DNPT = prefixTarget(
  'DNPT',
  'destination',
  { tables: ['mangle'], hooks: ['PREROUTING'] },
  'gives the destination another prefix, stateless (not in OUTPUT yet)',
);
