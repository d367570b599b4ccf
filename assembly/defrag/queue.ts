/**
 * Queues of fragments, one a datagram: finding, expiry, and the insertion that tells duplicates and overlaps (net/ipv4/inet_fragment.c,
 * inet_frag_find and inet_frag_queue_insert). What the two families do differently is in ipv4.ts and ipv6.ts.
 */
import { TRACKING_FRAG4_MEMORY, TRACKING_FRAG6_MEMORY } from '../../src/abi/conntrack';
import { FIELD_DESTINATION, FIELD_MAC_HIGH, FIELD_MARK, FIELD_PACKET_TYPE, FIELD_SOURCE } from '../../src/abi/fields.ts';
import { PACKET_ETHERNET } from '../../src/abi/packet.ts';
import { parameter } from '../conntrack/parameters';
import { FRAGMENT_COST, FRAGMENT_END, FRAGMENT_NEXT, FRAGMENT_OFFSET, FRAGMENT_RUN_END } from './fragment.ts';
import { leavePeer } from './peer.ts';
import { giveBlocks, giveQueue, queueBucket, takeQueue } from './region.ts';

/** u32: next of the hash chain; the queues that were begun before and after, of the same family. */
const QUEUE_CHAIN: usize = 0;
const QUEUE_BEFORE: usize = 4;
const QUEUE_AFTER: usize = 8;
/** u32: fragments in the order of their offsets, first and last. */
export const QUEUE_FIRST: usize = 12;
export const QUEUE_LAST: usize = 16;
/** u8: QUEUE_FIRST_IN, QUEUE_LAST_IN; u8: 1 << ECN bits of every fragment, together. */
export const QUEUE_FLAGS: usize = 20;
export const QUEUE_ECN: usize = 21;
/** u32: length of the datagram as far as known, and how much of it is there. */
export const QUEUE_LENGTH: usize = 24;
export const QUEUE_MEAT: usize = 28;
/** i64 jiffies. */
export const QUEUE_EXPIRES: usize = 32;
/** The key: u32 identification, u32 rest (protocol, family, direction), u32 interface, source and destination as in a packet slot. */
const QUEUE_ID: usize = 40;
const QUEUE_REST: usize = 44;
const QUEUE_INTERFACE: usize = 48;
const QUEUE_SOURCE: usize = 52;
const QUEUE_DESTINATION: usize = 68;
/** IPv4: u32 fragments its sender had sent when the last one came, u32 its peer (peer.ts). */
export const QUEUE_RANK: usize = 84;
export const QUEUE_PEER: usize = 88;
/** IPv6, of the first fragment: u16 offset of the byte that names the fragment header. */
export const QUEUE_NAMED_AT: usize = 92;
/** u32: the longest fragment (with its headers), the longest that must not be fragmented. */
export const QUEUE_LONGEST: usize = 96;
export const QUEUE_LONGEST_DF: usize = 100;
/** Of the first fragment: its destination MAC as it lies, u16 and u32; u64 source MAC fields; u8 packet type; u32 mark. */
const QUEUE_TO: usize = 94;
const QUEUE_TO_REST: usize = 124;
const QUEUE_MAC: usize = 104;
const QUEUE_PACKET_TYPE: usize = 22;
const QUEUE_MARK: usize = 112;
const QUEUE_HASH: usize = 116;
/** u32: the first fragment of the last run. */
const QUEUE_LAST_RUN: usize = 120;

export const QUEUE_FIRST_IN: u32 = 1;
export const QUEUE_LAST_IN: u32 = 2;

/** Answers of insert. */
export const INSERTED: u32 = 0;
export const DUPLICATE: u32 = 1;
export const OVERLAP: u32 = 2;

/** By family (0: IPv4, 1: IPv6): what is kept costs; oldest and newest queue. */
const COST: usize = memory.data(8, 8);
const OLDEST: usize = memory.data(8, 8);
const NEWEST: usize = memory.data(8, 8);

/** Destination and source MAC of the packet rebuilt last. */
const LINK: usize = memory.data(12, 8);

/** What the region has room for. */
const MOST_COST: u32 = 4 << 20;

