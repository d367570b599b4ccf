/** `-j SNPT` (IPv6): see npt-target.ts. */
import { prefixTarget } from './npt-target.ts';

export const SNPT = prefixTarget(
  'SNPT',
  'source',
  { tables: ['mangle'], hooks: ['INPUT', 'POSTROUTING'] },
  'gives the source another prefix, stateless',
);
