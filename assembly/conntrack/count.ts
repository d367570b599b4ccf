/**
 * How many connections an address has (nf_conncount.c): each rule that asks has a list for every address (masked) and zone it met. Heads of lists stand in the table under a key of their own; what they count
 * are records with the original tuple of a connection, oldest first. A head stays when its list is empty.
 */
import { LISTED_AT_MOST, TCP_CLOSE, TCP_TIME_WAIT } from '../../src/abi/conntrack';
import { FIELD_FAMILY, STATUS_CONFIRMED } from '../../src/abi/fields';
import { PACKET_CT_ENTRY, PACKET_JIFFIES } from '../../src/abi/packet';
import { now as time } from '../clock';
import { entryFamily, entryProtocol, entryZone, entryZoneIn } from './accessors';
import { putKey } from './alias';
import {
  ENDPOINT_MASK,
  ENTRY_HASH,
  ENTRY_HIGH,
  ENTRY_LOW,
  ENTRY_SIZE,
  ENTRY_STATUS,
  ENTRY_SWAPPED,
  ENTRY_TCP_STATE,
  ENTRY_TIMEOUT,
  ENTRY_UPPER,
  PROTOCOL_TCP,
  STATUS_HEAD,
  UPPER_SIZE,
} from './entry';
import { keyOwnTuple } from './own-tuple';
import { hz } from './parameters';
import { hasPlace } from './places';
import { extraRecord, releaseRecord } from './pool';
import { EITHER_WAY, insertRecord, lookup } from './table';
import { TEMPLATE, templateZoneId, templateZoneIn } from './template';
import { keyCounted, keyHash, keyHigh, keyIs6, keyLow, keyRecord } from './tuple';
import { findBeside } from './zones';

/** Of a head, u32: how many it counts, and how many it had left when it was looked through last; the ends of its list. i64: the jiffies of that look; u64: its nanoseconds. */
const LIST_COUNT: usize = 36;
const LIST_LEFT: usize = 40;
const LIST_FIRST: usize = 44;
const LIST_LAST: usize = 48;
const LIST_LOOKED: usize = 56;
const LIST_TIME: usize = 64;
/** Of what is counted, whose key has the zone of the original direction. u32: the next younger. u16: the zone of the reply. */
const NODE_NEXT: usize = 44;
const NODE_REPLY_ZONE: usize = 48;
/** As many go with one look, or one more; and as many new ones come within a jiffy without another. */
const COLLECTED_AT_ONCE: u32 = 64;

/** The packet's connection, or what its own tuple finds: a record with the original tuple, and IPS_* (0: no connection). */
const SUBJECT: usize = memory.data(ENTRY_SIZE as i32, 16);
let subjectStatus: u32 = 0;
/** The packet's own entry: whatever its time, it stays. */
let held: usize = 0;
/** What the count in hand may be more, or less. */
let otherwise: u32 = 0;
/** What the latest count had been, had a jiffy begun, or not, between the packet and the look before: the count itself, where their times leave no doubt. */
export let countedOtherwise: u32 = 0;

/**
 * Counts the connection of the packet for the rule's list of `address` (four words), and all in that list. One with all IPS_* of `settled` is not looked for.
 * 0: the packet has no tuple, or nobody is left, or there is no memory: it is dropped. Sets countedOtherwise.
 */
export function countConnections(slot: usize, rule: u32, address: usize, settled: u32): u32 {
  otherwise = 0;
  const count = countNow(slot, rule, address, settled);
  countedOtherwise = count + otherwise;
  return count;
}

