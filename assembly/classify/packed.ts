/**
 * A packed walk (abi/packed.ts) for many packets. A packet's way is a chain of loads, each waiting for the one before, so many packets go
 * side by side; one that has arrived stands still until the others have, for a branch that asks would be guessed wrongly once a packet.
 */
import {
  CLUSTER_CHILDREN,
  CLUSTER_MAP,
  CLUSTER_TESTS,
  CLUSTER_THRESHOLDS,
  EXIT_COUNTERS,
  KEY_SIZE,
  PACKED_EXIT,
  PACKED_GROUP,
} from '../../src/abi/packed.ts';

/**
 * Group after group, so that a group's tree stays near. `starts`: where each group's packets begin, a child as clusters have it. `keys` and `answers` (one u32 a packet,
 * NEXT_*) have room for whole groups of packets. `bytes`: of every packet.
 */
export function runPacked(
  clusters: usize,
  starts: usize,
  groups: u32,
  exits: usize,
  counters: usize,
  keys: usize,
  packets: u32,
  bytes: u64,
  answers: usize,
): void {
  for (let group: u32 = 0; group < groups; group++) {
    const start = load<i32>(starts + ((group as usize) << 2));
    for (let done: u32 = 0; done < packets; done += PACKED_GROUP) {
      const at = answers + ((done as usize) << 2);
      descendGroup(clusters, start, keys + (done as usize) * KEY_SIZE, at, group === 0);
    }
  }
  for (let index: usize = 0; index < (packets as usize); index++) {
    const answer = answers + (index << 2);
    const exit = load<u32>(answer) as usize;
    const counter = counters + exit * EXIT_COUNTERS;
    store<u64>(counter, load<u64>(counter) + 1);
    store<u64>(counter, load<u64>(counter, 8) + bytes, 8);
    store<u32>(answer, load<u32>(exits + (exit << 2)));
  }
}

/** Where the packets of a group are, one child each: that many do not fit into registers. */
const places: usize = memory.data(PACKED_GROUP * 4);

/** The numbers of the exits of a group of packets; unless it is the first group of the search, only where they are less than those that are there. */
function descendGroup(clusters: usize, start: i32, keys: usize, answers: usize, first: bool): void {
  for (let packet: usize = 0; packet < (PACKED_GROUP as usize); packet++) store<i32>(places + (packet << 2), start);
  let arrived = start;
  while (arrived >= 0) {
    arrived = -1;
    for (let packet: usize = 0; packet < (PACKED_GROUP as usize); packet += 4) {
      const place = places + (packet << 2);
      const key = keys + packet * KEY_SIZE;
      arrived &= step(clusters, place, key);
      arrived &= step(clusters, place + 4, key + KEY_SIZE);
      arrived &= step(clusters, place + 8, key + 2 * KEY_SIZE);
      arrived &= step(clusters, place + 12, key + 3 * KEY_SIZE);
    }
  }
  const more = first ? -1 : 0;
  for (let at: usize = 0; at < (PACKED_GROUP as usize) * 4; at += 4) keepLess(answers + at, load<i32>(places + at), more);
}

/** One packet goes on. */
function step(clusters: usize, place: usize, key: usize): i32 {
  const at = hop(clusters, load<i32>(place), key);
  store<i32>(place, at);
  return at;
}

/** `more` -1: what is there counts for nothing. */
function keepLess(answer: usize, arrived: i32, more: i32): void {
  const exit = (arrived ^ PACKED_EXIT) as u32;
  const before = load<u32>(answer) | (more as u32);
  store<u32>(answer, select<u32>(exit, before, exit < before));
}

/** Where a packet goes from `at`: nowhere once it is at an exit. */
function hop(clusters: usize, at: i32, key: usize): i32 {
  const cluster = select<usize>(clusters + (at as usize), clusters, at >= 0);
  const child = load<u8>(cluster + (holding(cluster, key) as usize), CLUSTER_MAP) as usize;
  return select<i32>(load<i32>(cluster + child, CLUSTER_CHILDREN), at, at >= 0);
}

/** A bit for each test of the cluster that holds. */
function holding(cluster: usize, key: usize): u32 {
  if (ASC_FEATURE_SIMD) {
    const words = v128.swizzle(v128.load(key), v128.load(cluster));
    return i32x4.bitmask(v128.le<u32>(words, v128.load(cluster, CLUSTER_THRESHOLDS)));
  }
  let bits: u32 = 0;
  for (let test: usize = 0; test < (CLUSTER_TESTS as usize); test++) {
    let word: u32 = 0;
    for (let byte: usize = 0; byte < 4; byte++) {
      const from = load<u8>(cluster + (test << 2) + byte) as usize;
      if (from < (KEY_SIZE as usize)) word |= (load<u8>(key + from) as u32) << ((byte as u32) << 3);
    }
    bits |= (word <= load<u32>(cluster + (test << 2), CLUSTER_THRESHOLDS) ? 1 : 0) << (test as u32);
  }
  return bits;
}
