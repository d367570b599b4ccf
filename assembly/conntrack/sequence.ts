/** Sequence numbers of connections whose data helpers made longer or shorter (net/netfilter/nf_conntrack_seqadj.c). */
import { FIELD_L4_LENGTH, FIELD_LENGTH } from '../../src/abi/fields';
import { PACKET_IP, PACKET_L4_OFFSET } from '../../src/abi/packet';
import { halves, sum32, updateChecksum } from '../packet/rewrite.ts';
import { ENTRY_STATUS, STATUS_SHIFTED } from './entry';
import { ensureRecord, RECORD_SHIFTS, recordOf } from './help';
import { addStatus } from './status';
import { TCP_HEADER_SIZE } from './tcp-options';

/** Of each direction u32: the sequence number behind which it is shifted; by how much up to it, and behind it. */
const SHIFT_SIZE: usize = 12;
const SHIFT_BEFORE: usize = 4;
const SHIFT_AFTER: usize = 8;
const FLAG_ACK: u32 = 16;
const OPTION_NOTHING: u32 = 1;
const OPTION_SACK: u32 = 5;

/** The header in hand. */
let header: usize = 0;

/** Whether numbers of the entry's segments are shifted. */
export function isShifted(entry: usize): bool {
  return (load<u32>(entry, ENTRY_STATUS) & STATUS_SHIFTED) !== 0;
}

/** What a number of that direction is shifted by. */
export function shiftAt(entry: usize, direction: u32, sequence: u32): u32 {
  return shiftIn(shiftOf(entry, direction), sequence);
}

function shiftOf(entry: usize, direction: u32): usize {
  return recordOf(entry) + RECORD_SHIFTS + (direction as usize) * SHIFT_SIZE;
}

function shiftIn(shift: usize, sequence: u32): u32 {
  const behind = ((sequence - load<u32>(shift)) as i32) > 0;
  return load<u32>(shift + (behind ? SHIFT_AFTER : SHIFT_BEFORE));
}

/** The segment of that direction at `sequence` became `by` bytes longer. One place is remembered; a segment sent again does not count again. */
export function shiftFrom(entry: usize, direction: u32, sequence: u32, by: i32): void {
  ensureRecord(entry);
  const shift = shiftOf(entry, direction);
  addStatus(entry, STATUS_SHIFTED);
  const last = load<u32>(shift, SHIFT_AFTER);
  if (load<u32>(shift, SHIFT_BEFORE) !== last && ((sequence - load<u32>(shift)) as i32) <= 0) return;
  store<u32>(shift, sequence);
  store<u32>(shift, last, SHIFT_BEFORE);
  store<u32>(shift, last + (by as u32), SHIFT_AFTER);
}

/** A packet of the connection leaves. False: its options are not whole, and it is dropped. */
export function adjustSequence(slot: usize, entry: usize, direction: u32): bool {
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  // Only a capture can have cut it that short.
  if (present < TCP_HEADER_SIZE) return present < load<u32>(slot, FIELD_LENGTH * 4) - offset;
  header = (load<u32>(slot, PACKET_IP) + offset) as usize;
  const sequence = bswap(load<u32>(header, 4));
  put(header + 4, sequence + shiftIn(shiftOf(entry, direction), sequence));
  if (((load<u8>(header, 13) as u32) & FLAG_ACK) === 0) return true;
  const other = shiftOf(entry, 1 - direction);
  takeBack(header + 8, other);
  return adjustOptions(other, present);
}

/** A word of the header; the checksum follows. */
function put(at: usize, value: u32): void {
  updateChecksum(header + 16, sum32(at), halves(value), 2);
  store<u32>(at, bswap<u32>(value));
}

/** A number that says what arrived says it in the sender's own numbers. */
function takeBack(at: usize, shift: usize): void {
  const value = bswap(load<u32>(at));
  put(at, value - shiftIn(shift, value - load<u32>(shift, SHIFT_BEFORE)));
}

function adjustOptions(shift: usize, present: u32): bool {
  const end = header + (min(((load<u8>(header, 12) as u32) >>> 4) << 2, present) as usize);
  let at = header + (TCP_HEADER_SIZE as usize);
  while (at < end) {
    const kind = load<u8>(at) as u32;
    if (kind === 0) return true;
    if (kind === OPTION_NOTHING) {
      at++;
      continue;
    }
    if (at + 1 === end) return false;
    const length = load<u8>(at, 1) as u32;
    if (length < 2 || at + (length as usize) > end) return false;
    if (kind === OPTION_SACK && length >= 10 && ((length - 2) & 7) === 0) {
      for (let edge: u32 = 2; edge < length; edge += 4) takeBack(at + (edge as usize), shift);
    }
    at += length as usize;
  }
  return true;
}