function countNow(slot: usize, rule: u32, address: usize, settled: u32): u32 {
  const now = load<i64>(slot, PACKET_JIFFIES);
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  held = entry === TEMPLATE ? 0 : entry;
  const zone = held !== 0 ? entryZone(held) : entry === TEMPLATE ? templateZoneId() : 0;
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  if (!takeSubject(slot, entry === TEMPLATE, now)) return 0;
  keyCounted(rule, address, six, zone);
  const head = lookup(keyLow, keyHigh, keyHash, keyIs6, EITHER_WAY);
  if (head === 0) return begin(now);
  const count = load<u32>(head, LIST_COUNT);
  const known = (subjectStatus & STATUS_CONFIRMED) !== 0;
  const again = load<i64>(head, LIST_LOOKED) === now;
  const near = isNear(head);
  if ((subjectStatus & settled) === settled) {
    if (count === 0) return 0;
    if (again) {
      if (near) otherwise = 0 - endedIn(head, now);
      return count;
    }
    collect(head, now);
    const left = load<u32>(head, LIST_COUNT);
    if (near) otherwise = count - left;
    return left;
  }
  const lately = again && count - load<u32>(head, LIST_LEFT) < COLLECTED_AT_ONCE;
  if (known || !lately) {
    if (isAmong(head, now)) return load<u32>(head, LIST_COUNT);
    if (near && !known && !again) otherwise = count - load<u32>(head, LIST_COUNT);
    looked(head, now);
  } else if (near) otherwise = 0 - endedIn(head, now);
  return append(head) ? load<u32>(head, LIST_COUNT) : 0;
}

/** Less than a jiffy since the last look, and the list is not too long to be looked through once more. */
function isNear(head: usize): bool {
  return time - load<u64>(head, LIST_TIME) < 1000000000 / (hz() as u64) && load<u32>(head, LIST_COUNT) <= <u32>LISTED_AT_MOST;
}

/** How many a look would take away. */
function endedIn(head: usize, now: i64): u32 {
  let ended: u32 = 0;
  let node: usize = load<u32>(head, LIST_FIRST);
  for (; node !== 0 && ended <= COLLECTED_AT_ONCE; node = load<u32>(node, NODE_NEXT)) {
    const found = connectionOf(node, now);
    if (found === 0 || isOver(found)) ended++;
  }
  return ended;
}

/** `template`: the packet has one, and its zones. */
function takeSubject(slot: usize, template: bool, now: i64): bool {
  memory.fill(SUBJECT, 0, ENTRY_SIZE);
  if (held !== 0) {
    copyKey(held, SUBJECT);
    store<u16>(SUBJECT, entryZoneIn(held, 1), NODE_REPLY_ZONE);
    subjectStatus = load<u32>(held, ENTRY_STATUS);
    return true;
  }
  if (!keyOwnTuple(slot, template ? templateZoneIn(0) : 0)) return false;
  putKey(SUBJECT, 0);
  const replyZone = template ? templateZoneIn(1) : 0;
  store<u16>(SUBJECT, replyZone, NODE_REPLY_ZONE);
  const found = findBeside(replyZone, now);
  subjectStatus = found === 0 ? 0 : load<u32>(found, ENTRY_STATUS);
  return true;
}

function copyKey(from: usize, to: usize): void {
  store<u64>(to, load<u64>(from, ENTRY_LOW), ENTRY_LOW);
  store<u64>(to, load<u64>(from, ENTRY_HIGH), ENTRY_HIGH);
  store<u32>(to, load<u32>(from, ENTRY_HASH), ENTRY_HASH);
  store<u8>(to, load<u8>(from, ENTRY_SWAPPED), ENTRY_SWAPPED);
  if (entryFamily(from) === 6) memory.copy(to + ENTRY_UPPER, from + ENTRY_UPPER, UPPER_SIZE);
}

/** Whether a node has the subject's tuple, and `zone` is the subject's of the original direction. */
function isSubject(node: usize, zone: u32): bool {
  return (
    zone === entryZoneIn(SUBJECT, 0) &&
    load<u64>(node, ENTRY_LOW) === load<u64>(SUBJECT, ENTRY_LOW) &&
    (load<u64>(node, ENTRY_HIGH) & ENDPOINT_MASK) === (load<u64>(SUBJECT, ENTRY_HIGH) & ENDPOINT_MASK) &&
    load<u8>(node, ENTRY_SWAPPED) === load<u8>(SUBJECT, ENTRY_SWAPPED) &&
    memory.compare(node + ENTRY_UPPER, SUBJECT + ENTRY_UPPER, UPPER_SIZE) === 0
  );
}

