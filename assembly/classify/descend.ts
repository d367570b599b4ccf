/**
 * Down the tree: from a walk's root to the edge that the packet's static fields lead to. A plain packet of a connection (conntrack/plain.ts) mostly finds it in the entry, where one before it left it:
 * their fields are the same but for a few, and where the way down asks one of those, or what they share has changed since, it is gone anew.
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
  FIELD_OUT_INTERFACE,
  FIELD_PACKET_TYPE,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  FIELD_SPORT,
  FIELD_TCP_FLAGS,
} from '../../src/abi/fields.ts';
import { NODE_BINARY_SIZE, NODE_TABLE, NODE_TABLE_CHILDREN, NODE_TABLE_CLASSES, REF_EDGE } from '../../src/abi/program.ts';
import { ENTRY_EDGE_CHECKS, ENTRY_EDGES, STATUS_VISIBLE } from '../conntrack/entry.ts';

/** Fields in which plain packets of one direction of a connection are alike: its ends (the first bytes of a TCP header are ports, whatever they are called), what a plain packet is, and what `sharedFields` tells. */
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
/** The one flag that plain packets have or have not. */
const FLAG_PSH: u32 = 8;
/** What is remembered is never 0. */
const REMEMBERED: u64 = (1 as u64) << 63;

/** The edge as an offset from the code, which is at `base`. */
export function descend(base: usize, root: u32, slot: usize): u32 {
  let reference = root;
  while ((reference & REF_EDGE) === 0) reference = child(base + (reference as usize), slot);
  return reference ^ REF_EDGE;
}

/** The same for a plain packet of the connection `entry`. */
export function knownEdge(base: usize, root: u32, walk: u32, slot: usize, entry: usize): u32 {
  const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4) as usize;
  const shared = sharedFields(walk, slot);
  if (load<u64>(entry + (direction << 3), ENTRY_EDGE_CHECKS) !== shared) remember(base, root, slot, entry, direction, shared);
  const edge = load<u32>(entry + (direction << 2), ENTRY_EDGES);
  return edge !== 0 ? edge : descend(base, root, slot);
}

/** What plain packets of a direction share that is neither in the key of their connection nor for ever: the device (a packet has one at the hooks of a short plan), kind, status; and for which walk. */
function sharedFields(walk: u32, slot: usize): u64 {
  const device = load<u32>(slot, FIELD_IN_INTERFACE * 4) | load<u32>(slot, FIELD_OUT_INTERFACE * 4);
  const status = load<u32>(slot, FIELD_CT_STATUS * 4) & STATUS_VISIBLE;
  const upper = (walk << 16) | (load<u32>(slot, FIELD_PACKET_TYPE * 4) << 8) | status;
  return (device as u64) | ((upper as u64) << 32) | REMEMBERED;
}

/** Leaves the edge in the entry; 0 where it may be another one for the next packet. */
function remember(base: usize, root: u32, slot: usize, entry: usize, direction: usize, shared: u64): void {
  let reference = root;
  let asked: u32 = 0;
  while ((reference & REF_EDGE) === 0) {
    const node = base + (reference as usize);
    asked |= 1 << ((load<u32>(node) & ~NODE_TABLE) >>> 2);
    reference = child(node, slot);
  }
  let alike = (asked & ~(ALIKE | (1 << FIELD_TCP_FLAGS))) === 0;
  if (alike && (asked & (1 << FIELD_TCP_FLAGS)) !== 0) alike = otherPush(base, root, slot) === (reference ^ REF_EDGE);
  store<u32>(entry + (direction << 2), alike ? reference ^ REF_EDGE : 0, ENTRY_EDGES);
  store<u64>(entry + (direction << 3), shared, ENTRY_EDGE_CHECKS);
}

/** The edge if PSH were as it is not. */
function otherPush(base: usize, root: u32, slot: usize): u32 {
  const flags = load<u32>(slot, FIELD_TCP_FLAGS * 4);
  store<u32>(slot, flags ^ FLAG_PSH, FIELD_TCP_FLAGS * 4);
  const edge = descend(base, root, slot);
  store<u32>(slot, flags, FIELD_TCP_FLAGS * 4);
  return edge;
}

/** What the packet's value of the node's field leads to. */
function child(node: usize, slot: usize): u32 {
  const head = load<u32>(node);
  if ((head & NODE_TABLE) !== 0) {
    const kind = load<u8>(node + (load<u8>(slot + ((head ^ NODE_TABLE) as usize)) as usize), NODE_TABLE_CLASSES) as usize;
    return load<u32>(node + (kind << 2), NODE_TABLE_CHILDREN);
  }
  const above = (load<u32>(slot + (head as usize)) > load<u32>(node, 4)) as usize;
  return load<u32>(node + (above << 2), NODE_BINARY_SIZE - 8);
}
