/**
 * Codes of the tests that are more than a comparison of fields. Shared by lower (extensions), the compiler and the engine. Import-free.
 * A special test answers TEST_MISS, TEST_HIT, TEST_HOTDROP or TEST_HOTDROP_MATCHED. Parameters are u32 each, in this order.
 */
export const TEST_MISS = 0;
export const TEST_HIT = 1;
export const TEST_HOTDROP = 2;
/** It holds, and the packet is dropped when the rule is through: counted, if all its other tests hold. */
export const TEST_HOTDROP_MATCHED = 3;

/** tcp --tcp-option: kind, invert(0|1). Data offset < 5 hot-drops. */
export const SPECIAL_TCP_OPTION = 1;
/**
 * conntrack with more than a state: match flags, invert flags, state mask (bits 1 << CT_*), status mask, direction, protocol, expire low, expire high (seconds),
 * then for each of origsrc, origdst, replsrc, repldst: 4 address words, 4 mask words (32 words); then low, high of origsrcport, origdstport, replsrcport, repldstport (8 words).
 * Flags are CONNTRACK_*.
 */
export const SPECIAL_CONNTRACK = 2;
/** limit of the legacy backend: cost, cap (credits, u32); state: one slot of credits and jiffies, starts full. Credits per jiffy follow from HZ. */
export const SPECIAL_LIMIT = 3;
/** limit of the nft backend: cost low, cost high, bucket low, bucket high (ns). */
export const SPECIAL_LIMIT_NFT = 4;
/** addrtype with --limit-iface-in/out: bit mask of RTN_* for the source (0 none), for the destination, invert bits (1 source, 2 destination), 0 in | 1 out device. */
export const SPECIAL_ADDRTYPE_DEVICE = 5;

/** connmark: mark, mask, invert. */
export const SPECIAL_CONNMARK = 6;
/**
 * Bytes of the packet as one big-endian number: base (PAYLOAD_*), offset from there, width (1, 2 or 4; 0: only that `offset` bytes are there), mask, low, high, invert, and
 * the answer when they are not there (TEST_MISS or TEST_HOTDROP; the same for an IPv6 header chain that cannot be followed). low <= (number & mask) <= high.
 */
export const SPECIAL_PAYLOAD = 40;
/**
 * string: algorithm (STRING_*), from, to, ignore case, invert, length of the pattern, then bytes, four a word, the first lowest: the pattern (in upper case when case is ignored) and,
 * for STRING_BM, 256 shifts by byte and `length` shifts by bytes that fit.
 */
export const SPECIAL_STRING = 41;
/** u32: invert, number of tests; each: numbers, ranges, then pairs of U32_* operator and number (the first operator is not looked at), then pairs of least and most. */
export const SPECIAL_U32 = 42;
/** tcpmss: low, high, invert. */
export const SPECIAL_TCPMSS = 43;
/** ipv6header: 0 exactly these headers, 1 all of them (--soft); flags HEADERS_*; invert: none of them when soft. */
export const SPECIAL_IPV6_HEADERS = 44;
/** rt --rt-0-addrs: 1 exactly these addresses, 0 these in this order among others; their number; 4 words each. The header is whole. */
export const SPECIAL_ROUTING_ADDRESSES = 45;
/** hbh and dst: protocol number of the header, number of options; each: type, length (255: any). The header is whole. */
export const SPECIAL_HEADER_OPTIONS = 46;
/** srh: bits of what is asked for (1 previous, 2 next, 4 last segment), bits of what is inverted, then for each of the three 4 address words and 4 mask words. */
export const SPECIAL_SEGMENTS = 47;
/** eui64: no parameters. */
export const SPECIAL_EUI64 = 48;
/** dccp --dccp-option: kind, invert, what a malformed header answers (TEST_HOTDROP or TEST_HOTDROP_MATCHED). */
export const SPECIAL_DCCP_OPTION = 49;
/** time: first and last date (seconds since the epoch), first and last second of the day, days of the month (1 << day), weekdays (1 << day, Monday 1), contiguous. */
export const SPECIAL_TIME = 50;
/** bpf: number of instructions; each: code | jt << 16 | jf << 24, and k. The last one returns. */
export const SPECIAL_BPF = 51;

/** rpfilter: through any device (0|1), an address of this host will do (0|1), invert. */
export const SPECIAL_REVERSE_PATH = 60;
/** What is told of packets by their numbers: the answer for all (0|1), how many have the other one, their numbers, the lowest first. */
export const SPECIAL_LISTED = 61;
/** Two such lists, one behind the other: for hooks where the packet has no device to leave by, and for those where it has. */
export const SPECIAL_LISTED_BY_WAY = 63;
/** connlimit: limit, 1 above it | 0 up to it, 0 source | 1 destination, 4 words of the address mask, STATUS_* that make a connection one that is not looked for; state: none, but its place names the rule. */
export const SPECIAL_CONNLIMIT = 53;

