/**
 * What plain packets of a connection (conntrack/plain.ts, conntrack/datagram.ts) meet in a table is mostly what the one before them met: most of what rules ask is the same for all of them. So the way of one is kept,
 * down the tree and through the rules as far as nothing else is asked: as an edge of its own, whose segment stands for all that the way counts. Ways are few, for all connections together.
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
  FIELD_ICMP_CODE,
  FIELD_ICMP_TYPE,
  FIELD_IN_INTERFACE,
  FIELD_L4_LENGTH,
  FIELD_MARK,
  FIELD_OUT_INTERFACE,
  FIELD_PACKET_TYPE,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  FIELD_SPORT,
  FIELD_TCP_FLAGS,
} from '../../src/abi/fields.ts';
import { PACKET_INTERFACE, PACKET_WAY, WAY_OUTPUT } from '../../src/abi/packet.ts';
import {
  END_HIT,
  END_HOTDROP,
  END_MISS,
  FOUND,
  NEXT_ACCEPT,
  NEXT_STEP,
  NODE_TABLE,
  REF_EDGE,
  SEARCH_GROUP_SIZE,
  SEARCH_GROUPS,
  STEP_HIT_NEXT,
  STEP_HIT_SEGMENT,
  STEP_LIST,
  STEP_MISS_NEXT,
  STEP_MISS_SEGMENT,
  STEP_RETURN,
  STEP_SEARCH,
  STEP_TESTS,
  TEST_MASK,
  TEST_OPCODE,
  TEST_RANGE,
  TEST_RANGES,
  TEST_WORD_RANGE,
  TEST_WORDS,
} from '../../src/abi/program.ts';
import { TEST_HIT, TEST_HOTDROP, TEST_MISS } from '../../src/abi/special.ts';
import { ENTRY_EDGE_CHECKS, ENTRY_EDGES, PROTOCOL_TCP, STATUS_VISIBLE } from '../conntrack/entry.ts';
import { TCP_HEADER_SIZE } from '../conntrack/tcp-options.ts';
import { child, descend } from './descend.ts';
import { edgesOf, keepsEdges } from './edges.ts';
import { code, countMany, segmentAt } from './program.ts';
import { searchEntries } from './search.ts';
import { runTest } from './tests.ts';

/** Fields in which plain packets of one direction of a connection are alike: its ends (the first bytes of a TCP header are ports, whatever they are called), what makes a packet plain, and what `sharedFields` tells. */
const ALIKE: u32 =
  (1 << FIELD_PROTOCOL) |
  (1 << FIELD_FRAGMENT) |
  (1 << FIELD_SPORT) |
  (1 << FIELD_DPORT) |
  (1 << FIELD_ICMP_TYPE) |
  (1 << FIELD_ICMP_CODE) |
  (1 << FIELD_IN_INTERFACE) |
  (1 << FIELD_OUT_INTERFACE) |
  (1 << FIELD_CT_STATE) |
  (1 << FIELD_CT_DIRECTION) |
  (1 << FIELD_CT_STATUS) |
  (1 << FIELD_PACKET_TYPE) |
  (0xf << FIELD_SOURCE) |
  (0xf << FIELD_DESTINATION) |
  (1 << FIELD_HEADER_ERROR) |
  (1 << FIELD_FAMILY);
/** Beside them, of packets of a flow that nothing tracks. */
const ALIKE_IN_FLOW: u32 = ALIKE | (1 << FIELD_MARK);
/** In the lowest bit of an edge that is kept: it leads to ACCEPT. */
export const EDGE_ACCEPTS: u32 = 1;
const UDP_HEADER_SIZE: u32 = 8;
/** The one flag that plain packets have or have not. */
const FLAG_PSH: u32 = 8;
/** What is kept of the fields is never 0. Above it, the short plan (plan.ts) through which the way goes. */
const KEPT: u64 = (1 as u64) << 63;
export const KEPT_PLAN_SHIFT: u64 = 48;
const KEPT_PLAN: u64 = (0x7fff as u64) << 48;
/** A way, as large as a cache line: its segment's counter (u64 packets and bytes), its edge, u32 how many segments it stands for (0: the place is free), and which. */
const WAY_SIZE: usize = 64;
const WAY_EDGE: usize = 16;
const WAY_NEXT: usize = 20;
const WAY_LENGTH: usize = 24;
const WAY_SEGMENTS: usize = 28;
const MOST_SEGMENTS: u32 = 9;
const WAY_BITS: u32 = 9;
/** Places in a row where a way can be. */
const WAY_TRIES: u32 = 4;
const WAYS: usize = memory.data(64 << 9, 16);
/** The way that is being made: its segments. */
const DRAFT: usize = memory.data(9 * 4, 16);
const HASH_FACTOR: u32 = 0x9e3779b1;
/** What those have in common whose edge is looked for: fields, whole transport headers of so many bytes, and, if they are segments, all flags but PSH. */
let alike: u32 = ALIKE;
let whole: u32 = TCP_HEADER_SIZE;
let pushes: bool = true;
/** The descent came by the flags. */
let askedFlags: bool = false;
/** The address of whom this host speaks with is asked, in trees, whether it lies above a bound: of the bounds that were met, those between which it lies, themselves included. */
export let otherFirst: u32 = 0;
export let otherLast: u32 = 0;
let otherField: u32 = 0;
/** Packets that took a kept edge: only the debug build counts them, for tests. */
let taken: u32 = 0;

