/**
 * A connection as the engine describes it to its host: CONNECTION_SIZE bytes, little-endian, aligned to 8. Words and ports are numbers in host order. Import-free.
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
export const CONNECTION_SIZE = 160;
