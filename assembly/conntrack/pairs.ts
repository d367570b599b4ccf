/**
 * What the plain segments of a connection leave the tree of rules by (classify/known.ts), where many connections have the same: for each direction what they must be like, and the edge. Connections that keep but
 * half an entry (half.ts) keep the number of such a pair.
 */
import { ENTRY_EDGE_CHECKS } from './entry';

/** A pair, as entries have it from ENTRY_EDGE_CHECKS on: u64 each, what segments must be like; u32 each, the edge. */
const PAIR_SHIFT: usize = 5;
const PAIR_EDGES: usize = 16;
const PAIRS_MOST: u32 = 1023;
/** The first place is nobody's. Pairs never change: entries have their numbers. */
const PAIRS: usize = memory.data(32 << 10, 16);
let pairs: u32 = 0;

/** The number, from 1, of the pair with these parts; 0: there is no room for one more. */
export function pairWith(first: u64, second: u64, edges: u64): u32 {
  for (let number: u32 = 1; number <= pairs; number++) {
    const pair = PAIRS + ((number as usize) << PAIR_SHIFT);
    if (load<u64>(pair) === first && load<u64>(pair, 8) === second && load<u64>(pair, PAIR_EDGES) === edges) return number;
  }
  if (pairs === PAIRS_MOST) return 0;
  const pair = PAIRS + ((++pairs as usize) << PAIR_SHIFT);
  store<u64>(pair, first);
  store<u64>(pair, second, 8);
  store<u64>(pair, edges, PAIR_EDGES);
  return pairs;
}

/** Where an entry would lie that kept pair number `number`. */
export function keeperOf(number: u32): usize {
  return PAIRS - ENTRY_EDGE_CHECKS + ((number as usize) << PAIR_SHIFT);
}
