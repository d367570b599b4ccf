/** Fragments of a host's own datagrams that a capture does not hold all of. */
import { plural } from './count.ts';

/** Notes of a result. `fragments`: how many wait for others at the end, or waited for longer than fragments do. */
export function partsNotes(fragments: number): string[] {
  if (fragments === 0) return [];
  return [
    `the capture does not hold all of some datagrams that this host sent in parts (it holds ${plural(fragments, 'fragment')} of them): they met OUTPUT and POSTROUTING whole, but no rule counts them here`,
  ];
}
