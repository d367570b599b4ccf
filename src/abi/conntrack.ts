/**
 * The parameter block of connection tracking: TRACKING_SIZE bytes, little-endian, written by compile/conntrack.ts and copied by
 * assembly/conntrack at its start. Offsets in bytes; timeouts are u32 jiffies. Import-free.
 */

/** u32: jiffies per second (CONFIG_HZ). */
export const TRACKING_HZ = 0;
/** u32: TRACKING_FLAG_* bits. */
export const TRACKING_FLAGS = 4;
/** u64: the key of the hash; every session draws one of its own. */
export const TRACKING_SEED = 8;
/** u32: nf_conntrack_tcp_max_retrans. */
export const TRACKING_MAX_RETRANS = 16;
/** Ten u32: timeouts by TCP state (that of TCP_NONE is 0); then the two special ones. */
export const TRACKING_TCP = 20;
export const TRACKING_TCP_RETRANS = 60;
export const TRACKING_TCP_UNACK = 64;
export const TRACKING_UDP = 68;
export const TRACKING_UDP_STREAM = 72;
export const TRACKING_ICMP = 76;
export const TRACKING_ICMPV6 = 80;
export const TRACKING_GENERIC = 84;
export const TRACKING_GRE = 88;
export const TRACKING_GRE_STREAM = 92;
/** How long fragments wait for the rest, IPv4 and IPv6; u32: ipfrag_max_dist. */
export const TRACKING_FRAG4 = 96;
export const TRACKING_FRAG6 = 100;
export const TRACKING_FRAG4_DISTANCE = 104;
/** u32: ipfrag_high_thresh and nf_conntrack_frag6_high_thresh, bytes. */
export const TRACKING_FRAG4_MEMORY = 108;
export const TRACKING_FRAG6_MEMORY = 112;
/** Nine u32: timeouts by SCTP state (that of SCTP_NONE is that of CLOSED). */
export const TRACKING_SCTP = 116;
/** u32: nf_conntrack_expect_max. */
export const TRACKING_EXPECTATIONS = 152;
/** u32: nf_conntrack_max, 0: no limit. */
export const TRACKING_LIMIT = 156;
/** u32: rules that count connections (connlimit). */
export const TRACKING_COUNTED = 160;
export const TRACKING_SIZE = 168;

/** Verify transport checksums in PREROUTING (nf_conntrack_checksum, and a prestack that is not lenient). */
export const TRACKING_FLAG_CHECKSUM = 1;
/** nf_conntrack_tcp_loose. */
export const TRACKING_FLAG_LOOSE = 2;
/** nf_conntrack_tcp_be_liberal. */
export const TRACKING_FLAG_LIBERAL = 4;
/** nf_conntrack_tcp_ignore_invalid_rst. */
export const TRACKING_FLAG_IGNORE_INVALID_RST = 8;
/** A family has a nat table that connections meet: the first packets of one consult it. */
export const TRACKING_FLAG_NAT = 16;
/** A RST that may be forged, so that the connection stays open, leaves it the unacknowledged timeout, not that of CLOSE. */
export const TRACKING_FLAG_DOUBTED_RST = 32;
/** ICMPv6 multicast router discovery is never tracked. */
export const TRACKING_FLAG_ROUTER_DISCOVERY = 64;
/** Connections count their packets and bytes (nf_conntrack_acct). */
export const TRACKING_FLAG_ACCOUNTING = 128;
/** Connections have labels. */
export const TRACKING_FLAG_LABELS = 256;

/** Rules assign connections to helpers. */
export const TRACKING_FLAG_HELPERS = 1024;
/** Connections that were expected are assigned to the helper that expected them. */
export const TRACKING_FLAG_HELPED = 2048;
/** The kernel most likely finds no connection that could go when the table is full (model/table-limit.ts). */
export const TRACKING_FLAG_SPARSE = 4096;
/** Rules put one direction of connections into a zone, and the other into none. */
export const TRACKING_FLAG_ZONES_OF_ONE = 8192;
/** Rules ask where the connection was opened from that expected another. */
export const TRACKING_FLAG_MASTERS = 16384;
/** The next contact of a SIP message is looked for behind the one that was changed, where that ends now. */
export const TRACKING_FLAG_CONTACTS = 32768;
/** The port of a translated destination is drawn where it is one of several (6.1). */
export const TRACKING_FLAG_DRAWN_DESTINATIONS = 65536;

/** TCP states in the kernel's order (enum tcp_conntrack); timeouts lie at TRACKING_TCP + 4 * state. */
export const TCP_NONE = 0;
export const TCP_SYN_SENT = 1;
export const TCP_SYN_RECV = 2;
export const TCP_ESTABLISHED = 3;
export const TCP_FIN_WAIT = 4;
export const TCP_CLOSE_WAIT = 5;
export const TCP_LAST_ACK = 6;
export const TCP_TIME_WAIT = 7;
export const TCP_CLOSE = 8;
export const TCP_SYN_SENT2 = 9;

/** SCTP states in the kernel's order (enum sctp_conntrack); timeouts lie at TRACKING_SCTP + 4 * state. */
export const SCTP_NONE = 0;
export const SCTP_CLOSED = 1;
export const SCTP_COOKIE_WAIT = 2;
export const SCTP_COOKIE_ECHOED = 3;
export const SCTP_ESTABLISHED = 4;
export const SCTP_SHUTDOWN_SENT = 5;
export const SCTP_SHUTDOWN_RECD = 6;
export const SCTP_SHUTDOWN_ACK_SENT = 7;
export const SCTP_HEARTBEAT_SENT = 8;

/** Of so many connections at most a list of connlimit is asked what another beginning of the jiffy would have brought (model/jiffy-edges.ts). */
export const LISTED_AT_MOST = 128;
