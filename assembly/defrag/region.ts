/**
 * Where fragments wait: a pool of blocks (a fragment is a chain of them), a pool of queues (one a datagram), a pool of peers (senders, for
 * ipfrag_max_dist). Taken from untouched memory first, then from free lists; the region is made for the first fragment and never grows: it holds what the kernel's own
 * limits allow (ipfrag_high_thresh and nf_conntrack_frag6_high_thresh, 4 MiB a family), and higher limits end there too.
 */
import { conntrackCarve } from '../conntrack/index';

export const BLOCK_SIZE: usize = 256;
export const QUEUE_SIZE: usize = 128;
export const PEER_SIZE: usize = 16;
/** What a fragment costs (skb->truesize), measured on 6.18 behind a veth pair: the socket buffer, and a head that slab rounds up, or whole pages. */
const BUFFER_COST: u32 = 256;
const SMALLEST_HEAD: u32 = 576;
const HEAD_END: u32 = 320;
const HEAD_START: u32 = 30;
const PAGE: u32 = 4096;

const BUCKETS: u32 = 4096;
const BUCKETS_SIZE: u32 = 4096 * 4;
/** The cheapest queue costs 184 bytes. */
const QUEUES_SIZE: u32 = 2 * ((4 << 20) / 184 + 1) * 128;
const PEERS_SIZE: u32 = ((4 << 20) / 184 + 1) * 16;
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

/** Makes the region. False without memory. */
export function regionInit(): bool {
  const at = conntrackCarve((2 * BUCKETS_SIZE + QUEUES_SIZE + PEERS_SIZE + BLOCKS_SIZE + 127) & ~127);
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

/** What a fragment is counted as; `length`: of its IP packet. */
export function fragmentCost(length: u32): u32 {
  if (length + HEAD_START >= PAGE) return BUFFER_COST + SMALLEST_HEAD + ((length + PAGE - 1) & ~(PAGE - 1));
  const head = ((HEAD_START + length + 63) & ~63) + HEAD_END;
  return BUFFER_COST + (head <= SMALLEST_HEAD ? SMALLEST_HEAD : (1 as u32) << (32 - clz<u32>(head - 1)));
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