export function edgesTaken(): u32 {
  return taken;
}

/** Where a plain packet of the connection `entry` leaves the walk of the short plan `plan`, which has the root `root` and the policy's edge `policy`: an edge, as all of them an offset from the code at `base`. */
export function knownEdge(base: usize, root: u32, policy: u32, plan: u32, slot: usize, entry: usize): u32 {
  const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4) as usize;
  if (!keepsEdges(entry)) return descend(base, root, slot);
  const edges = edgesOf(entry);
  const shared = checkOf(slot, plan);
  if (load<u64>(edges + (direction << 3), ENTRY_EDGE_CHECKS) !== shared) {
    pushes = load<u32>(slot, FIELD_PROTOCOL * 4) === PROTOCOL_TCP;
    whole = pushes ? TCP_HEADER_SIZE : UDP_HEADER_SIZE;
    alike = ALIKE;
    store<u64>(edges + (direction << 3), shared, ENTRY_EDGE_CHECKS);
    store<u32>(edges + (direction << 2), markedEdge(base, commonEdge(base, root, policy, slot)), ENTRY_EDGES);
  }
  const edge = load<u32>(edges + (direction << 2), ENTRY_EDGES) & ~EDGE_ACCEPTS;
  if (!ASC_NO_ASSERT) taken += (edge !== 0) as u32;
  return edge !== 0 ? edge : descend(base, root, slot);
}

/** The check that stands for plain packets like the one in `slot`, of the short plan `plan`, beside the edge that an entry keeps. */
export function checkOf(slot: usize, plan: u32): u64 {
  const kind = load<u32>(slot, FIELD_PACKET_TYPE * 4);
  return sharedFields(slot, kind, load<u32>(slot, FIELD_CT_STATUS * 4)) | ((plan as u64) << KEPT_PLAN_SHIFT);
}

/**
 * Where all packets leave a walk that are like the one in `slot` in these fields, a bit each, whose other's address lies from otherFirst to otherLast, and whose TCP header is whole; without the flags among the fields, all that have its flags, with or without
 * PSH. Out: an edge as it is kept; 0: they need not leave by the same one.
 */
export function edgeOfAlike(walk: u32, slot: usize, fields: u32): u32 {
  const base = code;
  const at = base + ((walk as usize) << 3);
  alike = fields;
  whole = TCP_HEADER_SIZE;
  pushes = true;
  const edge = markedEdge(base, commonEdge(base, load<u32>(at), load<u32>(at, 4), slot));
  alike = ALIKE;
  return edge;
}

/** The connection `entry` keeps nothing any more. */
export function forgetEdges(entry: usize): void {
  if (!keepsEdges(entry)) return;
  const edges = edgesOf(entry);
  store<u64>(edges, 0, ENTRY_EDGE_CHECKS);
  store<u64>(edges, 0, ENTRY_EDGE_CHECKS + 8);
}

/** Where all packets leave walk `walk` that have the addresses, ports and devices of the one in `slot`, a plain segment (but that nothing tracks it) or a datagram with a whole header, no fragment: an edge, as knownEdge; 0: they need not leave by the same. */
export function alikeEdge(walk: u32, slot: usize, isTcp: bool): u32 {
  const base = code;
  const at = base + ((walk as usize) << 3);
  alike = ALIKE_IN_FLOW;
  whole = isTcp ? TCP_HEADER_SIZE : UDP_HEADER_SIZE;
  pushes = isTcp;
  return commonEdge(base, load<u32>(at), load<u32>(at, 4), slot);
}

/** For a plain packet of the connection whose edges lie at `entry` (edges.ts) and whose slot is not decoded, but its record, kind (PACKET_*) and status are known: the short plan of the edge that is kept for it, above KEPT_PLAN_SHIFT, if `isKept`. */
export function keptPlan(slot: usize, entry: usize, direction: u32, kind: u32, status: u32): u64 {
  return load<u64>(entry + ((direction as usize) << 3), ENTRY_EDGE_CHECKS) ^ sharedFields(slot, kind, status);
}

