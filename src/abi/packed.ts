/**
 * Packed walks: one walk of an image over keys of 16 bytes that hold only the fields its tests read, for classification alone. What they
 * are made of is an image's code section (program.ts), and what they answer is the same. Import-free, so that tsc and asc both take this file.
 *
 * Key: the fields one behind the other, little-endian, each 1, 2 or 4 bytes; a value that does not fit is the largest that does (no test
 * tells the two apart).
 * Cluster, one cache line: up to four tests of the tree at once, each whether a word of the key is one of a range of values. [the first of the values: four u32][how many more there are: four u32]
 * [16 bytes: for each set of tests that hold, where among the children the packet goes on][four children of three bytes][u32 pattern].
 * A pattern says which byte of the key goes into each byte of the four words, CLUSTER_NOTHING for 0: 16 bytes; the cluster has the offset from cluster 0; all patterns are behind the last cluster.
 * A child is the number of a cluster (never 0), or that of an exit ^ PACKED_EXIT; three bytes of it with its sign. Cluster 0 is all zeros: whoever stands still goes there.
 * A walk has a start for each of its groups: [i32 a child][i32 the first exit (a child) that it leads to][u32 bits of tests of its first cluster][u32 which of them hold for a packet that finds
 * nothing, whatever the others say]. A packet leaves by the exit with the smallest number that a group leads to, so it need not be looked for in groups that have none smaller; the last exit is that of
 * packets that find nothing.
 * Exit: one u32, NEXT_* and EXIT_PACKET for each packet that left there; the host sums segments from them.
 */
export const KEY_SIZE = 16;
export const CLUSTER_SIZE = 64;
export const CLUSTER_TESTS = 4;
export const CLUSTER_NOTHING = 128;
export const CLUSTER_WIDTHS = 16;
export const CLUSTER_MAP = 32;
export const CLUSTER_CHILDREN = 48;
export const CLUSTER_PATTERN = 60;
/** Bytes of a child in a cluster. */
export const CHILD_SIZE = 3;
/** -1 << 23: an exit is less than any cluster, and fits into CHILD_SIZE bytes. A walk has fewer exits and clusters than that. */
export const PACKED_EXIT = -8388608;
export const START_LEAST = 4;
export const START_ASKED = 8;
export const START_USUAL = 12;
export const START_SIZE = 16;
/** Packets that are led through one group after the other: as many as keep their keys near. */
export const PACKED_BLOCK = 1024;
/**
 * Packets are taken so many at a time: there is room for whole groups of keys and answers. With eight, walks that are larger than caches took half as long again; more than
 * these wait for each other.
 */
export const PACKED_GROUP = 32;
/** So many steps from its root a group's clusters are near, in a walk that is larger than caches, too. */
export const PACKED_NEAR = 6;
export const EXIT_PACKET = 16;
/** Packets that an exit can count. */
export const EXIT_MOST = 0x0fffffff;
