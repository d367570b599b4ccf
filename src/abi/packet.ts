/**
 * The engine's packet slot: PACKET_SIZE bytes in linear memory. The first FIELD_COUNT * 4 bytes are the static fields (fields.ts), then
 * what the rooms of the engine hand to each other. Offsets in bytes; little-endian as all of WASM. Import-free.
 */
export const PACKET_FIELDS = 0;

/**
 * Two cache lines that whoever reads records fills (pipeline.ts: in another thread than all the rest). Of a plain segment that is not decoded the first holds all that is judged by:
 * u32, interface id of the record's capture interface (pcapng if_name), 0 if unnamed; u32, what the capture says about direction: 0 unknown, 1 inbound, 2 outbound.
 */
export const PACKET_INTERFACE = 128;
export const PACKET_DIRECTION = 132;
/** u64: jiffies at the packet's time, floor(t * HZ) counted from the epoch. */
export const PACKET_JIFFIES = 136;
/** By what conntrack knows the packet (conntrack/ahead.ts): u64 key, low and high. */
export const PACKET_CT_LOW = 144;
export const PACKET_CT_HIGH = 152;
/** The first 16 bytes of the TCP header, as they lie. */
export const PACKET_SEGMENT_HEADER = 160;
/** u32: address of the first captured byte of the record. */
export const PACKET_DATA = 176;
/** u32: what packet/segment.ts tells. */
export const PACKET_SEGMENT = 180;
/** u32: WAY_*. */
export const PACKET_WAY = 184;
/** u32: hash of the key, in whose lowest bit stands which way the packet goes; 0 none. */
export const PACKET_CT_HASH = 188;

/** The second line. u32: how many bytes were captured, FCS bytes already cut off; u32: the record's length on the wire. */
export const PACKET_CAPTURED = 192;
export const PACKET_WIRE = 196;
/** u32: link type of the record (LINKTYPE_*). u32, which who reads the record makes 0: of a marked slot, how much further on PACKET_DATA is than the record, modulo 2^32: as if IP stood behind an Ethernet header. */
export const PACKET_LINKTYPE = 200;
export const PACKET_SHIFT = 204;
/** u64: nanoseconds since the epoch. */
export const PACKET_TIME = 208;
/** u32: 1-based number of the packet in the job, low and high word. */
export const PACKET_NUMBER = 216;
export const PACKET_NUMBER_HIGH = 220;
/** u32 each, of a slot that is not decoded, where packet/seek.ts looked: address of the IP header, and bytes captured from there; 0 if it is not found. */
export const PACKET_FOUND = 224;
export const PACKET_FOUND_CAPTURED = 228;

/** Of decoded packets. u32: an UNSEEN_* or STACK_* or INVALID_* reason (reasons.ts), 0 none. */
export const PACKET_UNSEEN = 240;
export const PACKET_STACK = 244;
export const PACKET_INVALID = 248;
/** u32: address of the destination and source MAC (6 bytes each, destination first), 0 without Ethernet. */
export const PACKET_ETHERNET = 252;
/** u32: address of the IP header; u32: bytes captured from there (padding behind the IP packet included until the decoder trims). */
export const PACKET_IP = 256;
export const PACKET_IP_CAPTURED = 260;
/** u32: address of the conntrack entry, 0 without one; u32: 1 while it is not confirmed. */
export const PACKET_CT_ENTRY = 264;
export const PACKET_CT_UNCONFIRMED = 268;
/** In their place, of a slot that is not decoded (WAY_BEGINS): u32, the place of its service (classify/service.ts); u32, the short plan (plan.ts) whose rules it meets. */
export const PACKET_SERVICE = 264;
export const PACKET_SERVICE_PLAN = 268;
/** u32: offset of the transport header from the IP header (0 when there is none). */
export const PACKET_L4_OFFSET = 272;
/** u32: EtherType-like protocol that the link layer announced (0x0800, 0x86dd), 0 unknown. */
export const PACKET_ETHERTYPE = 276;
/** u32: address types, interface ids found by routing, for --limit-iface; see stack/. */
export const PACKET_SOURCE_DEVICE = 280;
export const PACKET_DESTINATION_DEVICE = 284;
/** u32: an UNSEEN_* reason that holds only if the packet arrives from outside (ip_rcv's checks do not see what the host sends), 0 none. */
export const PACKET_DOUBT = 288;
/** What conntrack found out about a batch ahead (conntrack/ahead.ts): u32 guess, 0 none; u32, behind it, the edge of the tree that the packet leaves by if it opens a connection (classify/ahead.ts), 0 if nobody knows. */
export const PACKET_CT_GUESS = 312;
export const PACKET_EDGE = 316;
export const PACKET_SIZE = 320;

/** Values of PACKET_WAY. */
export const WAY_UNSEEN = 0;
export const WAY_INPUT = 1;
export const WAY_FORWARD = 2;
export const WAY_OUTPUT = 3;
/** Sent and received by this host over lo: OUTPUT, POSTROUTING, then PREROUTING and INPUT with the same connection. */
export const WAY_LOOPBACK = 4;
/** Sent to a broadcast address: OUTPUT; then a copy of its own through POSTROUTING, PREROUTING and INPUT; then POSTROUTING. */
export const WAY_BROADCAST = 5;
/** Entered PREROUTING, then dropped by the stack (PACKET_STACK says why) before it came to INPUT, or to FORWARD. */
export const WAY_LOST_INPUT = 6;
export const WAY_LOST_FORWARD = 7;
/** Beside one of the above: defragmentation has to look at the packet first. */
export const WAY_FRAGMENT = 8;
/** Not known yet: the slot is not decoded, only what conntrack found out ahead is there (bare.ts). */
export const WAY_BARE = 16;
/** The same of a SYN and of what answers one, of a service that is known (services.ts). */
export const WAY_BEGINS = 17;
/** The same of a plain segment over IPv6, whose addresses stand in the slot's fields (six.ts). */
export const WAY_SIX = 18;