export function isKept(plan: u64): bool {
  return (plan & ~KEPT_PLAN) === 0;
}

/** As it is kept: an edge that leads to nothing but ACCEPT is marked. */
function markedEdge(base: usize, edge: u32): u32 {
  return edge !== 0 && load<u32>(base + (edge as usize), 4) === <u32>NEXT_ACCEPT ? edge | EDGE_ACCEPTS : edge;
}

/** The edge of that plan, and in EDGE_ACCEPTS whether it accepts; 0: packets like it need not leave by the same one. */
export function keptEdge(entry: usize, direction: u32): u32 {
  return load<u32>(entry + ((direction as usize) << 2), ENTRY_EDGES);
}

/** What was counted on ways goes to the segments they stand for. */
export function settleWays(): void {
  for (let way = WAYS; way < WAYS + (WAY_SIZE << WAY_BITS); way += WAY_SIZE) {
    const packets = load<u64>(way);
    const bytes = load<u64>(way, 8);
    const length = load<u32>(way, WAY_LENGTH) as usize;
    for (let index: usize = 0; index < length; index++) countMany(load<u32>(way + (index << 2), WAY_SEGMENTS), packets, bytes);
    store<u64>(way, 0);
    store<u64>(way, 0, 8);
  }
}

/**
 * What plain packets of a direction share that is neither in the key of their connection nor for ever: kind, status, and what the capture says of device and direction.
 * With their addresses that is all that routing (stack/way.ts) looks at: they share devices and plan, too.
 */
function sharedFields(slot: usize, kind: u32, status: u32): u64 {
  // The direction lies behind the device, and has two bits.
  const record = load<u64>(slot, PACKET_INTERFACE);
  return record | ((((kind << 8) | ((status & STATUS_VISIBLE) << 2)) as u64) << 32) | KEPT;
}

/** The edge (a way's, if need be) that all find who share with the packet what plain packets do; 0: they need not find the same. */
function commonEdge(base: usize, root: u32, policy: u32, slot: usize): u32 {
  otherFirst = 0;
  otherLast = u32.MAX_VALUE;
  otherField = load<u32>(slot, PACKET_WAY) === WAY_OUTPUT ? FIELD_DESTINATION : FIELD_SOURCE;
  const edge = commonDescent(base, root, slot);
  return edge === 0 ? 0 : wayFrom(base, edge, policy, slot);
}

/** The same for the tree alone: where it leads with PSH as it is and as it is not. */
function commonDescent(base: usize, root: u32, slot: usize): u32 {
  askedFlags = false;
  const edge = alikeDescent(base, root, slot);
  if (!askedFlags) return edge;
  const flags = load<u32>(slot, FIELD_TCP_FLAGS * 4);
  store<u32>(slot, flags ^ FLAG_PSH, FIELD_TCP_FLAGS * 4);
  const other = alikeDescent(base, root, slot);
  store<u32>(slot, flags, FIELD_TCP_FLAGS * 4);
  return edge === other ? edge : 0;
}

/** The edge that all find who are alike and have the packet's flags; 0: they need not find the same. */
function alikeDescent(base: usize, root: u32, slot: usize): u32 {
  let reference = root;
  while ((reference & REF_EDGE) === 0) {
    const node = base + (reference as usize);
    const head = load<u32>(node);
    const field = (head & ~NODE_TABLE) >>> 2;
    // Their TCP header is whole.
    const isWhole = head === FIELD_L4_LENGTH * 4 && load<u32>(node, 4) < whole;
    if (field === otherField && (head & NODE_TABLE) === 0) narrow(load<u32>(node, 4), slot);
    else if (!isWhole && !isAlike(field)) {
      if (field !== FIELD_TCP_FLAGS || !pushes) return 0;
      askedFlags = true;
    }
    reference = child(node, slot);
  }
  return reference ^ REF_EDGE;
}

function narrow(bound: u32, slot: usize): void {
  if (load<u32>(slot + ((otherField as usize) << 2)) > bound) otherFirst = max(otherFirst, bound + 1);
  else otherLast = min(otherLast, bound);
}

function isAlike(field: u32): bool {
  return ((alike >>> field) & 1) !== 0;
}

/** From an edge of the tree on through rules, as far as they ask what is alike: the edge of a way; the edge itself where it leads through none, or there is no room for one more way. */
function wayFrom(base: usize, edge: u32, policy: u32, slot: usize): u32 {
  store<u32>(DRAFT, load<u32>(base + (edge as usize)));
  let next = load<u32>(base + (edge as usize), 4);
  let length: u32 = 1;
  while (next >= <u32>NEXT_STEP && length < MOST_SEGMENTS) {
    const taken = commonStep(base, base + (next as usize), policy, slot);
    if (taken === 0) break;
    store<u32>(DRAFT + ((length as usize) << 2), load<u32>(taken));
    next = load<u32>(taken, 4);
    length++;
  }
  const way: usize = length === 1 ? 0 : placeOf(length, next);
  return way === 0 ? edge : ((way + WAY_EDGE - base) as u32);
}

