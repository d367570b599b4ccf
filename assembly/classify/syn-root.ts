/**
 * Where the walks of SYNs that open connections begin: the first nodes of a tree mostly ask what all of them have in common, and the next ones what all have in common that go to one service by one device. What those nodes lead to is kept,
 * for every walk and for the services that were asked for lately. Floods to ever other ports take little from it and cost it little: only every few of those that are not known are made known.
 */
import {
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_CT_STATUS,
  FIELD_DPORT,
  FIELD_FAMILY,
  FIELD_FRAGMENT,
  FIELD_HEADER_ERROR,
  FIELD_IN_INTERFACE,
  FIELD_L4_LENGTH,
  FIELD_OUT_INTERFACE,
  FIELD_PROTOCOL,
  FIELD_TCP_FLAGS,
} from '../../src/abi/fields.ts';
import { WALKS } from '../../src/abi/image.ts';
import { NODE_TABLE, REF_EDGE } from '../../src/abi/program.ts';
import { PROTOCOL_TCP } from '../conntrack/entry.ts';
import { FLAG_SYN } from '../conntrack/syn';
import { TCP_HEADER_SIZE } from '../conntrack/tcp-options.ts';
import { child } from './descend.ts';
import { code } from './program.ts';

/** Fields in which whole SYNs that open a connection are alike. */
const COMMON: u32 =
  (1 << FIELD_CT_STATE) |
  (1 << FIELD_CT_DIRECTION) |
  (1 << FIELD_CT_STATUS) |
  (1 << FIELD_PROTOCOL) |
  (1 << FIELD_FRAGMENT) |
  (1 << FIELD_TCP_FLAGS) |
  (1 << FIELD_HEADER_ERROR) |
  (1 << FIELD_FAMILY);
/** And those to one service by one device. */
const OF_SERVICE: u32 = COMMON | (1 << FIELD_DPORT) | (1 << FIELD_IN_INTERFACE) | (1 << FIELD_OUT_INTERFACE);
/** A reference each of the walks of IPv4, the first half of all; 0: not known yet. */
const ROOTS: usize = memory.data((WALKS / 2) << 2, 16);
/** Places of services: u64 what it is for (port | walk << 16 | IS_PLACE, devices above), 0: nothing yet; u32 the reference. */
const PLACE_SIZE: usize = 16;
const PLACE_BITS: u32 = 8;
const PLACES: usize = memory.data(16 << 8, 16);
const IS_PLACE: u32 = (1 as u32) << 31;
const HASH_FACTOR: u64 = ((0x9e3779b9 as u64) << 32) | 0x7f4a7c15;
/** One of so many that are not known gets a place. */
const MISSES: u32 = 8;
let missed: u32 = 0;

/** Nearly all that open a connection: a SYN, of IPv4 and no fragment as everything that was looked up ahead, whose header is whole. */
export function isWholeSyn(slot: usize): bool {
  const syn = load<u32>(slot, FIELD_TCP_FLAGS * 4) === FLAG_SYN && load<u32>(slot, FIELD_PROTOCOL * 4) === PROTOCOL_TCP;
  return syn && load<u32>(slot, FIELD_L4_LENGTH * 4) >= TCP_HEADER_SIZE;
}

/** The reference, a node's or an edge's, at which such a SYN may begin the walk that has the root `root`. */
export function synRoot(walk: u32, root: u32, slot: usize): u32 {
  // Before the routing decision and behind it there is one device only; with two, the walk has no place.
  const arrives = load<u32>(slot, FIELD_IN_INTERFACE * 4);
  const leaves = load<u32>(slot, FIELD_OUT_INTERFACE * 4);
  if (arrives !== 0 && leaves !== 0) return commonRoot(walk, root, slot);
  const service = load<u32>(slot, FIELD_DPORT * 4) | (walk << 16) | (leaves === 0 ? 0 : 1 << 24) | IS_PLACE;
  const wanted = (service as u64) | (((arrives | leaves) as u64) << 32);
  const place = PLACES + (((wanted * HASH_FACTOR) >>> (64 - PLACE_BITS)) as usize) * PLACE_SIZE;
  if (load<u64>(place) === wanted) return load<u32>(place, 8);
  const common = commonRoot(walk, root, slot);
  missed++;
  if (missed % MISSES !== 0) return common;
  const reference = behind(common, OF_SERVICE, slot);
  store<u64>(place, wanted);
  store<u32>(place, reference, 8);
  return reference;
}

function commonRoot(walk: u32, root: u32, slot: usize): u32 {
  const kept = ROOTS + ((walk << 2) as usize);
  const known = load<u32>(kept);
  if (known !== 0) return known;
  const reference = behind(root, COMMON, slot);
  store<u32>(kept, reference);
  return reference;
}

/** Down the tree as far as nodes ask only these fields. */
function behind(root: u32, fields: u32, slot: usize): u32 {
  let reference = root;
  while ((reference & REF_EDGE) === 0 && asksOnly(code + (reference as usize), fields))
    reference = child(code + (reference as usize), slot);
  return reference;
}

function asksOnly(node: usize, fields: u32): bool {
  const head = load<u32>(node);
  // Their headers are whole.
  if (head === FIELD_L4_LENGTH * 4) return load<u32>(node, 4) < TCP_HEADER_SIZE;
  return ((fields >>> ((head & ~NODE_TABLE) >>> 2)) & 1) !== 0;
}
