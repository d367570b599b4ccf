/**
 * The engine's program: tree nodes, edges, steps and tests, as u32 words in the code section of an image (see image.ts).
 * All references are byte offsets from the start of the code section; every one points to a lower address for steps (so programs end)
 * and to a higher one for tree nodes. Import-free, so that tsc and asc both take this file.
 *
 * A reference in the tree is a node's offset, or an edge's offset | REF_EDGE.
 * Node, binary: [field * 4][threshold][reference when value <= threshold][reference when value > threshold].
 * Node, table: [field * 4 | NODE_TABLE][number of classes][256 bytes: class of each value][one reference a class].
 * Edge: [segment][next]; next < NEXT_STEP is a verdict, else the offset of a step.
 */
export const REF_EDGE = 1;
export const NODE_TABLE = 1;
export const NODE_BINARY_SIZE = 16;
export const NODE_TABLE_CLASSES = 8;
export const NODE_TABLE_CHILDREN = 264;
export const EDGE_SIZE = 8;

export const NEXT_ACCEPT = 0;
export const NEXT_DROP = 1;
export const NEXT_REJECT = 2;
/** A match dropped the packet: no rule counted. */
export const NEXT_HOTDROP = 3;
/** Rejected by a TCP reset, which closes the connection, too. */
export const NEXT_RESET = 4;
/** No rule drops the packet: conntrack does, or a translation that is not possible. Only between hooks, never in a program. */
export const NEXT_LOST = 5;
/** Smallest step offset. */
export const NEXT_STEP = 16;

/** Step: [kind | number of tests << 8 | end << 24][offset of the list of tests][hit segment][hit next][miss segment][miss next][hotdrop segment][edge of a drop that counts, 0: there is none]. */
export const STEP_TESTS = 0;
/** mark = (mark & ~mask) ^ value: word 1 is the mask, words 2 and 3 the edge, word 4 the value. */
export const STEP_MARK = 1;
/** Words 2 and 3 are the edge. */
export const STEP_NOTRACK = 2;
/** Pushes word 5 (a step or verdict to go on with) with segment word 4, then takes the edge in words 2 and 3. */
export const STEP_CALL = 3;
/** Pops; with an empty stack takes the walk's policy edge. */
export const STEP_RETURN = 4;
/** An action with a connection: the head holds EFFECT_* << 8, words 1 and 4 to 7 its parameters; words 2 and 3 are the edge. */
export const STEP_EFFECT = 5;
/** Translates the connection: word 1 is the offset of the parameters (abi/nat.ts); words 2 and 3 are the edge, taken unless the packet is dropped. */
export const STEP_NAT = 6;
/**
 * Finds the first of many entries: the head holds the number of groups << 8, word 1 the offset of the search; words 2 and 3 are the edge when there is none.
 * Search: [number of entries][of each group the reference of its tree and the number of its first entry...][edge of each entry...]. A group's trees and steps lead to entries, each the first in its group:
 * a next with FOUND is entry number next >>> 1, of the number of entries when there is none. Segments of a group's edges and steps are not counted.
 */
export const STEP_SEARCH = 7;
export const FOUND = 1;
export const SEARCH_GROUPS = 4;
export const SEARCH_GROUP_FIRST = 4;
export const SEARCH_GROUP_SIZE = 8;
export const STEP_SIZE = 32;
export const STEP_LIST = 4;
export const STEP_HIT_SEGMENT = 8;
export const STEP_HIT_NEXT = 12;
export const STEP_MISS_SEGMENT = 16;
export const STEP_MISS_NEXT = 20;
export const STEP_DROP_SEGMENT = 24;
export const STEP_MATCHED_DROP_EDGE = 28;
/** Where an effect's parameters lie: the first alone, the others behind the edge. */
export const STEP_EFFECT_FIRST = 4;
export const STEP_EFFECT_REST = 16;
export const STEP_EFFECT_PARAMETERS = 5;

/** What follows when all tests of a step passed. */
export const END_HIT = 0;
export const END_MISS = 1;
export const END_HOTDROP = 2;

/** First word of a test: opcode | TEST_INVERT | TEST_DROPS (a failure is a hotdrop, not a miss). */
export const TEST_RANGE = 0;
export const TEST_MASK = 1;
export const TEST_RANGES = 2;
export const TEST_WORDS = 3;
export const TEST_WORD_RANGE = 4;
export const TEST_SPECIAL = 5;
export const TEST_OPCODE = 255;
export const TEST_INVERT = 256;
export const TEST_DROPS = 512;
/**
 * RANGE: [head][field * 4][low][high - low].  MASK: [head][field * 4][mask][value].
 * RANGES: [head][fields][ranges][field * 4]...[low, high - low]...  WORDS: [head][field * 4][n][mask, value]...
 * WORD_RANGE: [head][field * 4][n][low]...[high]...  SPECIAL: [head][code][state slot][n][parameter]...
 */
export const TEST_HEAD = 4;
