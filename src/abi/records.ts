/**
 * One packet's record in the output ring: RECORD_SIZE bytes, then the segments of its path, u32 each; then the packet as rules left it, when asked for; up to a multiple of 8. Segment 0, which has no events, stands before and
 * behind what happened to a copy of the packet (WAY_BROADCAST). Import-free.
 */
export const RECORD_NUMBER = 0;
export const RECORD_NUMBER_HIGH = 4;
/** u64 nanoseconds. */
export const RECORD_TIME = 8;
/** WAY_*. */
export const RECORD_WAY = 16;
/** VERDICT_*, or RECORD_NO_VERDICT. */
export const RECORD_VERDICT = 20;
export const RECORD_UNSEEN = 24;
export const RECORD_STACK = 28;
export const RECORD_INVALID = 32;
/** CT_*, or RECORD_NO_STATE where no conntrack ran. */
export const RECORD_STATE = 36;
export const RECORD_BYTES = 40;
/** Number of segments behind the record. */
export const RECORD_SEGMENTS = 44;
/** RECORD_FLAG_*. */
export const RECORD_FLAGS = 48;
/** INPUT, OUTPUT, FORWARD: 0, 1, 2. */
export const RECORD_HOOK = 52;
/** Bytes of the packet behind the path, when they are asked for. */
export const RECORD_REWRITTEN = 56;
export const RECORD_SIZE = 64;
export const RECORD_NO_VERDICT = 255;
export const RECORD_NO_STATE = 255;
/** A match dropped the packet and TRACE names no rule for it (ip_tables; nf_tables names the rule whose match it was). */
export const RECORD_FLAG_SILENT = 1;
/** The path had more segments than the ring holds. */
export const RECORD_FLAG_CUT = 2;
/** Flags from here on: NAT_DRAWN_* (nat.ts) of the packet's connection, if the packet goes its original direction. */
export const RECORD_DRAWN_SHIFT = 2;
