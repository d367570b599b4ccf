/** `-j DNPT` (IPv6): see npt-target.ts. */
import { prefixTarget } from './npt-target.ts';

export const DNPT = prefixTarget(
  'DNPT',
  'destination',
  { tables: ['mangle'], hooks: ['PREROUTING', 'OUTPUT'] },
  'gives the destination another prefix, stateless',
);
