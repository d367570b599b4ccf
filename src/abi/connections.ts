/**
 * A connection, and what a helper expects, as the engine describes them to its host: CONNECTION_SIZE and EXPECTATION_SIZE bytes, little-endian, aligned to 8. Words and ports are numbers in host order. Import-free.
 */

/** u32: 4 or 6; the protocol number; IPS_* bits that can be seen (fields.ts); the state of TCP and SCTP, TCP_* or SCTP_* (conntrack.ts). */
export const CONNECTION_FAMILY = 0;
export const CONNECTION_PROTOCOL = 4;
export const CONNECTION_STATUS = 8;
export const CONNECTION_TCP_STATE = 12;
/** i64: the jiffy at which it expires. */
export const CONNECTION_TIMEOUT = 16;
/** u32. */
export const CONNECTION_MARK = 24;
/** u32: the zone, 0 none. */
export const CONNECTION_ZONE = 28;
/** Four ends: source and destination of the original tuple, then of the reply. */
export const CONNECTION_ENDS = 32;
/** An end: four words of the address, most significant first (IPv4: the first only); the port. Of ICMP the source's is the id, the destination's type << 8 | code. */
export const END_PORT = 16;
export const END_SIZE = 20;
/** u32: HELPER_* (helpers.ts). */
export const CONNECTION_HELPER = 116;
/** u32: 1 when packets and bytes are counted; u64 each: packets and bytes of the original direction, then of the reply. */
export const CONNECTION_ACCOUNTED = 112;
export const CONNECTION_COUNTERS = 120;
/** u32: NAT_DRAWN_* (nat.ts). */
export const CONNECTION_DRAWN = 152;
/** u32: the directions that are in the zone, CT_ZONE_* (effects.ts). */
export const CONNECTION_ZONE_OF = 156;
export const CONNECTION_SIZE = 160;

/** u32: 4 or 6; the protocol number; the helper's class; EXPECTATION_FLAG_*. */
export const EXPECTATION_FAMILY = 0;
export const EXPECTATION_PROTOCOL = 4;
export const EXPECTATION_CLASS = 8;
export const EXPECTATION_FLAGS = 12;
/** i64: the jiffy at which it expires. */
export const EXPECTATION_TIMEOUT = 16;
/** u32: HELPER_* of the connection that expects it. */
export const EXPECTATION_HELPER = 24;
/** Five ends: source and destination of the tuple, the source's mask, source and destination of its master's original tuple. */
export const EXPECTATION_ENDS = 32;
export const EXPECTATION_SIZE = 136;

/** NF_CT_EXPECT_* that helpers of the kernel set. */
export const EXPECTATION_FLAG_PERMANENT = 1;
export const EXPECTATION_FLAG_INACTIVE = 2;
