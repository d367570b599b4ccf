/**
 * What can be known of a full table of connections (nf_conntrack_max; net/netfilter/nf_conntrack_core.c, early_drop). The kernel looks into eight buckets of its hash, from the new connection's on, and throws
 * out what is not ASSURED in the first that holds such a connection; where there is none it drops the packet. The key of that hash is a secret: where any connection could go, nobody can know whether one does, and
 * which. Both witnesses then take what is more likely, by the sizes of table and hash, and the connection that could go longest; a note says so.
 */
import { count, plural } from './count.ts';
import { type Profile, sysctl } from './profile.ts';

/** Buckets the kernel looks into. */
const EVICTION_RANGE = 8;

/** Even if no connection were ASSURED, eight buckets would more often hold none than one: every connection is in two. */
export function isSparse(profile: Profile): boolean {
  const buckets = sysctl(profile, 'nf_conntrack_buckets');
  const misses = Math.max(0, 1 - EVICTION_RANGE / Math.max(1, buckets));
  return misses ** (2 * sysctl(profile, 'nf_conntrack_max')) > 0.5;
}

/** What became of packets that met a full table. */
export interface FullTable {
  /** Dropped, for all connections were ASSURED. */
  dropped: number;
  /** Dropped, for the kernel most likely finds none that could go. */
  unlucky: number;
  /** Let through: the connection that could go longest went. */
  lucky: number;
}

/** Notes of a result. */
export function tableNotes(max: number, { dropped, unlucky, lucky }: FullTable): string[] {
  const notes: string[] = [];
  const full = `the table of connections was full (nf_conntrack_max ${count(max)})`;
  if (dropped > 0)
    notes.push(`${full}: ${plural(dropped, 'packet')} dropped that would have opened another one, for all were ASSURED`);
  const secret = 'what the kernel does depends on the secret key of its hash, and so does all that follows';
  if (unlucky > 0) {
    notes.push(
      `${full}: ${plural(unlucky, 'packet')} dropped, for in the few buckets the kernel looks into it most likely finds no connection that could go; ${secret}`,
    );
  }
  if (lucky > 0) {
    notes.push(
      `${full}: for ${plural(lucky, 'packet')} a connection that is not ASSURED had to go, here the one confirmed first; ${secret}`,
    );
  }
  return notes;
}
