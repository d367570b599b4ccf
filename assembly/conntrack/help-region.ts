/**
 * Memory of helpers: blocks of BLOCK_SIZE bytes, each an expectation or what a helper remembers of one connection, and the buckets both are found by. There is none
 * of it before a job with helpers reserves it, and it grows between batches only.
 */

export const BLOCK_SIZE: usize = 128;
const BUCKETS: u32 = 4096;
/** Bytes of the heads of one kind's chains. */
export const BUCKETS_SIZE: usize = 4096 * 4;

let recordBuckets: usize = 0;
let expectationBuckets: usize = 0;
let free: usize = 0;
let freeCount: u32 = 0;
/** Blocks not used yet. */
let at: usize = 0;
let end: usize = 0;

/** Nothing is reserved any more. */
export function helpRegionInit(): void {
  recordBuckets = 0;
  expectationBuckets = 0;
  free = 0;
  freeCount = 0;
  at = 0;
  end = 0;
}

/** Bytes that are wanted so that `blocks` blocks can be taken, a multiple of BLOCK_SIZE; 0: there are enough. */
export function helpWants(blocks: u32): usize {
  const have = freeCount + (((end - at) / BLOCK_SIZE) as u32);
  if (recordBuckets === 0) return 2 * BUCKETS_SIZE + (blocks as usize) * BLOCK_SIZE;
  return have >= blocks ? 0 : ((blocks - have) as usize) * BLOCK_SIZE;
}

/** Memory that was wanted, zeroed. */
export function helpTakes(from: usize, bytes: usize): void {
  // What is left of an earlier piece.
  while (at < end) {
    giveBlock(at);
    at += BLOCK_SIZE;
  }
  at = from;
  end = from + bytes;
  if (recordBuckets !== 0) return;
  recordBuckets = at;
  expectationBuckets = at + BUCKETS_SIZE;
  at += 2 * BUCKETS_SIZE;
}

/** Where the chain of a hash begins. `expectations`: of them, otherwise of what is remembered. */
export function helpBucket(hash: u32, expectations: bool): usize {
  return (expectations ? expectationBuckets : recordBuckets) + (((hash >>> 8) & (BUCKETS - 1)) << 2);
}

/** A block, all zero. `helpWants` has made sure that there is one. */
export function takeBlock(): usize {
  let block = free;
  if (block !== 0) {
    free = load<u32>(block);
    freeCount--;
  } else {
    assert(at < end);
    block = at;
    at += BLOCK_SIZE;
  }
  memory.fill(block, 0, BLOCK_SIZE);
  return block;
}

export function giveBlock(block: usize): void {
  store<u32>(block, free as u32);
  free = block;
  freeCount++;
}

/** Whether anything is reserved. */
export function helpIsThere(): bool {
  return recordBuckets !== 0;
}
