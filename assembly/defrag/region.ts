/**
 * Where fragments wait: a pool of blocks (a fragment is a chain of them), a pool of queues (one a datagram), a pool of peers (senders, for
 * ipfrag_max_dist). Taken from untouched memory first, then from free lists; the region is made once and never grows, because the kernel's own
 * limit (ipfrag_high_thresh and nf_conntrack_frag6_high_thresh, 4 MiB a family) is reached first.
 */
import { allocate } from '../memory.ts';

export const BLOCK_SIZE: usize = 256;
export const QUEUE_SIZE: usize = 128;
export const PEER_SIZE: usize = 16;
/** What the kernel lets fragments of one family cost. */
export const HIGH_THRESHOLD: u32 = 4 << 20;
/** What a queue and a fragment of no length cost: the kernel counts truesize, which depends on the driver; this is about right for any. */
export const QUEUE_COST: u32 = 256;
const FRAGMENT_COST: u32 = 768;

const BUCKETS: u32 = 4096;
const BUCKETS_SIZE: u32 = 4096 * 4;
const QUEUES_SIZE: u32 = 2 * ((4 << 20) / 256 + 1) * 128;
const PEERS_SIZE: u32 = ((4 << 20) / 256 + 1) * 16;
const BLOCKS_SIZE: u32 = 10 << 20;

/** Heads of chains of queues and of peers, u32 each. */
let buckets: usize = 0;
let peerBuckets: usize = 0;
/** Free lists and untouched memory of the three pools. */
let freeBlock: usize = 0;
let freeQueue: usize = 0;
let freePeer: usize = 0;
let blockAt: usize = 0;
let blockEnd: usize = 0;
let queueAt: usize = 0;
let queueEnd: usize = 0;
let peerAt: usize = 0;
let peerEnd: usize = 0;

/** Makes the region, before conntrack takes the rest of the memory. False without memory. */
export function regionInit(): bool {
  const at = allocate(2 * BUCKETS_SIZE + QUEUES_SIZE + PEERS_SIZE + BLOCKS_SIZE);
  if (at === 0) return false;
  buckets = at;
  peerBuckets = buckets + BUCKETS_SIZE;
  queueAt = peerBuckets + BUCKETS_SIZE;
  queueEnd = queueAt + QUEUES_SIZE;
  peerAt = queueEnd;
  peerEnd = peerAt + PEERS_SIZE;
  blockAt = peerEnd;
  blockEnd = blockAt + BLOCKS_SIZE;
  freeBlock = 0;
  freeQueue = 0;
  freePeer = 0;
  return true;
}

/** What a fragment of `length` bytes is counted as. */
export function fragmentCost(length: u32): u32 {
  return FRAGMENT_COST + length + (length >>> 5);
}

/** Address of the chain's head for a hash. */
export function queueBucket(hash: u32): usize {
  return buckets + ((hash & (BUCKETS - 1)) << 2);
}

export function peerBucket(hash: u32): usize {
  return peerBuckets + ((hash & (BUCKETS - 1)) << 2);
}

/** A block, its first word 0; 0 when there is none. */
export function takeBlock(): usize {
  let block = freeBlock;
  if (block !== 0) {
    freeBlock = load<u32>(block);
  } else {
    if (blockAt === blockEnd) return 0;
    block = blockAt;
    blockAt += BLOCK_SIZE;
  }
  store<u32>(block, 0);
  return block;
}

/** Gives a chain of blocks back; the first word of a block is the next one. */
export function giveBlocks(first: usize): void {
  let block = first;
  while (block !== 0) {
    const next = load<u32>(block) as usize;
    store<u32>(block, freeBlock as u32);
    freeBlock = block;
    block = next;
  }
}

/** A queue of zeros; 0 when there is none. */
export function takeQueue(): usize {
  let queue = freeQueue;
  if (queue !== 0) {
    freeQueue = load<u32>(queue);
  } else {
    if (queueAt === queueEnd) return 0;
    queue = queueAt;
    queueAt += QUEUE_SIZE;
  }
  memory.fill(queue, 0, QUEUE_SIZE);
  return queue;
}

export function giveQueue(queue: usize): void {
  store<u32>(queue, freeQueue as u32);
  freeQueue = queue;
}

/** A peer of zeros; 0 when there is none. */
export function takePeer(): usize {
  let peer = freePeer;
  if (peer !== 0) {
    freePeer = load<u32>(peer);
  } else {
    if (peerAt === peerEnd) return 0;
    peer = peerAt;
    peerAt += PEER_SIZE;
  }
  memory.fill(peer, 0, PEER_SIZE);
  return peer;
}

export function givePeer(peer: usize): void {
  store<u32>(peer, freePeer as u32);
  freePeer = peer;
}
