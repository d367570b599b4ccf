/**
 * A packed walk (abi/packed.ts) for many packets. A packet's way is a chain of loads, each waiting for the one before, so many packets go
 * side by side; one that has arrived stands still until the others have, for a branch that asks would be guessed wrongly once a packet.
 */
import {
  CLUSTER_CHILDREN,
  CLUSTER_MAP,
  CLUSTER_PATTERN,
  CLUSTER_SIZE,
  CLUSTER_TESTS,
  CLUSTER_WIDTHS,
  EXIT_PACKET,
  KEY_SIZE,
  PACKED_BLOCK,
  PACKED_EXIT,
  PACKED_GROUP,
  PACKED_NEAR,
  START_ASKED,
  START_LEAST,
  START_SIZE,
  START_USUAL,
} from '../../src/abi/packed.ts';

/**
 * Block after block of packets, in it group after group: so keys stay near, and so does a group's tree. `starts`: START_SIZE bytes a group. `keys` and `answers` (one u32 a packet, NEXT_*) have room
 * for whole groups of packets. `far`: the clusters are more than the processor keeps near.
 */
export function runPacked(
  clusters: usize,
  far: bool,
  starts: usize,
  groups: u32,
  exits: usize,
  keys: usize,
  packets: u32,
  answers: usize,
): void {
  blindSteps = far ? PACKED_NEAR : i32.MAX_VALUE;
  for (let from: u32 = 0; from < packets; from += PACKED_BLOCK) {
    const count: usize = min<u32>(packets - from, PACKED_BLOCK);
    const first = keys + (from as usize) * KEY_SIZE;
    // An answer is the child that the packet is at until it leaves. What fills the last group of packets up has to arrive, too.
    const found = answers + ((from as usize) << 2);
    const room = ((count + PACKED_GROUP - 1) / PACKED_GROUP) * PACKED_GROUP;
    for (let packet: usize = 0; packet < room; packet++) store<i32>(found + (packet << 2), load<i32>(starts));
    descend(clusters, found, first, count);
    for (let group: usize = 1; group < (groups as usize); group++)
      searchMore(clusters, starts + group * START_SIZE, first, found, count);
    for (let packet: usize = 0; packet < count; packet++) leave(exits, found + (packet << 2));
  }
}

/** Steps that packets go before clusters are fetched for them. */
let blindSteps = 0;
/** Clusters that packets went through: only the debug build counts them, for tests. */
let stepsTaken: u32 = 0;

export function packedSteps(): u32 {
  return stepsTaken;
}

/** Packets that are looked for in a group behind the first: where they are, their keys, and where their answers are. */
const places: usize = memory.data((PACKED_BLOCK + PACKED_GROUP) * 4, 16);
const placeKeys: usize = memory.data((PACKED_BLOCK + PACKED_GROUP) * KEY_SIZE, 16);
const placeAnswers: usize = memory.data((PACKED_BLOCK + PACKED_GROUP) * 4, 16);

/** Answers become the exits of a group where those come before what was found already. */
function searchMore(clusters: usize, start: usize, keys: usize, answers: usize, packets: usize): void {
  let waiting: usize = 0;
  for (let done: usize = 0; done < packets; done += PACKED_GROUP) {
    const batch = min<usize>(packets - done, PACKED_GROUP);
    if (areUsual(clusters, start, keys + done * KEY_SIZE)) continue;
    for (let packet = done; packet < done + batch; packet++)
      waiting += enter(start, keys + packet * KEY_SIZE, answers + (packet << 2), waiting);
  }
  for (let packet = waiting; packet < waiting + PACKED_GROUP; packet++) store<i32>(places + (packet << 2), -1);
  descend(clusters, places, placeKeys, waiting);
  for (let packet: usize = 0; packet < waiting; packet++) {
    const answer = load<u32>(placeAnswers + (packet << 2)) as usize;
    store<i32>(answer, min<i32>(load<i32>(places + (packet << 2)), load<i32>(answer)));
  }
}

/** Whether the tests of a group's root tell that PACKED_GROUP packets find nothing there. */
function areUsual(clusters: usize, start: usize, keys: usize): bool {
  const asked = load<u32>(start, START_ASKED);
  if (asked === 0) return false;
  const root = clusters + (load<u32>(start) as usize) * CLUSTER_SIZE;
  const usual = load<u32>(start, START_USUAL);
  let strange: u32 = 0;
  for (let key = keys; key < keys + PACKED_GROUP * KEY_SIZE; key += 4 * KEY_SIZE) {
    strange |= holding(clusters, root, key) ^ usual;
    strange |= holding(clusters, root, key + KEY_SIZE) ^ usual;
    strange |= holding(clusters, root, key + 2 * KEY_SIZE) ^ usual;
    strange |= holding(clusters, root, key + 3 * KEY_SIZE) ^ usual;
  }
  return (strange & asked) === 0;
}

