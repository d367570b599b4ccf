/**
 * A connection tracking entry: ENTRY_SIZE bytes, aligned to it. The first 64 bytes are all that an IPv4 packet without TCP windows touches.
 *
 * The key is symmetric: both directions of a connection have the same one. An endpoint is 48 bits, (last word of the address << 16) | port;
 * the smaller endpoint is the low one. ENTRY_SWAPPED says whether the original direction goes from the high to the low one.
 * ICMP has no ports: there the asking endpoint's port is the identifier, the answering one's (type of the question << 8 | code).
 * Where addresses are translated (alias.ts), or the directions are in different zones (zones.ts), the key is that of the original direction alone; the reply has one of its own, in an alias.
 */

/** u64: low endpoint | protocol << 48 | family << 56; bit 63, ICMP only: the high endpoint asks. */
export const ENTRY_LOW: usize = 0;
/** u64: high endpoint | zone << 48. */
export const ENTRY_HIGH: usize = 8;
/** i64: jiffies when the entry expires; while it is unconfirmed: how many jiffies it will live from confirmation. */
export const ENTRY_TIMEOUT: usize = 16;
/** u32: IPS_* of the kernel. */
export const ENTRY_STATUS: usize = 24;
/** u8 each; together with the status they are a word of 64 bits, which the shortest way reads at once (bare.ts). */
export const ENTRY_TCP_STATE: usize = 28;
export const ENTRY_SWAPPED: usize = 29;
/** u8 each: IP_CT_TCP_FLAG_* of the two sides. */
export const ENTRY_TCP_FLAGS: usize = 30;
/** u32: hash of the key | 1. */
export const ENTRY_HASH: usize = 32;
/** What the kernel calls last_*: memory of the last packet that counted. */
export const ENTRY_LAST_DIRECTION: usize = 36;
export const ENTRY_LAST_INDEX: usize = 37;
export const ENTRY_LAST_FLAGS: usize = 38;
export const ENTRY_LAST_SCALE: usize = 39;
export const ENTRY_LAST_SEQ: usize = 40;
export const ENTRY_LAST_ACK: usize = 44;
export const ENTRY_LAST_END: usize = 48;
/** u16. */
export const ENTRY_LAST_WINDOW: usize = 52;
/** u8, wraps as the kernel's. */
export const ENTRY_RETRANS: usize = 54;
/** u8 each: window scales of the two sides. */
export const ENTRY_TCP_SCALE: usize = 56;
/** u16: interface id of the device the connection was masqueraded at, 0 otherwise. */
export const ENTRY_MASQUERADED: usize = 58;
/** u32: next entry of the free list. */
export const ENTRY_NEXT: usize = 60;
/** u32: of an entry whose reply has a key of its own: its alias. */
export const ENTRY_ALIAS: usize = 60;
/** u32, of all others in the table: its place in the order of their confirmation, where that matters (zones.ts). */
export const ENTRY_SERIAL: usize = 60;
/** Two sides of SIDE_SIZE bytes. */
export const ENTRY_SIDES: usize = 64;
export const SIDE_SIZE: usize = 16;
export const SIDE_END: usize = 0;
export const SIDE_MAXEND: usize = 4;
export const SIDE_MAXWIN: usize = 8;
export const SIDE_MAXACK: usize = 12;
/** Words 0, 1, 2 of the low and of the high IPv6 address. */
export const ENTRY_UPPER: usize = 96;
export const UPPER_SIZE: usize = 24;
/** In their place, IPv4 only: where plain packets of the two directions leave the tree of rules, a u32 each (classify/known.ts), and u64 each, what they must be like for that. */
export const ENTRY_EDGE_CHECKS: usize = 96;
export const ENTRY_EDGES: usize = 112;
/** u32: connmark. */
export const ENTRY_MARK: usize = 120;
/** u32: address of the extension, 0 without one. */
export const ENTRY_EXTENSION: usize = 124;
export const ENTRY_SIZE: usize = 128;

/** An extension is as large as an entry. u64 each: packets and bytes of the original direction, then of the reply; 128 bits of labels; u32 each: neighbours in the queue of limit.ts; the first word of where the master was opened from. */
export const EXTENSION_COUNTERS: usize = 0;
export const EXTENSION_LABELS: usize = 32;
export const EXTENSION_OLDER: usize = 48;
export const EXTENSION_NEWER: usize = 52;
export const EXTENSION_MASTER: usize = 56;

/** UDP: i64 jiffies from which the flow is a stream. */
export const ENTRY_STREAM: usize = 40;

/** SCTP: its state lies where TCP's does. u32 each: the tags packets of the two directions must have, as on the wire; u8 each: an INIT came from the side; 1 + the direction of a HEARTBEAT with another tag. */
export const ENTRY_SCTP_TAGS: usize = 40;
export const ENTRY_SCTP_INIT: usize = 48;
export const ENTRY_SCTP_STRANGE: usize = 50;

/** IPS_* that only this room sees. */
export const STATUS_SRC_NAT_DONE: u32 = 128;
export const STATUS_DST_NAT_DONE: u32 = 256;
export const STATUS_DYING: u32 = 512;
/** Beside the IPS_*: HELPER_* of the helper it was assigned to, and of the connection that expected it. */
export const STATUS_HELPER_SHIFT: u32 = 16;
export const STATUS_HELPER: u32 = 15 << 16;
export const STATUS_MASTER_SHIFT: u32 = 20;
/** IPS_SEQ_ADJUST: helpers changed lengths (sequence.ts). */
export const STATUS_SHIFTED: u32 = 1 << 24;
/** IPS_SRC_NAT and IPS_DST_NAT: addresses are translated. */
export const STATUS_TRANSLATED: u32 = 48;
/** One direction is in a zone, the other in none. */
export const STATUS_ZONE_OF_ONE: u32 = 1 << 25;
/** The reply has a key of its own, in an alias. */
export const STATUS_ALIASED: u32 = STATUS_TRANSLATED | STATUS_ZONE_OF_ONE;
/** Not an entry: the key of another one's reply; the head of a list (mapped.ts, count.ts). */
export const STATUS_ALIAS: u32 = 1 << 29;
export const STATUS_HEAD: u32 = 1 << 30;
/** Not an entry, but half of one (half.ts): its word is of another kind. */
export const STATUS_HALF: u32 = 1 << 15;
/** Those that rules can see (abi/fields.ts). */
export const STATUS_VISIBLE: u32 = 63;

export const ASKED_BY_HIGH: u64 = (1 as u64) << 63;
export const FAMILY_MASK: u64 = 7;
export const ENDPOINT_MASK: u64 = 0x0000ffffffffffff;
export const PROTOCOL_TCP: u32 = 6;
export const PROTOCOL_UDP: u32 = 17;
export const PROTOCOL_ICMP: u32 = 1;
export const PROTOCOL_ICMPV6: u32 = 58;
export const PROTOCOL_GRE: u32 = 47;
export const PROTOCOL_DCCP: u32 = 33;
export const PROTOCOL_SCTP: u32 = 132;
export const PROTOCOL_UDPLITE: u32 = 136;
export const PROTOCOL_NO_NEXT: u32 = 59;

/** ENTRY_SIZE bytes become zero. For so little a call of memory.fill costs more. */
export function clearRecord(record: usize): void {
  for (let at = record; at < record + ENTRY_SIZE; at += 32) {
    store<u64>(at, 0);
    store<u64>(at, 0, 8);
    store<u64>(at, 0, 16);
    store<u64>(at, 0, 24);
  }
}
