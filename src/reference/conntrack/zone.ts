/** Zones (struct nf_conntrack_zone): connections of different ones know nothing of each other. */
import type { ZoneView } from '../../packet/view.ts';
import { type Direction, ORIGINAL } from './connection.ts';

export type Zone = ZoneView;

export const NO_ZONE: Zone = { id: 0, of: 'both' };

/** The zone of one direction, 0: none (nf_ct_zone_id). */
export function zoneIn({ id, of }: Zone, direction: Direction): number {
  return of === 'both' || (of === 'original') === (direction === ORIGINAL) ? id : 0;
}
