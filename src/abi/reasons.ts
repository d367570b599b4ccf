/**
 * Numbers of the reasons a packet can have; the words are in model/reasons.ts, in the same order. Import-free.
 */

/** The packet never reached netfilter. */
export const UNSEEN_NONE = 0;
/** The link layer carries something else (ARP, LLDP...). */
export const UNSEEN_NOT_IP = 1;
/** The link type of the record is not one we read. */
export const UNSEEN_LINKTYPE = 2;
/** The link layer header is cut or impossible. */
export const UNSEEN_LINK_TRUNCATED = 3;
export const UNSEEN_OTHERHOST = 4;
/** Fewer bytes than an IP header. */
export const UNSEEN_IP_SHORT = 5;
export const UNSEEN_IP_VERSION = 6;
export const UNSEEN_IP_HEADER_LENGTH = 7;
export const UNSEEN_IP_CHECKSUM = 8;
/** The capture holds fewer bytes than the packet's total length. */
export const UNSEEN_IP_TRUNCATED = 9;
/** Total length smaller than the header. */
export const UNSEEN_IP_TOTAL_LENGTH = 10;
export const UNSEEN_IP6_ADDRESS = 11;
export const UNSEEN_IP6_HOPOPTS = 12;
/** The copy of a forwarded packet that leaves; its arrival was counted. */
export const UNSEEN_OUTGOING_COPY = 13;
/** No rule set of this family was given. */
export const UNSEEN_FAMILY = 14;
/** Defragmentation (PREROUTING and OUTPUT, before every table) keeps the fragment until the rest is there. */
export const UNSEEN_FRAGMENT_KEPT = 15;
/** Defragmentation threw the fragment away: it overlaps another, is malformed, or there are too many. */
export const UNSEEN_FRAGMENT_DISCARDED = 16;
/** Captured at a port of a bridge or bond ("-i any"): the bridge or bond itself has it, too, if it comes to the IP stack. */
export const UNSEEN_PORT = 17;
export const UNSEEN_COUNT = 18;
/** Another engine's packet, of those that share a capture: counted by none but that one. */
export const UNSEEN_ELSEWHERE = 255;

/** The stack dropped the packet between two hooks. */
export const STACK_NONE = 0;
export const STACK_MARTIAN_SOURCE = 1;
export const STACK_MARTIAN_DESTINATION = 2;
export const STACK_NO_ROUTE = 3;
export const STACK_TTL = 4;
export const STACK_NOT_HOST = 5;
export const STACK_MTU = 6;
export const STACK_FORWARDING_OFF = 7;
/** blackhole, unreachable and prohibit routes. */
export const STACK_UNREACHABLE = 8;
export const STACK_MULTICAST = 9;
export const STACK_SOURCE_ROUTE = 10;
export const STACK_RP_FILTER = 11;
/** IPv6: source address may not be forwarded (link-local, loopback, multicast). */
export const STACK_SOURCE_SCOPE = 12;
export const STACK_IP_OPTIONS = 13;
/** Conntrack has no room for one more connection. */
export const STACK_TABLE_FULL = 14;
/** ip_forward, ip6_forward: it has a socket (TPROXY), and is for this host or for nobody. */
export const STACK_HAS_SOCKET = 15;
/** ip_local_deliver: an IPv4 fragment for this host that nobody gathered before: in front of INPUT it waits for the rest, or is thrown away as by defragmentation. */
export const STACK_FRAGMENT_KEPT = 16;
export const STACK_FRAGMENT_DISCARDED = 17;
export const STACK_COUNT = 18;

/** Why conntrack called a packet INVALID (or NONE). */
export const INVALID_NONE = 0;
export const INVALID_FRAGMENT = 1;
export const INVALID_HEADER_CHAIN = 2;
export const INVALID_SHORT = 3;
export const INVALID_CHECKSUM = 4;
export const INVALID_ICMP_TYPE = 5;
export const INVALID_ICMP_NEW = 6;
export const INVALID_ICMP_INNER = 7;
export const INVALID_ICMP_UNRELATED = 8;
export const INVALID_ICMP_MISMATCH = 9;
export const INVALID_TCP_HEADER = 10;
export const INVALID_TCP_FLAGS = 11;
export const INVALID_TCP_NEW = 12;
export const INVALID_TCP_STATE = 13;
export const INVALID_TCP_RST = 14;
export const INVALID_TCP_SEQ_OVER = 15;
export const INVALID_TCP_ACK_OVER = 16;
export const INVALID_UDP_LENGTH = 17;
/** SCTP: chunks in an order that may not be, or none; chunks that begin nothing; a wrong verification tag; a chunk that cannot come in this state. */
export const INVALID_SCTP_CHUNKS = 18;
export const INVALID_SCTP_NEW = 19;
export const INVALID_SCTP_TAG = 20;
export const INVALID_SCTP_STATE = 21;
export const INVALID_COUNT = 22;
