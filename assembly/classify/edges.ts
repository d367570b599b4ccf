/**
 * Where connections keep the edges of their plain packets: those of IPv4 in their entries; in those of IPv6 there is no room, so they have places in a table of MOST at most, by their entries' addresses. A place belongs to a key, whoever's entry it is: what is kept there depends on the
 * key, the direction and what is kept with it, and on nothing else of a connection whose addresses are not translated.
 */

import {
  ENTRY_EDGE_CHECKS,
  ENTRY_HIGH,
  ENTRY_LOW,
  ENTRY_SIZE,
  ENTRY_STATUS,
  ENTRY_SWAPPED,
  ENTRY_UPPER,
  FAMILY_MASK,
  STATUS_ALIASED,
  UPPER_SIZE,
} from '../conntrack/entry.ts';
import { conntrackCarve } from '../conntrack/index';

/** A place: the key (u64 low, with IS_SWAPPED if the original direction goes from the high end; u64 high; UPPER_SIZE bytes), then as an entry from ENTRY_EDGE_CHECKS on. As large as a cache line. */
const PLACE_SIZE: usize = 64;
const PLACE_UPPER: usize = 16;
const PLACE_EDGES: usize = 40;
const IS_SWAPPED: u64 = (1 as u64) << 62;
const MOST: usize = 1 << 17;
/** 0: not there yet. */
let places: usize = 0;
let isFull: bool = false;

/** An address from which on the edges of `entry` lie as in an entry; all are 0 when they are none of it. 0: it can keep none. */
export function edgesOf(entry: usize): usize {
  const low = load<u64>(entry, ENTRY_LOW);
  return ((low >>> 56) & FAMILY_MASK) === 6 ? placeOf(entry, low) + PLACE_EDGES - ENTRY_EDGE_CHECKS : entry;
}

/** It can keep edges. */
export function keepsEdges(entry: usize): bool {
  if (((load<u64>(entry, ENTRY_LOW) >>> 56) & FAMILY_MASK) !== 6) return true;
  return (load<u32>(entry, ENTRY_STATUS) & STATUS_ALIASED) === 0 && isThere();
}

function isThere(): bool {
  if (places === 0 && !isFull) {
    places = conntrackCarve(MOST * PLACE_SIZE);
    isFull = places === 0;
  }
  return places !== 0;
}

/** Behind keepsEdges. */
function placeOf(entry: usize, key: u64): usize {
  const low = key | (load<u8>(entry, ENTRY_SWAPPED) !== 0 ? IS_SWAPPED : 0);
  const place = places + ((entry / ENTRY_SIZE) & (MOST - 1)) * PLACE_SIZE;
  const high = load<u64>(entry, ENTRY_HIGH);
  if (load<u64>(place) === low && load<u64>(place, 8) === high && hasUpper(place, entry)) return place;
  memory.fill(place, 0, PLACE_SIZE);
  store<u64>(place, low);
  store<u64>(place, high, 8);
  memory.copy(place + PLACE_UPPER, entry + ENTRY_UPPER, UPPER_SIZE);
  return place;
}

function hasUpper(place: usize, entry: usize): bool {
  const first = load<u64>(place, PLACE_UPPER) ^ load<u64>(entry, ENTRY_UPPER);
  const second = load<u64>(place, PLACE_UPPER + 8) ^ load<u64>(entry, ENTRY_UPPER + 8);
  return (first | second | (load<u64>(place, PLACE_UPPER + 16) ^ load<u64>(entry, ENTRY_UPPER + 16))) === 0;
}
