/**
 * What plain packets of a connection (conntrack/plain.ts, conntrack/datagram.ts) meet in a table is mostly what the one before them met: most of what rules ask is the same for all of them. So the way of one is kept,
 * down the tree and through the rules as far as nothing else is asked: as an edge of its own, whose segment stands for all that the way counts. Ways are few, for all connections together.
 */
import {
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_CT_STATUS,
  FIELD_DESTINATION,
  FIELD_DESTINATION_TYPE,
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
  FIELD_SOURCE_TYPE,
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
  TEST_SPECIAL,
  TEST_WORD_RANGE,
  TEST_WORDS,
} from '../../src/abi/program.ts';
import { TEST_HIT, TEST_HOTDROP, TEST_MISS } from '../../src/abi/special.ts';
import { ENTRY_EDGE_CHECKS, ENTRY_EDGES, PROTOCOL_TCP, STATUS_VISIBLE } from '../conntrack/entry.ts';
import { TCP_HEADER_SIZE } from '../conntrack/tcp-options.ts';
import { fieldsAsked } from './asked.ts';
import { child, descend } from './descend.ts';
import { edgesOf, keepsEdges } from './edges.ts';
import { code } from './program.ts';
import { searchEntries } from './search.ts';
import { runTest } from './tests.ts';
import { beginDraft, draftEdge, drafted, draftedEdge, draftNext, MOST_SEGMENTS } from './ways.ts';

/** Fields in which plain packets of one direction of a connection are alike: its ends (the first bytes of a TCP header are ports, whatever they are called), what makes a packet plain, and what `sharedFields` tells. The mark: whoever sets one ends the way that is kept. */
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
  (1 << FIELD_MARK) |
  (1 << FIELD_PACKET_TYPE) |
  (1 << FIELD_SOURCE_TYPE) |
  (1 << FIELD_DESTINATION_TYPE) |
  (0xf << FIELD_SOURCE) |
  (0xf << FIELD_DESTINATION) |
  (1 << FIELD_HEADER_ERROR) |
  (1 << FIELD_FAMILY);
/** In the lowest bit of an edge that is kept: it leads to ACCEPT. */
export const EDGE_ACCEPTS: u32 = 1;
const UDP_HEADER_SIZE: u32 = 8;
/** The one flag that plain packets have or have not. */
const FLAG_PSH: u32 = 8;
/** What is kept of the fields is never 0. Above it, the short plan (plan.ts) through which the way goes. */
const KEPT: u64 = (1 as u64) << 63;
export const KEPT_PLAN_SHIFT: u64 = 48;
const KEPT_PLAN: u64 = (0x7fff as u64) << 48;
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
    beginWay(slot);
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

/** The edges at `edges` are those of packets like this one, whatever their plan. */
export function hasCheckOf(slot: usize, edges: usize): bool {
  const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4) as usize;
  return isKept(load<u64>(edges + (direction << 3), ENTRY_EDGE_CHECKS) ^ checkOf(slot, 0));
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
  alike = ALIKE;
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
  beginDraft();
  draft(base, edge, policy, slot);
  const way = drafted === 1 ? 0 : draftedEdge(base);
  return way === 0 ? edge : way;
}

/** What the draft has no room for is left. */
function draft(base: usize, edge: u32, policy: u32, slot: usize): void {
  let taken = base + (edge as usize);
  while (taken !== 0 && drafted < MOST_SEGMENTS) {
    draftEdge(taken);
    taken = draftNext >= <u32>NEXT_STEP ? commonStep(base, base + (draftNext as usize), policy, slot) : 0;
  }
}

/** A way through several walks begins, for plain packets like the one in `slot`. */
export function beginWay(slot: usize): void {
  pushes = load<u32>(slot, FIELD_PROTOCOL * 4) === PROTOCOL_TCP;
  whole = pushes ? TCP_HEADER_SIZE : UDP_HEADER_SIZE;
  alike = ALIKE;
  beginDraft();
}

/** It goes on through walk `walk`, which the packet in `slot` meets as it is there. False: not all that are alike need go on as this one, or to ACCEPT; or the way gets too long. */
export function extendWay(walk: u32, slot: usize): bool {
  const base = code;
  const at = base + ((walk as usize) << 3);
  const edge = commonDescent(base, load<u32>(at), slot);
  if (edge === 0 || drafted === MOST_SEGMENTS) return false;
  draft(base, edge, load<u32>(at, 4), slot);
  return draftNext === NEXT_ACCEPT;
}

/** It ends: `edges` (edges.ts) keep it for those who have this check. `isWhole`: all go it; else they know that they need not. */
export function endWay(edges: usize, direction: u32, check: u64, isWhole: bool): void {
  store<u64>(edges + ((direction as usize) << 3), check, ENTRY_EDGE_CHECKS);
  store<u32>(edges + ((direction as usize) << 2), isWhole ? markedEdge(code, draftedEdge(code)) : 0, ENTRY_EDGES);
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
  if (opcode === TEST_SPECIAL) return (fieldsAsked(test) & ~alike) === 0;
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