/** cluster: nodes, a bit for each node that matches, seed, invert. It makes packets for a multicast MAC ones for this host. */
export const SPECIAL_CLUSTER = 54;
/** The type of the packet (PACKET_*) where rules may change it: low, high, invert. */
export const SPECIAL_PACKET_TYPE = 55;

export const HEADERS_HOP_BY_HOP = 128;
export const HEADERS_DESTINATION = 64;
export const HEADERS_ROUTING = 32;
export const HEADERS_FRAGMENT = 16;
export const HEADERS_AUTHENTICATION = 8;
export const HEADERS_ESP = 4;
export const HEADERS_NONE = 2;
export const HEADERS_PROTOCOL = 1;

/** Bases of SPECIAL_PAYLOAD: the IP header; the transport header; with the number of its protocol below it, the first IPv6 extension header of that kind. */
export const PAYLOAD_NETWORK = 0;
export const PAYLOAD_TRANSPORT = 256;
export const PAYLOAD_HEADER = 512;
/** Beside PAYLOAD_HEADER: the header must be there to its end. */
export const PAYLOAD_WHOLE = 1024;

export const STRING_BM = 0;
export const STRING_KMP = 1;

export const U32_AND = 0;
export const U32_LEFT = 1;
export const U32_RIGHT = 2;
export const U32_AT = 3;
/**
 * sctp --chunk-types: way (0 any, 1 all, 2 only), invert, what a malformed chunk answers (TEST_HOTDROP or TEST_HOTDROP_MATCHED), eight words of a map of chunk types (bit type & 31 of
 * word type >> 5), three conditions on flags: type << 16 | mask << 8 | value, or all ones for none.
 */
export const SPECIAL_SCTP_CHUNKS = 7;
/** connbytes: what (0 packets, 1 bytes, 2 bytes a packet), direction (0, 1, 2 both), from low, from high, to low, to high; from > to: what lies outside of to and from. */
export const SPECIAL_CONNBYTES = 8;
/** connlabel: number of the label, invert, 1: set it when it is not. */
export const SPECIAL_CONNLABEL = 9;
/** helper: bits 1 << HELPER_* (helpers.ts) of the helpers that match, invert. */
export const SPECIAL_HELPER = 20;

export const CONNTRACK_STATE = 1;
export const CONNTRACK_PROTO = 2;
export const CONNTRACK_ORIGSRC = 4;
export const CONNTRACK_ORIGDST = 8;
export const CONNTRACK_REPLSRC = 16;
export const CONNTRACK_REPLDST = 32;
export const CONNTRACK_STATUS = 64;
export const CONNTRACK_EXPIRES = 128;
export const CONNTRACK_ORIGSRC_PORT = 256;
export const CONNTRACK_ORIGDST_PORT = 512;
export const CONNTRACK_REPLSRC_PORT = 1024;
export const CONNTRACK_REPLDST_PORT = 2048;
export const CONNTRACK_DIRECTION = 4096;
/** In the state mask, beside 1 << CT_*. */
export const CONNTRACK_STATE_SNAT = 64;
export const CONNTRACK_STATE_DNAT = 128;

/** statistic --mode nth: every - 1, the counter's start, invert (0|1). State: u32 used, u32 counter. */
export const SPECIAL_NTH = 32;
/**
 * statistic --mode random: of 2^31, invert (0|1), seed. State shared by all: u32 used, u32 generator.
 * The generator is mulberry32: s += 0x6d2b79f5, m = (s ^ s >>> 15) * (s | 1), m ^= m + (m ^ m >>> 7) * (m | 61), the number is m ^ m >>> 14; it begins with s = seed.
 */
export const SPECIAL_RANDOM = 33;
/** quota: bytes low, bytes high, invert (0|1). State: u32 used, u64 left at 8. */
export const SPECIAL_QUOTA = 34;
/**
 * recent: RECENT_* flags, the jiffies it looks back (u32), hits (0: one is enough), the mask of an entry's 8- or 16-bit index; then of the list: 4 mask words, stamps an entry keeps less
 * one. State shared by name, RECENT_SIZE bytes and RECENT_ENTRIES entries of RECENT_ENTRY bytes and 8 a stamp.
 */
export const SPECIAL_RECENT = 35;

