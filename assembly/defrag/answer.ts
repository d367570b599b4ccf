/** What becomes of a fragment, and the ECN bits of a whole packet. */

/** It is no fragment, or one that defragmentation lets through. */
export const PASSES: u32 = 0;
/** Another fragment's turn. */
export const KEPT: u32 = 1;
export const DISCARDED: u32 = 2;
/** It was the last that was missing. */
export const REBUILT: u32 = 3;

/** As an ECN: fragments of one packet must not mix ECN-capable and not (ip_frag_ecn_table, RFC 3168). */
export const ECN_DROP: u32 = 255;
const NOT_CAPABLE: u32 = 1;
const CONGESTION: u32 = 8;

/** `seen`: 1 << ECN bits of every fragment, together. Out: bits to set in the first fragment's TOS, or ECN_DROP. */
export function ecnOf(seen: u32): u32 {
  if ((seen & NOT_CAPABLE) !== 0) return seen === NOT_CAPABLE ? 0 : ECN_DROP;
  return (seen & CONGESTION) !== 0 && seen !== CONGESTION ? 3 : 0;
}