/** A list for the key in hand. */
function begin(now: i64): u32 {
  const head = hasPlace() ? extraRecord() : 0;
  if (head === 0) return 0;
  putKey(head, 0);
  store<u32>(head, STATUS_HEAD, ENTRY_STATUS);
  store<i64>(head, now, LIST_LOOKED);
  store<u64>(head, time, LIST_TIME);
  insertRecord(head);
  return append(head) ? 1 : 0;
}

function append(head: usize): bool {
  // A chain that is met twice counts its packet twice within a jiffy.
  const node = extraRecord();
  if (node === 0) return false;
  copyKey(SUBJECT, node);
  store<u16>(node, load<u16>(SUBJECT, NODE_REPLY_ZONE), NODE_REPLY_ZONE);
  const last: usize = load<u32>(head, LIST_LAST);
  if (last !== 0) store<u32>(last, node as u32, NODE_NEXT);
  else store<u32>(head, node as u32, LIST_FIRST);
  store<u32>(head, node as u32, LIST_LAST);
  store<u32>(head, load<u32>(head, LIST_COUNT) + 1, LIST_COUNT);
  return true;
}

function looked(head: usize, now: i64): void {
  store<i64>(head, now, LIST_LOOKED);
  store<u64>(head, time, LIST_TIME);
  store<u32>(head, load<u32>(head, LIST_COUNT), LIST_LEFT);
}

/** Looks for the subject, and takes away on the way what is no more, and what is over. */
function isAmong(head: usize, now: i64): bool {
  let before: usize = 0;
  let node: usize = load<u32>(head, LIST_FIRST);
  for (let collected: u32 = 0; node !== 0 && collected <= COLLECTED_AT_ONCE; ) {
    const next: usize = load<u32>(node, NODE_NEXT);
    const found = connectionOf(node, now);
    // Not the node's zone: what it finds may be another's reply.
    if (found !== 0 && isSubject(node, entryZoneIn(found, 0))) return true;
    if (found === 0 || isOver(found)) {
      drop(head, before, node, next);
      collected++;
    } else before = node;
    node = next;
  }
  return false;
}

/** Takes away what is no more, and what is over. */
function collect(head: usize, now: i64): void {
  let before: usize = 0;
  let collected: u32 = 0;
  let node: usize = load<u32>(head, LIST_FIRST);
  while (node !== 0) {
    const next: usize = load<u32>(node, NODE_NEXT);
    const found = connectionOf(node, now);
    if (found === 0 || isOver(found)) {
      drop(head, before, node, next);
      collected++;
    } else if (collected > COLLECTED_AT_ONCE) {
      break;
    } else before = node;
    node = next;
  }
  looked(head, now);
}

function connectionOf(node: usize, now: i64): usize {
  keyRecord(node);
  // The packet's own connection may have no time at all: nobody gives its entry back now.
  if (held !== 0 && load<i64>(held, ENTRY_TIMEOUT) <= now && isSubject(node, entryZoneIn(node, 0))) return 0;
  return findBeside(load<u16>(node, NODE_REPLY_ZONE), now);
}

function isOver(entry: usize): bool {
  if (entryProtocol(entry) !== PROTOCOL_TCP) return false;
  const state: u32 = load<u8>(entry, ENTRY_TCP_STATE);
  return state === TCP_TIME_WAIT || state === TCP_CLOSE;
}

function drop(head: usize, before: usize, node: usize, next: usize): void {
  if (before !== 0) store<u32>(before, next as u32, NODE_NEXT);
  else store<u32>(head, next as u32, LIST_FIRST);
  if (next === 0) store<u32>(head, before as u32, LIST_LAST);
  store<u32>(head, load<u32>(head, LIST_COUNT) - 1, LIST_COUNT);
  releaseRecord(node);
}