const FACTOR: u64 = ((0x9e3779b9 as u64) << 32) | 0x7f4a7c15;

export function queuesInit(): void {
  store<u64>(COST, 0);
  store<u64>(OLDEST, 0);
  store<u64>(NEWEST, 0);
}

/** A queue without its fragments, measured on 6.18. */
function queueCost(family: usize): u32 {
  return family === 0 ? 200 : 184;
}

/** `family`: 0 IPv4, 1 IPv6, times four. */
function charge(family: usize, cost: u32): void {
  store<u32>(COST + family, load<u32>(COST + family) + cost);
}

/** Queues of a family whose time is over at `now` go, with what they hold; the timer wheel is never early, so not at the very jiffy. `family`: 0 or 4. */
export function expire(family: usize, now: i64): void {
  let queue = load<u32>(OLDEST + family) as usize;
  while (queue !== 0 && load<i64>(queue, QUEUE_EXPIRES) < now) {
    kill(queue, family);
    queue = load<u32>(OLDEST + family) as usize;
  }
}

/** The queue of a datagram holds a fragment. Arguments as findQueue has them. */
export function isWaitedFor(slot: usize, id: u32, rest: u32, device: u32): bool {
  const queue = search(slot, id, rest, device, hashOf(slot, id, rest, device));
  return queue !== 0 && load<u32>(queue, QUEUE_FIRST) !== 0;
}

/** 0: there is none. */
function search(slot: usize, id: u32, rest: u32, device: u32, hash: u32): usize {
  let queue = load<u32>(queueBucket(hash)) as usize;
  while (queue !== 0 && (load<u32>(queue, QUEUE_HASH) !== hash || !isKey(queue, slot, id, rest, device))) {
    queue = load<u32>(queue, QUEUE_CHAIN) as usize;
  }
  return queue;
}

/**
 * The queue of a datagram, made if there is none. `rest`: protocol, family and direction in one word; `device`: interface id, where it is part of the
 * key. 0: fragments of this family cost too much already.
 */
export function findQueue(slot: usize, family: usize, id: u32, rest: u32, device: u32, expires: i64): usize {
  if (load<u32>(COST + family) > min(parameter(family === 0 ? TRACKING_FRAG4_MEMORY : TRACKING_FRAG6_MEMORY), MOST_COST))
    return 0;
  const hash = hashOf(slot, id, rest, device);
  const found = search(slot, id, rest, device, hash);
  if (found !== 0) return found;
  const queue = takeQueue();
  if (queue === 0) return 0;
  const bucket = queueBucket(hash);
  store<u32>(queue, hash, QUEUE_HASH);
  store<u32>(queue, id, QUEUE_ID);
  store<u32>(queue, rest, QUEUE_REST);
  store<u32>(queue, device, QUEUE_INTERFACE);
  memory.copy(queue + QUEUE_SOURCE, slot + FIELD_SOURCE * 4, 16);
  memory.copy(queue + QUEUE_DESTINATION, slot + FIELD_DESTINATION * 4, 16);
  store<u32>(queue, load<u32>(bucket), QUEUE_CHAIN);
  store<u32>(bucket, queue as u32);
  store<i64>(queue, expires, QUEUE_EXPIRES);
  append(queue, family);
  charge(family, queueCost(family));
  return queue;
}

function hashOf(slot: usize, id: u32, rest: u32, device: u32): u32 {
  let hash = (((id as u64) << 32) | (rest as u64)) * FACTOR;
  for (let word: usize = 0; word < 32; word += 8) {
    hash = (hash ^ (hash >> 29) ^ load<u64>(slot + FIELD_SOURCE * 4 + word)) * FACTOR;
  }
  return ((hash >> 32) as u32) ^ device;
}

function isKey(queue: usize, slot: usize, id: u32, rest: u32, device: u32): bool {
  if (load<u32>(queue, QUEUE_ID) !== id || load<u32>(queue, QUEUE_REST) !== rest) return false;
  if (load<u32>(queue, QUEUE_INTERFACE) !== device) return false;
  for (let word: usize = 0; word < 32; word += 4) {
    if (load<u32>(queue + QUEUE_SOURCE + word) !== load<u32>(slot + FIELD_SOURCE * 4 + word)) return false;
  }
  return true;
}

