/**
 * The region of ipset's sets: number of sets (u32), then from SETS_FIRST on a header a set; what headers point to (offsets from the region's start) lies behind them. All u32 unless said
 * otherwise. Import-free.
 */
export const SETS_FIRST = 16;

/** Kinds of the parts of an element, four bits each, the first lowest; their number << 12. */
export const SET_PARTS = 0;
/** 4 or 6; 0 for both. */
export const SET_FAMILY = 4;
/** SET_HAS_*. */
export const SET_FEATURES = 8;
export const SET_MARK_MASK = 12;
/** Four words: of addresses. */
export const SET_MASK = 16;
/** Hash: places less one (a power of two less one), and where they lie; a place is the number of an entry. */
export const SET_PLACE_MASK = 32;
export const SET_PLACES = 36;
/** Entries, numbered from 1 on, 0 is none; how many there are. */
export const SET_ENTRIES = 40;
export const SET_COUNT = 44;
/** For the first and for the last part that is a network: where the prefixes lie that elements have, a number of them and then the longest first. */
export const SET_PREFIXES = 48;
export const SET_HEADER_SIZE = 64;

export const PART_IP = 1;
export const PART_NET = 2;
export const PART_PORT = 3;
export const PART_MAC = 4;
export const PART_MARK = 5;

/** Its entries are members: the first word of their key is the number of a set. They are asked in their order. */
export const SET_HAS_MEMBERS = 1;
export const SET_HAS_COUNTERS = 2;
/** An address of zeros is in no set of this type. */
export const SET_HAS_NO_ZERO = 4;
/** Ports of TCP and UDP, without their protocol. */
export const SET_HAS_BARE_PORTS = 8;

/** The next entry in the place; 1 for `nomatch`. */
export const ENTRY_NEXT = 0;
export const ENTRY_NOMATCH = 4;
/** u64: jiffies behind the start of the replay up to which it is there; 0 for ever. */
export const ENTRY_EXPIRES = 8;
/** u64 each. */
export const ENTRY_PACKETS = 16;
export const ENTRY_BYTES = 24;
/** Three parts of five words each: address (or other) and prefix (or protocol). */
export const ENTRY_KEY = 32;
export const ENTRY_SIZE = 96;
export const PART_WORDS = 5;
export const KEY_WORDS = 15;
export const KEY_FACTOR = 0x01000193;
