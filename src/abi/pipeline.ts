/**
 * What two engines hand to each other that share a memory, one of which reads captures while the other judges them (assembly/pipeline.ts): batches of slots in a ring.
 * Offsets in bytes, u32 each unless it is said, little-endian as all of WASM. Import-free.
 */

/** Batches in the ring; a power of two. */
export const PIPELINE_BATCHES = 128;

/** Written by the engine that reads: batches put in so far, modulo 2^32; the count it sleeps for while it waits for room, else 0. */
export const PIPELINE_WRITTEN = 0;
export const PIPELINE_READER_WAITS = 4;
/** Written by the engine that judges, two cache lines further: batches done so far, modulo 2^32; the count it sleeps for while it waits for batches, else 0. */
export const PIPELINE_JUDGED = 128;
export const PIPELINE_JUDGE_WAITS = 132;
/** What belongs to a batch, one after the other, PIPELINE_BATCH_SIZE bytes each. */
export const PIPELINE_BATCH = 256;

/** Its packets; none: nothing comes any more. */
export const BATCH_COUNT = 0;
/** Bytes that the reader was fed since the batch before, behind which connections may come. */
export const BATCH_FED = 4;
/** 1: no packet is earlier than one before it. */
export const BATCH_ASCENDS = 8;
/** MARKS_*: whether packets that can be judged by their bytes are marked (assembly/bare.ts); how many are, and how many of them went another way for all that (told by who judges). */
export const BATCH_MARKS = 12;
export const BATCH_MARKED = 16;
export const BATCH_MISSED = 20;
/** How many slots were not marked, and their addresses. */
export const BATCH_OTHERS = 24;
/** Where in memory the bytes end that its packets lie in. */
export const BATCH_LIMIT = 28;
export const BATCH_OTHER_SLOTS = 32;
export const PIPELINE_BATCH_SIZE = 384;

export const PIPELINE_SIZE = 49408;

/** Values of BATCH_MARKS: none are; they are; who judges marks them, for who reads had no time. */
export const MARKS_NONE = 0;
export const MARKS_THERE = 1;
export const MARKS_LEFT = 2;
