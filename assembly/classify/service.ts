/**
 * What packets of one service of this host have in common (one port of it, or one port that it asks at, over one device, with others to whom one route leads) is mostly all that rules ask of them. So the edges of its SYNs, of what answers
 * them and of its plain segments are kept for the service, too, beside those that connections keep (known.ts). Young connections, which keep none yet, get theirs here.
 * There are few places; who finds another service in its own goes the usual way.
 */
import {
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_CT_STATUS,
  FIELD_DESTINATION,
  FIELD_DPORT,
  FIELD_FAMILY,
  FIELD_FRAGMENT,
  FIELD_HEADER_ERROR,
  FIELD_IN_INTERFACE,
  FIELD_OUT_INTERFACE,
  FIELD_PACKET_TYPE,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  FIELD_SPORT,
  FIELD_TCP_FLAGS,
} from '../../src/abi/fields.ts';
import { ENTRY_EDGE_CHECKS, ENTRY_EDGES } from '../conntrack/entry.ts';
import { pairWith } from '../conntrack/pairs.ts';
import { checkOf, EDGE_ACCEPTS, edgeOfAlike, KEPT_PLAN_SHIFT, otherFirst, otherLast } from './known.ts';
import { code, counterOf } from './program.ts';

/** Fields in which all packets of one kind and service are alike, but for its port and this host's address. Of an IPv4 address only the first word is not zero. */
const SHARED: u32 =
  (1 << FIELD_PROTOCOL) |
  (1 << FIELD_FRAGMENT) |
  (1 << FIELD_IN_INTERFACE) |
  (1 << FIELD_OUT_INTERFACE) |
  (1 << FIELD_CT_STATE) |
  (1 << FIELD_CT_DIRECTION) |
  (1 << FIELD_CT_STATUS) |
  (1 << FIELD_PACKET_TYPE) |
  (0xe << FIELD_SOURCE) |
  (0xe << FIELD_DESTINATION) |
  (1 << FIELD_HEADER_ERROR) |
  (1 << FIELD_FAMILY);

/**
 * A place, a cache line: u64, this host's address and the route of the others (stack/way.ts); u32 each: the device that the capture names, what it is for (port, LEAVES, IS_PLACE; 0: free), the first of the others' addresses, and how many more
 * there are; by SERVICE_* the edges, as they are kept, 0: such packets need not leave by the same one. Of plain segments, in each direction, they lie as entries have them: u64 each what they must be like, u32 each the edge.
 */
const PLACE_SHIFT: usize = 6;
const PLACE_DEVICE: usize = 8;
const PLACE_WHAT: usize = 12;
const PLACE_FIRST: usize = 16;
const PLACE_MORE: usize = 20;
const PLACE_EDGES: usize = 24;
const PLACE_CHECKS: usize = 32;
const PLACE_PLAIN: usize = 48;
/** u32: the place of a pair of the same (conntrack/pairs.ts), 0: none. */
const PLACE_PAIR: usize = 56;
const PLACE_BITS: u32 = 8;
const PLACES: usize = memory.data(64 << 8, 16);
export const SERVICE_SYN: u32 = 0;
export const SERVICE_ANSWER: u32 = 1;
export const SERVICE_PLAIN: u32 = 2;
const LEAVES: u32 = 1 << 16;
const IS_PLACE: u32 = 1 << 17;
const HASH_FACTOR: u64 = ((0x9e3779b9 as u64) << 32) | 0x7f4a7c15;
/** One of so many that are not known gets a place that has another. */
const MISSES: u32 = 64;
let missed: u32 = 0;
/** How many services were given a place so far. */
export let lessons: u32 = 0;

/** Of connections that begin at this host (`leaves`), or at others, with the port of the one who answers. */
export function serviceOf(leaves: bool, port: u32): u32 {
  return port | (leaves ? LEAVES | IS_PLACE : IS_PLACE);
}

function placeOf(ends: u64, device: u32, what: u32): usize {
  const hash = ((ends ^ (what as u64)) * HASH_FACTOR + (device as u64)) * HASH_FACTOR;
  return PLACES + (((hash >>> (64 - PLACE_BITS)) as usize) << PLACE_SHIFT);
}

/** The place of a service's packets; 0: it has none. */
export function serviceAt(ends: u64, device: u32, what: u32, other: u32): usize {
  const place = placeOf(ends, device, what);
  // PLACE_WHAT lies behind PLACE_DEVICE. In one word: a branch is taken on that.
  const name = load<u64>(place, PLACE_DEVICE) ^ ((device as u64) | ((what as u64) << 32));
  if (((load<u64>(place) ^ ends) | name) !== 0) return 0;
  return other - load<u32>(place, PLACE_FIRST) <= load<u32>(place, PLACE_MORE) ? place : 0;
}

