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

/** `keys` and `answers` (one u32 a packet, NEXT_*) have room for whole groups. `bytes`: of every packet. */
export function runPacked(
  clusters: usize,
  exits: usize,
  counters: usize,
  keys: usize,
  packets: u32,
  bytes: u64,
  answers: usize,
): void {
  for (let done: u32 = 0; done < packets; done += PACKED_GROUP) {
    const at = answers + ((done as usize) << 2);
    descendGroup(clusters, keys + (done as usize) * KEY_SIZE, at);
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

/** The numbers of the exits of eight packets. */
function descendGroup(clusters: usize, keys: usize, answers: usize): void {
  let a: i32 = 0;
  let b: i32 = 0;
  let c: i32 = 0;
  let d: i32 = 0;
  let e: i32 = 0;
  let f: i32 = 0;
  let g: i32 = 0;
  let h: i32 = 0;
  do {
    a = hop(clusters, a, keys);
    b = hop(clusters, b, keys + KEY_SIZE);
    c = hop(clusters, c, keys + 2 * KEY_SIZE);
    d = hop(clusters, d, keys + 3 * KEY_SIZE);
    e = hop(clusters, e, keys + 4 * KEY_SIZE);
    f = hop(clusters, f, keys + 5 * KEY_SIZE);
    g = hop(clusters, g, keys + 6 * KEY_SIZE);
    h = hop(clusters, h, keys + 7 * KEY_SIZE);
  } while ((a & b & c & d & e & f & g & h) >= 0);
  store<u32>(answers, a ^ PACKED_EXIT);
  store<u32>(answers, b ^ PACKED_EXIT, 4);
  store<u32>(answers, c ^ PACKED_EXIT, 8);
  store<u32>(answers, d ^ PACKED_EXIT, 12);
  store<u32>(answers, e ^ PACKED_EXIT, 16);
  store<u32>(answers, f ^ PACKED_EXIT, 20);
  store<u32>(answers, g ^ PACKED_EXIT, 24);
  store<u32>(answers, h ^ PACKED_EXIT, 28);
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
