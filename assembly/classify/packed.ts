/**
 * A packed walk (abi/packed.ts) for many packets. A packet's way is a chain of loads, each waiting for the one before, so eight packets go
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

/** The numbers of the exits of eight packets; unless it is the first group, only where they are less than those that are there. */
function descendGroup(clusters: usize, start: i32, keys: usize, answers: usize, first: bool): void {
  let a = start;
  let b = start;
  let c = start;
  let d = start;
  let e = start;
  let f = start;
  let g = start;
  let h = start;
  while ((a & b & c & d & e & f & g & h) >= 0) {
    a = hop(clusters, a, keys);
    b = hop(clusters, b, keys + KEY_SIZE);
    c = hop(clusters, c, keys + 2 * KEY_SIZE);
    d = hop(clusters, d, keys + 3 * KEY_SIZE);
    e = hop(clusters, e, keys + 4 * KEY_SIZE);
    f = hop(clusters, f, keys + 5 * KEY_SIZE);
    g = hop(clusters, g, keys + 6 * KEY_SIZE);
    h = hop(clusters, h, keys + 7 * KEY_SIZE);
  }
  const more = first ? -1 : 0;
  keepLess(answers, a, more);
  keepLess(answers + 4, b, more);
  keepLess(answers + 8, c, more);
  keepLess(answers + 12, d, more);
  keepLess(answers + 16, e, more);
  keepLess(answers + 20, f, more);
  keepLess(answers + 24, g, more);
  keepLess(answers + 28, h, more);
}

/** `more` -1: what is there counts for nothing. */
function keepLess(answer: usize, arrived: i32, more: i32): void {
  const exit = (arrived ^ PACKED_EXIT) as u32;
  const before = load<u32>(answer) | (more as u32);
  store<u32>(answer, select<u32>(exit, before, exit < before));
}

/** Where a packet goes from `at`: nowhere once it is at an exit. */
function hop(clusters: usize, at: i32, key: usize): i32 {
  const arrived = at >> 31;
  const cluster = clusters + ((at & ~arrived) as usize);
  const child = load<u8>(cluster + (holding(cluster, key) as usize), CLUSTER_MAP) as usize;
  return (at & arrived) | (load<i32>(cluster + child, CLUSTER_CHILDREN) & ~arrived);
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
