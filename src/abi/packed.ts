/**
 * Packed walks: one walk of an image over keys of 16 bytes that hold only the fields its tests read, for classification alone. What they
 * are made of is an image's code section (program.ts), and what they answer is the same. Import-free, so that tsc and asc both take this file.
 *
 * Key: the fields one behind the other, little-endian, each 1, 2 or 4 bytes; a value that does not fit is the largest that does (no test
 * tells the two apart).
 * Cluster, one cache line: up to four tests of the tree at once. [16 bytes: which byte of the key goes into each byte of four words, 128 for 0]
 * [four thresholds][16 bytes: for each set of tests that hold (word <= threshold), the offset of a child][four children].
 * A child is the offset of a cluster, or the number of an exit | PACKED_EXIT. A walk has a start (a child) for each of its groups: a packet leaves by the exit with the smallest number that a group leads to.
 * Exit: one u32, NEXT_*; the packets that leave there are counted, and the host sums segments from them.
 */
export const KEY_SIZE = 16;
export const CLUSTER_SIZE = 64;
export const CLUSTER_TESTS = 4;
export const CLUSTER_NOTHING = 128;
export const CLUSTER_THRESHOLDS = 16;
export const CLUSTER_MAP = 32;
export const CLUSTER_CHILDREN = 48;
/** 1 << 31 as an i32 literal, so that asc folds it. */
export const PACKED_EXIT = -2147483648;
/**
 * Packets are taken so many at a time: there is room for whole groups of keys and answers. With eight, walks that are larger than caches took half as long again; more than
 * these wait for each other.
 */
export const PACKED_GROUP = 32;
/** Counters of an exit: packets u64, bytes u64. */
export const EXIT_COUNTERS = 16;
