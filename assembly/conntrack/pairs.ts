/**
 * What the plain segments of a connection leave the tree of rules by (classify/known.ts), where many connections have the same: for each direction what they must be like, and the edge. Connections that keep but
 * half an entry (half.ts) keep the place of such a pair.
 */
import { ENTRY_EDGE_CHECKS, ENTRY_EDGES } from './entry';

/** A pair, as entries have it from ENTRY_EDGE_CHECKS on: u64 each, what segments must be like; u32 each, the edge. Behind them, a pair of u32 each: where they are counted, 0 if the edge leads to more than ACCEPT; what is told of them beside. */
const PAIR_SIZE: u32 = 48;
const PAIR_EDGES: usize = ENTRY_EDGES - ENTRY_EDGE_CHECKS;
const PAIR_COUNTS: usize = PAIR_EDGES + 8;
const PAIRS_MOST: u32 = 1023;
/** The first place is nobody's. Pairs never change: entries have their places. */
const PAIRS: usize = memory.data(48 << 10, 16);
let pairs: u32 = 0;

/** The place, which is never 0 and fits 16 bits, of the pair with these parts, those of countedAt and toldOf in one word for each direction; 0: there is no room for one more. */
export function pairWith(first: u64, second: u64, edges: u64, counts: u64, otherCounts: u64): u32 {
  for (let place = PAIR_SIZE; place <= pairs; place += PAIR_SIZE) {
    const pair = PAIRS + (place as usize);
    if (load<u64>(pair) !== first || load<u64>(pair, 8) !== second || load<u64>(pair, PAIR_EDGES) !== edges) continue;
    if (load<u64>(pair, PAIR_COUNTS) === counts && load<u64>(pair, PAIR_COUNTS + 8) === otherCounts) return place;
  }
  if (pairs === PAIRS_MOST * PAIR_SIZE) return 0;
  pairs += PAIR_SIZE;
  const pair = PAIRS + (pairs as usize);
  store<u64>(pair, first);
  store<u64>(pair, second, 8);
  store<u64>(pair, edges, PAIR_EDGES);
  store<u64>(pair, counts, PAIR_COUNTS);
  store<u64>(pair, otherCounts, PAIR_COUNTS + 8);
  return pairs;
}

/** Where an entry would lie that kept the pair at `place`. */
export function keeperOf(place: u32): usize {
  return PAIRS - ENTRY_EDGE_CHECKS + (place as usize);
}

/** Of what would lie there: where segments of a direction are counted, u64 packets and behind them u64 bytes; 0: their edge leads to more than ACCEPT. */
export function countedAt(keeper: usize, direction: u32): usize {
  return load<u32>(keeper + ((direction as usize) << 3), ENTRY_EDGE_CHECKS + PAIR_COUNTS);
}

/** And what is told of them beside. */
export function toldOf(keeper: usize, direction: u32): u32 {
  return load<u32>(keeper + ((direction as usize) << 3), ENTRY_EDGE_CHECKS + PAIR_COUNTS + 4);
}
