/** The kernel's SCTP transitions (nf_conntrack_proto_sctp.c, sctp_conntracks) as data. */

/** A result beside the states of abi/conntrack.ts. */
export const SCTP_INVALID: u32 = 9;

/** By direction and chunk type (0 to 14): rows of 16, columns NONE CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT HEARTBEAT_SENT. */
// biome-ignore format: a row is a row
const MATRIX: usize = memory.data<u8>([
  // original: DATA, INIT, INIT ACK, SACK, HEARTBEAT, HEARTBEAT ACK, ABORT, SHUTDOWN, SHUTDOWN ACK, ERROR, COOKIE ECHO, COOKIE ACK, ECNE, CWR, SHUTDOWN COMPLETE
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9,
  1, 1, 2, 3, 4, 1, 1, 7, 2, 9, 9, 9, 9, 9, 9, 9,
  1, 1, 2, 3, 4, 5, 6, 7, 1, 9, 9, 9, 9, 9, 9, 9,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9,
  8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9,
  1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9,
  1, 1, 1, 1, 1, 1, 1, 1, 1, 9, 9, 9, 9, 9, 9, 9,
  1, 1, 2, 3, 5, 5, 6, 7, 1, 9, 9, 9, 9, 9, 9, 9,
  7, 1, 2, 3, 4, 7, 7, 7, 7, 9, 9, 9, 9, 9, 9, 9,
  1, 1, 2, 3, 4, 5, 6, 7, 1, 9, 9, 9, 9, 9, 9, 9,
  1, 1, 3, 3, 4, 5, 6, 7, 1, 9, 9, 9, 9, 9, 9, 9,
  1, 1, 2, 4, 4, 5, 6, 7, 1, 9, 9, 9, 9, 9, 9, 9,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9,
  1, 1, 2, 3, 4, 5, 6, 1, 1, 9, 9, 9, 9, 9, 9, 9,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9,
  // reply
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9,
  9, 1, 2, 3, 4, 5, 6, 7, 9, 9, 9, 9, 9, 9, 9, 9,
  9, 2, 2, 3, 4, 5, 6, 7, 9, 9, 9, 9, 9, 9, 9, 9,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9,
  9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9,
  9, 1, 2, 3, 4, 5, 6, 7, 4, 9, 9, 9, 9, 9, 9, 9,
  9, 1, 1, 1, 1, 1, 1, 1, 9, 9, 9, 9, 9, 9, 9, 9,
  9, 1, 2, 3, 6, 5, 6, 7, 9, 9, 9, 9, 9, 9, 9, 9,
  9, 1, 2, 3, 4, 7, 7, 7, 9, 9, 9, 9, 9, 9, 9, 9,
  9, 1, 2, 1, 4, 5, 6, 7, 9, 9, 9, 9, 9, 9, 9, 9,
  9, 1, 3, 3, 4, 5, 6, 7, 9, 9, 9, 9, 9, 9, 9, 9,
  9, 1, 2, 4, 4, 5, 6, 7, 9, 9, 9, 9, 9, 9, 9, 9,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9,
  9, 1, 2, 3, 4, 5, 6, 1, 9, 9, 9, 9, 9, 9, 9, 9,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9,
]);

/** Where a chunk of this type and direction (0 original, 1 reply) leads from a state. Unknown types change nothing, as row 15. */
export function sctpTransition(direction: u32, type: u32, state: u32): u32 {
  return load<u8>(MATRIX + (((direction << 8) | (min(type, 15) << 4) | state) as usize)) as u32;
}