/** Unless what was found is before all of the group, a packet becomes the next of the waiting ones; how many more these are. */
function enter(start: usize, key: usize, answer: usize, waiting: usize): usize {
  store<i32>(places + (waiting << 2), load<i32>(start));
  store<u32>(placeAnswers + (waiting << 2), answer as u32);
  const copy = placeKeys + waiting * KEY_SIZE;
  store<u64>(copy, load<u64>(key));
  store<u64>(copy, load<u64>(key, 8), 8);
  return load<i32>(answer) > load<i32>(start, START_LEAST) ? 1 : 0;
}

/** Leads packets from where they are (a child each) to their exits, a group of them side by side. */
function descend(clusters: usize, children: usize, keys: usize, packets: usize): void {
  for (let done: usize = 0; done < packets; done += PACKED_GROUP) {
    const child = children + (done << 2);
    const key = keys + done * KEY_SIZE;
    let arrived = descendGroup(clusters, child, key, blindSteps);
    while (arrived >= 0) {
      fetch(clusters, child);
      arrived = descendGroup(clusters, child, key, 1);
    }
  }
}

/** A group of packets goes so many steps, or until all are at exits: less than 0 then. */
function descendGroup(clusters: usize, children: usize, keys: usize, steps: i32): i32 {
  let arrived = 0;
  for (; steps > 0 && arrived >= 0; steps--) {
    arrived = -1;
    for (let packet: usize = 0; packet < (PACKED_GROUP as usize); packet += 8) {
      const child = children + (packet << 2);
      const key = keys + packet * KEY_SIZE;
      arrived &= step(clusters, child, key);
      arrived &= step(clusters, child + 4, key + KEY_SIZE);
      arrived &= step(clusters, child + 8, key + 2 * KEY_SIZE);
      arrived &= step(clusters, child + 12, key + 3 * KEY_SIZE);
      arrived &= step(clusters, child + 16, key + 4 * KEY_SIZE);
      arrived &= step(clusters, child + 20, key + 5 * KEY_SIZE);
      arrived &= step(clusters, child + 24, key + 6 * KEY_SIZE);
      arrived &= step(clusters, child + 28, key + 7 * KEY_SIZE);
    }
  }
  return arrived;
}

/**
 * Reads from the clusters that a group of packets has come to, and does nothing else: so many more of them are on their way from memory at once than while packets go on. What was read
 * is kept, lest reading is left out.
 */
function fetch(clusters: usize, children: usize): void {
  let words: u32 = 0;
  for (let child = children; child < children + PACKED_GROUP * 4; child += 16) {
    words |= wordAt(clusters, child) | wordAt(clusters, child + 4) | wordAt(clusters, child + 8) | wordAt(clusters, child + 12);
  }
  store<u32>(fetched, words);
}

const fetched: usize = memory.data(4);

function wordAt(clusters: usize, child: usize): u32 {
  const at = load<i32>(child);
  return load<u32>(clusters + ((at & ~(at >> 31)) as usize) * CLUSTER_SIZE);
}

/** One packet goes on. */
function step(clusters: usize, child: usize, key: usize): i32 {
  const from = load<i32>(child);
  if (!ASC_NO_ASSERT && from >= 0) stepsTaken++;
  const at = hop(clusters, from, key);
  store<i32>(child, at);
  return at;
}

/** Counts a packet at its exit; the answer becomes the verdict there. */
function leave(exits: usize, answer: usize): void {
  const exit = exits + (((load<i32>(answer) ^ PACKED_EXIT) as usize) << 2);
  const word = load<u32>(exit);
  store<u32>(exit, word + EXIT_PACKET);
  store<u32>(answer, word % EXIT_PACKET);
}

/** Where a packet goes from `at`. One that is at an exit goes to cluster 0, whose children are all 0: what it comes to is the exit again, without a branch. */
function hop(clusters: usize, at: i32, key: usize): i32 {
  const exit = at & (at >> 31);
  const cluster = clusters + ((at ^ exit) as usize) * CLUSTER_SIZE;
  const child = load<u8>(cluster + (holding(clusters, cluster, key) as usize), CLUSTER_MAP) as usize;
  return (load<i32>(cluster + child, CLUSTER_CHILDREN - 1) >> 8) | exit;
}

/** A bit for each test of the cluster that holds. */
function holding(clusters: usize, cluster: usize, key: usize): u32 {
  const pattern = clusters + (load<u32>(cluster, CLUSTER_PATTERN) as usize);
  if (ASC_FEATURE_SIMD) {
    const words = v128.swizzle(v128.load(key), v128.load(pattern));
    const beyond = v128.sub<u32>(words, v128.load(cluster));
    return i32x4.bitmask(v128.le<u32>(beyond, v128.load(cluster, CLUSTER_WIDTHS)));
  }
  let bits: u32 = 0;
  for (let test: usize = 0; test < (CLUSTER_TESTS as usize); test++) {
    let word: u32 = 0;
    for (let byte: usize = 0; byte < 4; byte++) {
      const from = load<u8>(pattern + (test << 2) + byte) as usize;
      if (from < (KEY_SIZE as usize)) word |= (load<u8>(key + from) as u32) << ((byte as u32) << 3);
    }
    const beyond = word - load<u32>(cluster + (test << 2));
    bits |= (beyond <= load<u32>(cluster + (test << 2), CLUSTER_WIDTHS) ? 1 : 0) << (test as u32);
  }
  return bits;
}
