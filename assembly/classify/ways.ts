/** Ways that plain packets go, through rules or several walks, each as an edge of its own, whose segment stands for all that the way counts (known.ts). They are few, for all connections together. */
import { NEXT_ACCEPT } from '../../src/abi/program.ts';
import { countMany, segmentAt } from './program.ts';

/** A way, as large as a cache line: its segment's counter (u64 packets and bytes), its edge, u32 how many segments it stands for and one more (0: the place is free), and which. */
const WAY_SIZE: usize = 64;
const WAY_EDGE: usize = 16;
const WAY_NEXT: usize = 20;
const WAY_LENGTH: usize = 24;
const WAY_SEGMENTS: usize = 28;
export const MOST_SEGMENTS: u32 = 9;
const WAY_BITS: u32 = 9;
/** Places in a row where a way can be. */
const WAY_TRIES: u32 = 4;
const WAYS: usize = memory.data(64 << 9, 16);
const HASH_FACTOR: u32 = 0x9e3779b1;
/** The way that is being made: its segments, how many they are, and what comes behind them. */
const DRAFT: usize = memory.data(9 * 4, 16);
export let drafted: u32 = 0;
export let draftNext: u32 = 0;

export function beginDraft(): void {
  drafted = 0;
  draftNext = NEXT_ACCEPT;
}

/** It takes an edge, if there is room (MOST_SEGMENTS). */
export function draftEdge(edge: usize): void {
  store<u32>(DRAFT + ((drafted as usize) << 2), load<u32>(edge));
  draftNext = load<u32>(edge, 4);
  drafted++;
}

/** The edge of the way that is as the draft, as an offset from the code at `base`; made if it is not there. 0: no room. */
export function draftedEdge(base: usize): u32 {
  const way = placeOf(drafted, draftNext);
  return way === 0 ? 0 : ((way + WAY_EDGE - base) as u32);
}

/** What was counted on ways goes to the segments they stand for. */
export function settleWays(): void {
  for (let way = WAYS; way < WAYS + (WAY_SIZE << WAY_BITS); way += WAY_SIZE) {
    const packets = load<u64>(way);
    const bytes = load<u64>(way, 8);
    const length = load<u32>(way, WAY_LENGTH) as usize;
    for (let index: usize = 0; index + 1 < length; index++)
      countMany(load<u32>(way + (index << 2), WAY_SEGMENTS), packets, bytes);
    store<u64>(way, 0);
    store<u64>(way, 0, 8);
  }
}

function placeOf(length: u32, next: u32): usize {
  const size = (length as usize) << 2;
  let hash = next;
  for (let at: usize = 0; at < size; at += 4) hash = (hash ^ load<u32>(DRAFT + at)) * HASH_FACTOR;
  for (let tries: u32 = 0; tries < WAY_TRIES; tries++) {
    const way = WAYS + ((((hash >>> (32 - WAY_BITS)) + tries) & ((1 << WAY_BITS) - 1)) as usize) * WAY_SIZE;
    const there = load<u32>(way, WAY_LENGTH);
    if (there === 0) {
      store<u32>(way, segmentAt(way), WAY_EDGE);
      store<u32>(way, next, WAY_NEXT);
      store<u32>(way, length + 1, WAY_LENGTH);
      memory.copy(way + WAY_SEGMENTS, DRAFT, size);
      return way;
    }
    if (there === length + 1 && load<u32>(way, WAY_NEXT) === next && memory.compare(way + WAY_SEGMENTS, DRAFT, size) === 0)
      return way;
  }
  return 0;
}
