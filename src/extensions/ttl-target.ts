/** `-j TTL` (IPv4): see hop-limit-target.ts. */
import { hopLimitTarget } from './hop-limit-target.ts';

export const TTL = hopLimitTarget('TTL', 4, 'sets, increases or decreases the time to live');
