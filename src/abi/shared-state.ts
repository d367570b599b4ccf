/** Where the state that rules share by name keeps what is told of it at the end: lists of `recent`, tables of `hashlimit`. Byte offsets; import-free. Sizes and parameters: special.ts. */

/** In a list: the entry changed longest ago. Entries are numbered from 1, 0 is none; they lie behind RECENT_SIZE bytes. */
export const LIST_OLDEST = 8;
/** In an entry: the one changed next; TTL (u8), family (u8), where the next stamp goes (u32), stamps in use (u32), four address words; the stamps (u64 jiffies) lie behind RECENT_ENTRY bytes. */
export const LISTED_NEXT = 0;
export const LISTED_TTL = 12;
export const LISTED_FAMILY = 13;
export const LISTED_INDEX = 16;
export const LISTED_USED = 20;
export const LISTED_ADDRESS = 24;

/** Behind HASHLIMIT_SIZE bytes of a table lie the places of its hash (u32: the first entry there), behind them the entries, numbered from 1; 0 is none. In an entry: the next one of its place; the key (source words, destination words, source port << 16 | destination port). */
export const BUCKET_NEXT = 0;
export const BUCKET_KEY = 4;
/** Before the end of an entry, u64 each: jiffies when it expires, jiffies of the last change, credit (of a window: what passed), cap (of a window: whether the one before held too much). */
export const BUCKET_EXPIRES = 32;
export const BUCKET_CHANGED = 24;
export const BUCKET_CREDIT = 16;
export const BUCKET_CAP = 8;

/** Of a table's parameters (special.ts), u32 each unless said: HASHLIMIT_*; places less one; bytes of an entry; u64 each: jiffies between two collections, cost, gain; jiffies and seconds of a window. */
export const TABLE_MODE = 0;
export const TABLE_PLACE_MASK = 2;
export const TABLE_ENTRY_SIZE = 3;
export const TABLE_COLLECT = 4;
export const TABLE_COST = 8;
export const TABLE_GAIN = 14;
export const TABLE_WINDOW = 16;
export const TABLE_WINDOW_SECONDS = 25;
