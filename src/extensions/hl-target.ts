/** `-j HL` (IPv6): see hop-limit-target.ts. */
import { hopLimitTarget } from './hop-limit-target.ts';

export const HL = hopLimitTarget('HL', 6, 'sets, increases or decreases the hop limit');
