/** `-m hl` (IPv6). */
import { hopLimitMatch } from './hop-limit.ts';

export const hl = hopLimitMatch('hl', 6, 'hop limit');
