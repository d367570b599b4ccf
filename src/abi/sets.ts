/**
 * The region of ipset's sets: number of sets (u32), then from SETS_FIRST on a header a set; what headers point to (offsets from the region's start) lies behind them. All u32 unless said
 * otherwise. Import-free.
 */
export const SETS_FIRST = 16;
/** Bytes that the engine is to have behind the region, for entries that packets add. */
export const SETS_BEHIND = 4;

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
/** How many entries there can be beside those, and where they lie (behind the region); 0 where no rule adds any. Their numbers follow those of the others. */
export const SET_ROOM = 56;
export const SET_ADDED = 60;
/** For the same parts as SET_PREFIXES: how many elements have each prefix, PREFIX_COUNTS words from 0 on; 0 where no rule changes the set. */
export const SET_PREFIX_COUNTS = 64;
/** Jiffies that an element gets which is added without a timeout; 0 for ever. */
export const SET_TIMEOUT = 72;
/** Of bitmaps: first and last address or port. */
export const SET_LOW = 76;
export const SET_HIGH = 80;
/** The last entry that became free (the one before in its ENTRY_NEXT); numbers that were ever used; entries that are used now; of a full set with forceadd, whose place was taken last. */
export const SET_FREE = 84;
export const SET_USED = 88;
export const SET_LIVE = 92;
export const SET_HAND = 96;
/** Elements that a set may have. */
export const SET_MOST = 100;
/** u64, jiffies as those of ENTRY_EXPIRES: up to then no time is over. */
export const SET_EARLIEST = 104;
/** Entries of numbers up to this are no holes. */
export const SET_SOLID = 112;
export const SET_HEADER_SIZE = 120;

export const PREFIX_COUNTS = 129;

/** A set with timeouts has room for so many places more than it takes elements: of those whose time is over. */
export const HOLES = 64;

export const PART_IP = 1;
export const PART_NET = 2;
export const PART_PORT = 3;
export const PART_MAC = 4;
export const PART_MARK = 5;
/** First and last id of the devices (abi/host.ts, NAMES_*) that are meant; in the place of the prefix IFACE_IS_PHYSDEV. */
export const PART_IFACE = 6;
export const IFACE_IS_PHYSDEV = 1;

/** Its entries are members: the first word of their key is the number of a set. They are asked in their order. */
export const SET_HAS_MEMBERS = 1;
export const SET_HAS_COUNTERS = 2;
/** An address of zeros is in no set of this type. */
export const SET_HAS_NO_ZERO = 4;
/** Ports of TCP and UDP, without their protocol. */
export const SET_HAS_BARE_PORTS = 8;
export const SET_HAS_TIMEOUTS = 16;
export const SET_HAS_FORCEADD = 32;
/** Its elements say what becomes of the packet's mark. */
export const SET_HAS_INFO = 64;
/** SET_LOW and SET_HIGH count, not the number of elements. */
export const SET_IS_BITMAP = 128;
/** hash:net,iface: places are those of the first part alone, and entries in them stand in the order in which they came. */
export const SET_HAS_IFACE = 256;
/** bitmap:ip,mac: the key is the first part alone. */
export const SET_HAS_BINDINGS = 512;
/** Rules change it. */
export const SET_HAS_CHANGES = 1024;

/** The next entry in the place; ENTRY_IS_*. */
export const ENTRY_NEXT = 0;
export const ENTRY_FLAGS = 4;
/** u64: jiffies behind the start of the replay up to which it is there; 0 for ever. */
export const ENTRY_EXPIRES = 8;
/** u64 each. */
export const ENTRY_PACKETS = 16;
export const ENTRY_BYTES = 24;
/** Three parts of five words each: address (or other) and prefix (or protocol). */
export const ENTRY_KEY = 32;
/** mark = (mark & ~mask) ^ value: value, mask. */
export const ENTRY_MARK = 92;
export const ENTRY_MARK_MASK = 96;
export const ENTRY_SIZE = 104;

export const ENTRY_IS_NOMATCH = 1;
/** In no place. */
export const ENTRY_IS_FREE = 2;
/** A packet put it there. */
export const ENTRY_IS_NEW = 4;
/** A packet put it there anew: what was said of it in the file counts no more, but the comment of a hash. */
export const ENTRY_IS_RENEWED = 8;
/** bitmap:ip,mac: the MAC is not known, and ENTRY_EXPIRES is the life it will have. */
export const ENTRY_IS_WAITING = 16;
/** It was taken away because its time was over: in its place still, for it may come back to a set that is full. */
export const ENTRY_IS_HOLE = 32;

export const PART_WORDS = 5;
export const KEY_WORDS = 15;
export const KEY_FACTOR = 0x01000193;
