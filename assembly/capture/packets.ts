/** The packet blocks of pcapng: enhanced, simple, and the old one that nobody should write any more. */
import {
  CAPTURE_INTERFACES,
  CAPTURE_RECORD,
  DAMAGE_BLOCK_LENGTH,
  DAMAGE_CAPTURED_LENGTH,
  DAMAGE_INTERFACE,
  DIRECTION_UNKNOWN,
  INTERFACE_LOOPBACK,
  INTERFACE_SNAPLEN,
} from '../../src/abi/capture.ts';
import { interfaceAt, interfaceFcs, putRecord, putTime } from './interface.ts';
import { findOption } from './options.ts';
import { putUnits } from './resolution.ts';
import { cursor, damage, half, state, word } from './state.ts';

const OPTION_FLAGS: u32 = 2;
const FLAGS_DIRECTION: u32 = 3;
const HEADER: u32 = 28;

/** `total` bytes of the block are there; so for all three. */
export function enhancedPacket(slot: usize, total: u32): i32 {
  if (total < HEADER + 4) return damage(DAMAGE_BLOCK_LENGTH);
  return stampedPacket(slot, total, word(cursor + 8));
}

/** Like the enhanced one, but half of the interface number counts drops. */
export function oldPacket(slot: usize, total: u32): i32 {
  if (total < HEADER + 4) return damage(DAMAGE_BLOCK_LENGTH);
  return stampedPacket(slot, total, half(cursor + 8));
}

function stampedPacket(slot: usize, total: u32, index: u32): i32 {
  const at = cursor;
  if (index >= load<u32>(state, CAPTURE_INTERFACES)) return damage(DAMAGE_INTERFACE);
  const captured = word(at + 20);
  if (captured > total - HEADER - 4) return damage(DAMAGE_CAPTURED_LENGTH);
  const entry = interfaceAt(index);
  let direction: u32 = DIRECTION_UNKNOWN;
  let fcs = interfaceFcs(entry);
  const options = HEADER + ((captured + 3) & ~3);
  if (options + 8 <= total - 4) {
    const flags = findOption(at + options, at + total - 4, OPTION_FLAGS, 4);
    if (flags !== 0) {
      const value = word(flags);
      const way = value & FLAGS_DIRECTION;
      // What is sent on lo is received there, too.
      if (way !== 3 && load<u32>(entry, INTERFACE_LOOPBACK) === 0) direction = way;
      if (((value >>> 5) & 15) !== 0) fcs = (value >>> 5) & 15;
    }
  }
  putUnits(slot, entry, word(at + 12), word(at + 16));
  putRecord(slot, entry, at + HEADER, captured, word(at + 24), direction, fcs);
  return CAPTURE_RECORD;
}

/** No time, no captured length: what the first interface's snaplen leaves of the packet. The time is the epoch, as libpcap has it. */
export function simplePacket(slot: usize, total: u32): i32 {
  if (total < 16) return damage(DAMAGE_BLOCK_LENGTH);
  if (load<u32>(state, CAPTURE_INTERFACES) === 0) return damage(DAMAGE_INTERFACE);
  const entry = interfaceAt(0);
  const wire = word(cursor + 8);
  const snaplen = load<u32>(entry, INTERFACE_SNAPLEN);
  const captured = snaplen !== 0 ? min<u32>(wire, snaplen) : wire;
  if (captured > total - 16) return damage(DAMAGE_CAPTURED_LENGTH);
  putTime(slot, 0, 0);
  putRecord(slot, entry, cursor + 12, captured, wire, DIRECTION_UNKNOWN, interfaceFcs(entry));
  return CAPTURE_RECORD;
}