/** Of packets of a kind, SYNs or what answers them: the edge, as it is kept; 0: nobody knows. */
export function edgeAt(place: usize, kind: u32): u32 {
  return load<u32>(place + ((kind as usize) << 2), PLACE_EDGES);
}

/** All edges are known that can be: those of plain segments are a pair, if there is room for one more. What is told of segments of the two directions beside their bytes follows from the plans they go through. */
export function pairEdges(place: usize, told: u32, otherTold: u32): void {
  const checks = place + PLACE_CHECKS;
  const counts = countsOf(load<u32>(place, PLACE_PLAIN), told);
  const otherCounts = countsOf(load<u32>(place, PLACE_PLAIN + 4), otherTold);
  store<u32>(
    place,
    pairWith(load<u64>(checks), load<u64>(checks, 8), load<u64>(place, PLACE_PLAIN), counts, otherCounts),
    PLACE_PAIR,
  );
}

function countsOf(edge: u32, told: u32): u64 {
  const counter = (edge & EDGE_ACCEPTS) === 0 ? 0 : (counterOf(load<u32>(code + ((edge ^ EDGE_ACCEPTS) as usize))) as u32);
  return (counter as u64) | ((told as u64) << 32);
}

/** The short plan that plain segments of a direction go through. */
export function plainPlan(place: usize, direction: u32): u32 {
  return (load<u64>(place + ((direction as usize) << 3), PLACE_CHECKS) >>> KEPT_PLAN_SHIFT) as u32;
}

/** The place of that pair, 0: none. */
export function pairAt(place: usize): u32 {
  return load<u32>(place, PLACE_PAIR);
}

/** Plain segments of the connection `entry` leave by the edges of its service. */
export function keepEdgesOf(place: usize, entry: usize): void {
  store<u64>(entry, load<u64>(place, PLACE_CHECKS), ENTRY_EDGE_CHECKS);
  store<u64>(entry, load<u64>(place, PLACE_CHECKS + 8), ENTRY_EDGE_CHECKS + 8);
  store<u64>(entry, load<u64>(place, PLACE_PLAIN), ENTRY_EDGES);
}

/** A place for a service that has none, of which nothing is known yet; 0: another has it. */
export function placeToLearn(ends: u64, device: u32, what: u32): usize {
  const place = placeOf(ends, device, what);
  if (load<u32>(place, PLACE_WHAT) !== 0 && ++missed % MISSES !== 0) return 0;
  lessons++;
  memory.fill(place, 0, 1 << PLACE_SHIFT);
  store<u64>(place, ends);
  store<u32>(place, device, PLACE_DEVICE);
  store<u32>(place, what, PLACE_WHAT);
  store<u32>(place, u32.MAX_VALUE, PLACE_MORE);
  return place;
}

/** The packet at `slot` is of the kind `kind` and of the service at `place`, and meets `walk`, that of the short plan `plan`: what its like leave by is looked for. `answers`: it goes in direction 1; `leaves`: from this host. */
export function learn(place: usize, kind: u32, slot: usize, walk: u32, plan: u32, answers: bool, leaves: bool): void {
  const port: u32 = answers ? FIELD_SPORT : FIELD_DPORT;
  const own: u32 = leaves ? FIELD_SOURCE : FIELD_DESTINATION;
  const flags: u32 = kind < SERVICE_PLAIN ? 1 << FIELD_TCP_FLAGS : 0;
  const edge = edgeOfAlike(walk, slot, SHARED | flags | (1 << port) | (1 << own));
  if ((edge & EDGE_ACCEPTS) === 0) return;
  const first = max(load<u32>(place, PLACE_FIRST), otherFirst);
  const last = min(load<u32>(place, PLACE_FIRST) + load<u32>(place, PLACE_MORE), otherLast);
  store<u32>(place, first, PLACE_FIRST);
  store<u32>(place, last - first, PLACE_MORE);
  if (kind < SERVICE_PLAIN) {
    store<u32>(place + ((kind as usize) << 2), edge, PLACE_EDGES);
    return;
  }
  const direction = (answers ? 1 : 0) as usize;
  store<u64>(place + (direction << 3), checkOf(slot, plan), PLACE_CHECKS);
  store<u32>(place + (direction << 2), edge, PLACE_PLAIN);
}
