/**
 * The static fields of a packet: one u32 each, at FIELD * 4 in the packet slot (see packet.ts). Compiler, engine and reference share
 * only these numbers. Import-free and type-free, so that tsc and asc both take this file.
 */

/** IPv4: the raw protocol byte. IPv6: the protocol behind the extension headers; 255 + HEADER_ERROR != 0 when the chain cannot be parsed. */
export const FIELD_PROTOCOL = 0;
/** As the kernel's par->fragoff: IPv4 offset in units of 8 bytes; IPv6 offset in bytes of a non-first fragment; 0 for first and whole packets. */
export const FIELD_FRAGMENT = 1;
/** Bytes present from the transport header to the end of the IP packet (headers of non-first fragments count what lies there). */
export const FIELD_L4_LENGTH = 2;
/** First two bytes of the transport header, big-endian, whenever L4_LENGTH >= 2 (whatever the protocol or fragment offset), else 0. */
export const FIELD_SPORT = 3;
/** Bytes 2 and 3 of the transport header when L4_LENGTH >= 4, likewise. */
export const FIELD_DPORT = 4;
/** Byte 13 of the transport header & 0x3f (URG ACK PSH RST SYN FIN) when L4_LENGTH >= 14, else 0. */
export const FIELD_TCP_FLAGS = 5;
/** Byte 0 of the transport header when L4_LENGTH >= 2, else 0. */
export const FIELD_ICMP_TYPE = 6;
/** Byte 1 of the transport header when L4_LENGTH >= 2, else 0. */
export const FIELD_ICMP_CODE = 7;
/** skb->len: IPv4 total length, IPv6 payload length + 40. */
export const FIELD_LENGTH = 8;
/** TTL or hop limit as seen at this hook (FORWARD and POSTROUTING of a forwarded packet see one less). */
export const FIELD_TTL = 9;
/** TOS byte or IPv6 traffic class. */
export const FIELD_TOS = 10;
/** Interface id (see host.ts of this room); 0 is "no interface" (empty name). */
export const FIELD_IN_INTERFACE = 11;
export const FIELD_OUT_INTERFACE = 12;
/** One of CT_*. */
export const FIELD_CT_STATE = 13;
/** 0 original, 1 reply; 0 without a connection. */
export const FIELD_CT_DIRECTION = 14;
/** IPS_* bits of the kernel: EXPECTED 1, SEEN_REPLY 2, ASSURED 4, CONFIRMED 8, SRC_NAT 16, DST_NAT 32; bit 31: there is an entry. */
export const FIELD_CT_STATUS = 15;
/** The packet mark; changes on the way (MARK target). */
export const FIELD_MARK = 16;
/** One of PACKET_*. */
export const FIELD_PACKET_TYPE = 17;
/** RTN_* of the source and of the destination address, as `-m addrtype` sees them without --limit-iface. */
export const FIELD_SOURCE_TYPE = 18;
export const FIELD_DESTINATION_TYPE = 19;
/** Source MAC: 0x10000 | first two bytes (big-endian) when the in-device is Ethernet, else 0; the other four bytes in MAC_LOW. */
export const FIELD_MAC_HIGH = 20;
export const FIELD_MAC_LOW = 21;
/** Addresses: four words, host order, most significant first; IPv4 uses the first only, the others are 0. */
export const FIELD_SOURCE = 22;
export const FIELD_DESTINATION = 26;
/** IPv6: 0 fine; 1: the header chain cannot be parsed and -p hot-drops; 2: cannot be parsed, -p does not match. IPv4: 0. */
export const FIELD_HEADER_ERROR = 30;
/** 4 or 6. */
export const FIELD_FAMILY = 31;
/** No more than 32: a set of fields is a word with a bit each (compile/box.ts). */
export const FIELD_COUNT = 32;

export const CT_INVALID = 0;
export const CT_NEW = 1;
export const CT_ESTABLISHED = 2;
export const CT_RELATED = 3;
export const CT_UNTRACKED = 4;

export const STATUS_EXPECTED = 1;
export const STATUS_SEEN_REPLY = 2;
export const STATUS_ASSURED = 4;
export const STATUS_CONFIRMED = 8;
export const STATUS_SRC_NAT = 16;
export const STATUS_DST_NAT = 32;
/** 1 << 31 as an i32 literal, so that asc folds it. */
export const STATUS_ENTRY = -2147483648;

/** Linux PACKET_*. */
export const PACKET_HOST = 0;
export const PACKET_BROADCAST = 1;
export const PACKET_MULTICAST = 2;
export const PACKET_OTHERHOST = 3;
export const PACKET_OUTGOING = 4;

/** Linux RTN_*. */
export const RTN_UNSPEC = 0;
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTN_BROADCAST = 3;
export const RTN_ANYCAST = 4;
export const RTN_MULTICAST = 5;
export const RTN_BLACKHOLE = 6;
export const RTN_UNREACHABLE = 7;
export const RTN_PROHIBIT = 8;
export const RTN_THROW = 9;