export const RECENT_SET = 1;
export const RECENT_UPDATE = 2;
export const RECENT_REMOVE = 4;
export const RECENT_TTL = 8;
export const RECENT_REAP = 16;
export const RECENT_DESTINATION = 32;
export const RECENT_SECONDS = 64;
export const RECENT_INVERT = 128;
/** The kernel's ip_list_tot: addresses a list remembers. */
export const RECENT_ENTRIES = 100;
export const RECENT_SIZE = 544;
export const RECENT_ENTRY = 48;

/**
 * hashlimit: HASHLIMIT_* of the rule (ABOVE, BYTES, WINDOW), a bucket of bytes (CREDITS_PER_JIFFY_BYTES * HZ); then of the table: HASHLIMIT_* (the others and BYTES, WINDOW), entries at most,
 * places of the hash less one, bytes of an entry, then u64 each, low and high: jiffies between two collections, jiffies until an entry expires, the cost (of a window: its rate), the first
 * credit (of a window: what it may hold), the cap, credits a jiffy; jiffies of a window; 4 mask words of the source, 4 of the destination; seconds of a window.
 * State shared by family and name: HASHLIMIT_SIZE bytes, u32 a place, the entries. May drop the packet.
 */
export const SPECIAL_HASHLIMIT = 36;

export const HASHLIMIT_SOURCE = 1;
export const HASHLIMIT_DESTINATION = 2;
export const HASHLIMIT_SOURCE_PORT = 4;
export const HASHLIMIT_DESTINATION_PORT = 8;
export const HASHLIMIT_BYTES = 16;
export const HASHLIMIT_WINDOW = 32;
export const HASHLIMIT_ABOVE = 64;
export const HASHLIMIT_SIZE = 32;
export const HASHLIMIT_ENTRY4 = 48;
export const HASHLIMIT_ENTRY6 = 72;

/**
 * set: number of the set in the region of sets (sets.ts), SET_* flags, number of sides, bits of those that are the source's, the packets and the bytes that counters are compared with (u64 each,
 * low and high).
 */
export const SPECIAL_SET = 62;
export const SET_INVERT = 1;
export const SET_NOMATCH = 2;
export const SET_NO_UPDATE = 4;
export const SET_NO_SUB_UPDATE = 8;
/** How a counter is compared: three bits each from here on; 0 not at all. */
export const SET_COUNT_PACKETS = 8;
export const SET_COUNT_BYTES = 12;
export const SET_COUNT_EQUAL = 1;
export const SET_COUNT_UNEQUAL = 2;
export const SET_COUNT_LESS = 3;
export const SET_COUNT_GREATER = 4;

/**
 * osf: how TTLs are compared (OSF_TTL_*), number of fingerprints, then of each: how the window is told (OSF_*) | OSF_DONT_FRAGMENT | TTL << 16, the window's number, length of the packet |
 * bytes of options << 16, number of options, kind | length << 8 of each.
 */
export const SPECIAL_OSF = 52;

export const OSF_PLAIN = 0;
export const OSF_MSS = 1;
export const OSF_MTU = 2;
export const OSF_MODULO = 3;
export const OSF_DONT_FRAGMENT = 256;
export const OSF_TTL_EXACT = 0;
export const OSF_TTL_LESS = 1;

/** nfacct: no parameters. State shared by name: u64 packets, u64 bytes. Always matches. */
export const SPECIAL_ACCOUNT = 56;
export const ACCOUNT_SIZE = 16;

/**
 * RATEEST and rateest: estimators of rates. Behind the parameters of each: jiffies between two ticks, what a tick's number is multiplied by (as a power of two), the weight of a tick (as a
 * power of 1/2). State shared by name: u64 ticks so far, then u64 each, of bytes and of packets: what came since the last tick, the average in 256ths a second.
 * COUNT: the packet is counted. KEEP: the rates are kept for the COMPARE that follows. Both always match.
 * COMPARE: RATE_* flags; bytes a second and packets a second of the first side, then of the second.
 */
export const SPECIAL_RATE_COUNT = 37;
export const SPECIAL_RATE_KEEP = 38;
export const SPECIAL_RATE_COMPARE = 39;

export const RATE_SIZE = 40;
export const RATE_BYTES = 1;
export const RATE_PACKETS = 2;
/** What is less than the given rate counts, not the rate. */
export const RATE_DELTA = 4;
/** The second side is the rates that were kept, not those that are given. */
export const RATE_KEPT = 8;
export const RATE_INVERT = 16;
/** How the sides are compared; none of them: whether they are equal. */
export const RATE_LESS = 32;
export const RATE_GREATER = 64;