/** The edge that a step leads all to who are alike, with nothing on the stack; 0 where they need not go the same way. */
function commonStep(base: usize, step: usize, policy: u32, slot: usize): usize {
  const head = load<u32>(step);
  const kind = head & 255;
  if (kind === STEP_SEARCH) return isCommonSearch(base, step, slot) ? searchEntries(step, head >>> 8, slot) : 0;
  if (kind === STEP_RETURN) return base + (policy as usize);
  if (kind !== STEP_TESTS) return 0;
  const answer = commonAnswer(base, step, slot);
  const end = answer === TEST_HIT ? head >>> 24 : answer === TEST_MISS ? END_MISS : END_HOTDROP;
  if (end === END_HIT) return step + STEP_HIT_SEGMENT;
  return end === END_MISS ? step + STEP_MISS_SEGMENT : 0;
}

/** Whether a search asks only what is alike. */
function isCommonSearch(base: usize, step: usize, slot: usize): bool {
  const groups = base + (load<u32>(step, STEP_LIST) as usize) + SEARCH_GROUPS;
  const end = groups + ((load<u32>(step) >>> 8) as usize) * SEARCH_GROUP_SIZE;
  for (let group = groups; group < end; group += SEARCH_GROUP_SIZE) {
    const edge = commonDescent(base, load<u32>(group), slot);
    if (edge === 0) return false;
    let next = load<u32>(base + (edge as usize), 4);
    while ((next & FOUND) === 0) {
      const one = base + (next as usize);
      const answer = commonAnswer(base, one, slot);
      if (answer !== TEST_HIT && answer !== TEST_MISS) return false;
      next = answer === TEST_HIT ? load<u32>(one, STEP_HIT_NEXT) : load<u32>(one, STEP_MISS_NEXT);
    }
  }
  return true;
}

/** What the tests of a step say together, TEST_HIT or TEST_MISS, to all who are alike; anything else where they need not say the same. */
function commonAnswer(base: usize, step: usize, slot: usize): u32 {
  const list = base + (load<u32>(step, STEP_LIST) as usize);
  const number = (load<u32>(step) >>> 8) & 0xffff;
  for (let index: u32 = 0; index < number; index++) {
    const test = base + (load<u32>(list + ((index as usize) << 2)) as usize);
    if (!asksAlike(test)) return TEST_HOTDROP;
    const answer = runTest(test, slot);
    if (answer !== TEST_HIT) return answer;
  }
  return TEST_HIT;
}

/** Whether a test asks only what is alike. */
function asksAlike(test: usize): bool {
  const opcode = load<u32>(test) & TEST_OPCODE;
  const field = load<u32>(test, 4) >>> 2;
  if (opcode === TEST_RANGE) return isAlike(field) || (field === FIELD_L4_LENGTH && hasWholeHeaders(test));
  if (opcode === TEST_MASK)
    return isAlike(field) || (pushes && field === FIELD_TCP_FLAGS && (load<u32>(test, 8) & FLAG_PSH) === 0);
  if (opcode === TEST_RANGES) return areAlike(test + 12, load<u32>(test, 4));
  if (opcode !== TEST_WORDS && opcode !== TEST_WORD_RANGE) return false;
  const words = load<u32>(test, 8);
  for (let word: u32 = 0; word < words; word++) if (!isAlike(field + word)) return false;
  return true;
}

/** `count` fields, in words that hold field * 4. */
function areAlike(fields: usize, count: u32): bool {
  for (let index: u32 = 0; index < count; index++) if (!isAlike(load<u32>(fields + ((index as usize) << 2)) >>> 2)) return false;
  return true;
}

/** A range of lengths that all whole headers are in. */
function hasWholeHeaders(range: usize): bool {
  const low = load<u32>(range, 8);
  return low <= whole && low + load<u32>(range, 12) === u32.MAX_VALUE;
}

/** The way with the segments of the draft that goes on with `next`; made if it is not there. 0: no room. */
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
      store<u32>(way, length, WAY_LENGTH);
      memory.copy(way + WAY_SEGMENTS, DRAFT, size);
      return way;
    }
    if (there === length && load<u32>(way, WAY_NEXT) === next && memory.compare(way + WAY_SEGMENTS, DRAFT, size) === 0)
      return way;
  }
  return 0;
}
