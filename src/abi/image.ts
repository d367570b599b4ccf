/**
 * The compiled image: a header of u32 words, then sections, little-endian, position-independent. The engine copies the code section and the
 * host and conntrack blocks; the rest (segments, ropes, events, names) stays with the host program. Import-free.
 */
/** "WTIM". */
export const IMAGE_LABEL = 0x4d495457;
/** 4: checksums may be left to devices. 3: hosts have joined groups. 2: groups of a search have their first entry beside them; hosts have routes to link-local addresses. */
export const IMAGE_VERSION = 5;

/** Header words. Offsets and sizes in bytes. */
export const IMAGE_WORD_LABEL = 0;
export const IMAGE_WORD_VERSION = 1;
export const IMAGE_WORD_SIZE = 2;
/** FNV-1a over the u32 words behind the header. */
export const IMAGE_WORD_CHECKSUM = 3;
export const IMAGE_WORD_CODE = 4;
export const IMAGE_WORD_CODE_SIZE = 5;
/** Segments: [rope][evaluations] each; number 0 is "nothing". */
export const IMAGE_WORD_SEGMENTS = 6;
export const IMAGE_WORD_SEGMENT_COUNT = 7;
/** Segments 1..VISIBLE have events, the others only evaluations. */
export const IMAGE_WORD_VISIBLE = 8;
/** Ropes: [left][right] each, or [ROPE_EVENT | event][0]; rope 0 is empty; left and right are smaller numbers. */
export const IMAGE_WORD_ROPES = 9;
export const IMAGE_WORD_ROPE_COUNT = 10;
/** Events: [chain][number][word | what is counted << 8] each. */
export const IMAGE_WORD_EVENTS = 11;
export const IMAGE_WORD_EVENT_COUNT = 12;
/** UTF-8 JSON: tables, chains, interfaces, notes. */
export const IMAGE_WORD_NAMES = 13;
export const IMAGE_WORD_NAMES_SIZE = 14;
export const IMAGE_WORD_HOST = 15;
export const IMAGE_WORD_HOST_SIZE = 16;
export const IMAGE_WORD_CONNTRACK = 17;
export const IMAGE_WORD_CONNTRACK_SIZE = 18;
/** Slots of match state (STATE_SIZE bytes each). */
export const IMAGE_WORD_STATES = 19;
/** Deepest stack of calls a program can need. */
export const IMAGE_WORD_STACK = 20;
/** IMAGE_FLAG_*. */
export const IMAGE_WORD_FLAGS = 21;
/** Credits per jiffy of the legacy limit match. */
export const IMAGE_WORD_CREDITS = 22;
export const IMAGE_WORD_HZ = 23;
/** Interface names for the record reader (abi/host.ts, NAMES_*). */
export const IMAGE_WORD_INTERFACES = 24;
export const IMAGE_WORD_INTERFACES_SIZE = 25;
/** Sets of ipset (abi/sets.ts); empty without. */
export const IMAGE_WORD_SETS = 26;
export const IMAGE_WORD_SETS_SIZE = 27;
export const IMAGE_HEADER_WORDS = 32;
export const IMAGE_HEADER_SIZE = 128;

export const IMAGE_FLAG_FAMILY4 = 1;
export const IMAGE_FLAG_FAMILY6 = 2;
export const IMAGE_FLAG_CONNTRACK4 = 4;
export const IMAGE_FLAG_CONNTRACK6 = 8;
/** Fragments are put together before all tables: with conntrack, or for a match that wants it. */
export const IMAGE_FLAG_DEFRAGMENT4 = 16;
export const IMAGE_FLAG_DEFRAGMENT6 = 32;
/** Rules change what the routing decision looks at, other than by translation: TTL, hop limit, the destination's prefix. */
export const IMAGE_FLAG_TURNS = 64;

export const ROPE_EVENT = 0x80000000;

/** Words of events as the kernel's TRACE prints them. */
export const EVENT_RULE = 0;
export const EVENT_RETURN = 1;
export const EVENT_POLICY = 2;
export const COUNTS_NOTHING = 0;
export const COUNTS_RULE = 1;
export const COUNTS_POLICY = 2;

/**
 * The code section starts with the walks: [root reference, 0 when the table is absent][policy edge] for each family (4, 6), hook, table:
 * word 2 * ((family * 5 + hook) * 5 + table).
 */
export const WALKS = 50;
export const WALKS_SIZE = 400;
export const HOOK_PREROUTING = 0;
export const HOOK_INPUT = 1;
export const HOOK_FORWARD = 2;
export const HOOK_OUTPUT = 3;
export const HOOK_POSTROUTING = 4;
export const TABLE_RAW = 0;
export const TABLE_MANGLE = 1;
export const TABLE_NAT = 2;
export const TABLE_FILTER = 3;
export const TABLE_SECURITY = 4;

/** Bytes of one slot of match state, starting as zeros (0 = never evaluated). */
export const STATE_SIZE = 24;
/** Bytes of one segment counter: packets u64, bytes u64. */
export const SEGMENT_SIZE = 16;
