/** `-m ttl` (IPv4). */
import { hopLimitMatch } from './hop-limit.ts';

export const ttl = hopLimitMatch('ttl', 4, 'time to live');