function append(queue: usize, family: usize): void {
  const newest = load<u32>(NEWEST + family) as usize;
  store<u32>(queue, newest as u32, QUEUE_BEFORE);
  store<u32>(queue, 0, QUEUE_AFTER);
  if (newest === 0) store<u32>(OLDEST + family, queue as u32);
  else store<u32>(newest, queue as u32, QUEUE_AFTER);
  store<u32>(NEWEST + family, queue as u32);
}

function unlink(queue: usize, family: usize): void {
  const before = load<u32>(queue, QUEUE_BEFORE) as usize;
  const after = load<u32>(queue, QUEUE_AFTER) as usize;
  if (before === 0) store<u32>(OLDEST + family, after as u32);
  else store<u32>(before, after as u32, QUEUE_AFTER);
  if (after === 0) store<u32>(NEWEST + family, before as u32);
  else store<u32>(after, before as u32, QUEUE_BEFORE);
}

/** Its time begins anew: it is the youngest now. */
export function renew(queue: usize, family: usize, expires: i64): void {
  unlink(queue, family);
  store<i64>(queue, expires, QUEUE_EXPIRES);
  append(queue, family);
}

/** Throws away what a queue holds; the queue stays. */
export function flush(queue: usize, family: usize): void {
  let fragment = load<u32>(queue, QUEUE_FIRST) as usize;
  while (fragment !== 0) {
    const next = load<u32>(fragment, FRAGMENT_NEXT) as usize;
    charge(family, 0 - load<u32>(fragment, FRAGMENT_COST));
    giveBlocks(fragment);
    fragment = next;
  }
  store<u32>(queue, 0, QUEUE_FIRST);
  store<u32>(queue, 0, QUEUE_LAST);
  store<u16>(queue, 0, QUEUE_FLAGS);
  store<u32>(queue, 0, QUEUE_LENGTH);
  store<u32>(queue, 0, QUEUE_MEAT);
}

/** A queue goes, with what it holds. */
export function kill(queue: usize, family: usize): void {
  leavePeer(load<u32>(queue, QUEUE_PEER));
  flush(queue, family);
  const bucket = queueBucket(load<u32>(queue, QUEUE_HASH));
  let at = bucket;
  while ((load<u32>(at) as usize) !== queue) at = (load<u32>(at) as usize) + QUEUE_CHAIN;
  store<u32>(at, load<u32>(queue, QUEUE_CHAIN));
  unlink(queue, family);
  charge(family, 0 - queueCost(family));
  giveQueue(queue);
}

/** Puts a fragment into its place. DUPLICATE and OVERLAP: it is not in. */
export function insert(queue: usize, family: usize, fragment: usize): u32 {
  const offset = load<u32>(fragment, FRAGMENT_OFFSET);
  const end = load<u32>(fragment, FRAGMENT_END);
  const last = load<u32>(queue, QUEUE_LAST) as usize;
  let answer: u32 = INSERTED;
  if (last === 0) {
    store<u32>(queue, fragment as u32, QUEUE_FIRST);
    startRun(queue, fragment, end);
    store<u32>(queue, fragment as u32, QUEUE_LAST);
  } else if (load<u32>(last, FRAGMENT_END) < end) {
    answer = insertLast(queue, last, fragment, offset, end);
  } else {
    answer = insertBetween(queue, fragment, offset, end);
  }
  if (answer === INSERTED) {
    charge(family, load<u32>(fragment, FRAGMENT_COST));
    store<u32>(queue, load<u32>(queue, QUEUE_MEAT) + end - offset, QUEUE_MEAT);
  }
  return answer;
}

function insertLast(queue: usize, last: usize, fragment: usize, offset: u32, end: u32): u32 {
  const lastEnd = load<u32>(last, FRAGMENT_END);
  if (offset < lastEnd) return OVERLAP;
  if (offset === lastEnd) store<u32>(load<u32>(queue, QUEUE_LAST_RUN), end, FRAGMENT_RUN_END);
  else startRun(queue, fragment, end);
  store<u32>(last, fragment as u32, FRAGMENT_NEXT);
  store<u32>(queue, fragment as u32, QUEUE_LAST);
  return INSERTED;
}

function startRun(queue: usize, fragment: usize, end: u32): void {
  store<u32>(fragment, end, FRAGMENT_RUN_END);
  store<u32>(queue, fragment as u32, QUEUE_LAST_RUN);
}

/** A fragment is a duplicate if it lies in one run; runs are never joined, so one that lies across two that touch overlaps. */
function insertBetween(queue: usize, fragment: usize, offset: u32, end: u32): u32 {
  let link = queue + QUEUE_FIRST;
  for (let at = load<u32>(link) as usize; at !== 0; at = load<u32>(at, FRAGMENT_NEXT) as usize) {
    const runEnd = load<u32>(at, FRAGMENT_RUN_END);
    if (runEnd !== 0) {
      const begin = load<u32>(at, FRAGMENT_OFFSET);
      if (end <= begin) break;
      if (offset < runEnd) return offset >= begin && end <= runEnd ? DUPLICATE : OVERLAP;
    }
    link = at + FRAGMENT_NEXT;
  }
  store<u32>(fragment, end, FRAGMENT_RUN_END);
  store<u32>(fragment, load<u32>(link), FRAGMENT_NEXT);
  store<u32>(link, fragment as u32);
  return INSERTED;
}

/** Everything from the first byte to the last is there. */
export function isComplete(queue: usize): bool {
  if ((load<u8>(queue, QUEUE_FLAGS) as u32) !== (QUEUE_FIRST_IN | QUEUE_LAST_IN)) return false;
  return load<u32>(queue, QUEUE_MEAT) === load<u32>(queue, QUEUE_LENGTH);
}

/** Whether the end of a fragment goes together with what is known of the datagram's length. */
export function takesEnd(queue: usize, end: u32, more: bool): bool {
  const flags = load<u8>(queue, QUEUE_FLAGS) as u32;
  const length = load<u32>(queue, QUEUE_LENGTH);
  if (more) {
    if (end <= length) return true;
    if ((flags & QUEUE_LAST_IN) !== 0) return false;
  } else {
    if (end < length || ((flags & QUEUE_LAST_IN) !== 0 && end !== length)) return false;
    store<u8>(queue, flags | QUEUE_LAST_IN, QUEUE_FLAGS);
  }
  store<u32>(queue, end, QUEUE_LENGTH);
  return true;
}

/** The first fragment came: how it came is how the whole packet came, and its mark is the whole packet's. */
export function keepLink(slot: usize, queue: usize): void {
  store<u64>(queue, load<u64>(slot, FIELD_MAC_HIGH * 4), QUEUE_MAC);
  store<u8>(queue, load<u32>(slot, FIELD_PACKET_TYPE * 4), QUEUE_PACKET_TYPE);
  store<u32>(queue, load<u32>(slot, FIELD_MARK * 4), QUEUE_MARK);
  const ethernet: usize = load<u32>(slot, PACKET_ETHERNET);
  if (ethernet === 0) return;
  store<u16>(queue, load<u16>(ethernet), QUEUE_TO);
  store<u32>(queue, load<u32>(ethernet, 2), QUEUE_TO_REST);
}

export function giveLink(slot: usize, queue: usize): void {
  const mac = load<u64>(queue, QUEUE_MAC);
  store<u64>(slot, mac, FIELD_MAC_HIGH * 4);
  store<u32>(slot, load<u8>(queue, QUEUE_PACKET_TYPE), FIELD_PACKET_TYPE * 4);
  store<u32>(slot, load<u32>(queue, QUEUE_MARK), FIELD_MARK * 4);
  if (load<u32>(slot, PACKET_ETHERNET) === 0) return;
  store<u16>(LINK, load<u16>(queue, QUEUE_TO));
  store<u32>(LINK, load<u32>(queue, QUEUE_TO_REST), 2);
  store<u16>(LINK, bswap<u16>(mac as u16), 6);
  store<u32>(LINK, bswap<u32>((mac >>> 32) as u32), 8);
  store<u32>(slot, LINK as u32, PACKET_ETHERNET);
}
