/** What the stack writes into the IPv4 options of a packet that comes in, in front of INPUT or FORWARD and of every error about it (__ip_options_compile), and whether an answer can bear options as well (__ip_options_echo). */
import {
  CIPSO,
  END,
  isListed,
  LISTED,
  LOOSE_ROUTE,
  NO_OPERATION,
  RECORD_ROUTE,
  ROUTER_ALERT,
  STRICT_ROUTE,
  TIMESTAMP,
} from './ip-options.ts';

/** Of a timestamp option, in the lower half of its fourth byte; LISTED is another. */
const TIMES_ONLY: u32 = 0;
const WITH_ADDRESSES: u32 = 1;
const CIPSO_LEAST: u32 = 8;
const WORD: u32 = 4;
const SOUND: u32 = 0xffffffff;

/** Of the options that were written into last: the place of the first fault, NO_FAULT: there is none. */
export const NO_FAULT: u32 = SOUND;
export let faultAt: u32 = NO_FAULT;
/** A bit for each byte that an address of this host, or a time, went to. */
export let drawnBytes: u64 = 0;
/** An error can be sent back: it has room for its own address and time behind those that are in, or need not write any; and no source route would lead it elsewhere. */
export let answerable: bool = true;

let routed: bool = false;
let recorded: bool = false;
let timed: bool = false;

/** Writes into `length` bytes at `at`, up to the first fault. */
export function writeIntoOptions(at: usize, length: u32): void {
  faultAt = NO_FAULT;
  drawnBytes = 0;
  answerable = true;
  routed = recorded = timed = false;
  let place: u32 = 0;
  while (place < length) {
    const option = at + place;
    const kind: u32 = load<u8>(option);
    if (kind === END) {
      memory.fill(option, 0, length - place);
      return;
    }
    if (kind === NO_OPERATION) {
      place++;
      continue;
    }
    const size: u32 = place + 1 < length ? load<u8>(option, 1) : 0;
    const fault: u32 = size < 2 || place + size > length ? 0 : lookAt(option, kind, size, place);
    if (fault !== SOUND) {
      faultAt = place + fault;
      return;
    }
    place += size;
  }
}

/** The byte of the option that is wrong; SOUND: none. */
function lookAt(option: usize, kind: u32, size: u32, place: u32): u32 {
  switch (kind) {
    case LOOSE_ROUTE:
    case STRICT_ROUTE:
      return sourceRoute(option, size);
    case RECORD_ROUTE:
      return recordRoute(option, size, place);
    case TIMESTAMP:
      return timestamp(option, size, place);
    case ROUTER_ALERT:
      return size < 4 ? 1 : SOUND;
    case CIPSO:
      // No domain of interpretation is known.
      return size < CIPSO_LEAST ? 1 : 2;
    default:
      return SOUND;
  }
}

function sourceRoute(option: usize, size: u32): u32 {
  if (size < 3) return 1;
  const pointer: u32 = load<u8>(option, 2);
  if (pointer < 4) return 2;
  if (routed) return 0;
  routed = true;
  // With a hop behind it, it would be sent back by way of that.
  if (min<u32>(pointer, size + 1) >= 4 + WORD) answerable = false;
  return SOUND;
}

function recordRoute(option: usize, size: u32, place: u32): u32 {
  if (recorded) return 0;
  if (size < 3) return 1;
  const pointer: u32 = load<u8>(option, 2);
  if (pointer < 4) return 2;
  recorded = true;
  if (pointer > size) return SOUND;
  if (pointer + WORD - 1 > size) return 2;
  fill(option, place, pointer, 0, WORD);
  leaveRoom(size, pointer + WORD, WORD);
  return SOUND;
}

function timestamp(option: usize, size: u32, place: u32): u32 {
  if (timed) return 0;
  if (size < 4) return 1;
  const pointer: u32 = load<u8>(option, 2);
  const byte: u32 = load<u8>(option, 3);
  const wanted = byte & 15;
  if (pointer < 5) return 2;
  timed = true;
  if (pointer > size) {
    if (wanted === LISTED) return SOUND;
    if (byte >>> 4 === 15) return 3;
    store<u8>(option, (byte + 16) as u8, 3);
    return SOUND;
  }
  const pair = wanted === WITH_ADDRESSES || wanted === LISTED;
  const slot: u32 = pair ? 2 * WORD : WORD;
  if (pointer + slot - 1 > size) return 2;
  if (wanted === TIMES_ONLY || wanted === WITH_ADDRESSES) {
    fill(option, place, pointer, 0, slot);
    leaveRoom(size, pointer + slot, slot);
  } else if (wanted === LISTED && isListed(option + pointer - 1)) {
    fill(option, place, pointer, WORD, slot);
    leaveRoom(size, pointer + slot, WORD);
  }
  return SOUND;
}

/** The slot at `pointer` (from 1) of an option is taken; its bytes `from` up to `size` are this host's. */
function fill(option: usize, place: u32, pointer: u32, from: u32, size: u32): void {
  const bytes = size - from;
  drawnBytes |= (((<u64>1) << (bytes as u64)) - 1) << ((place + pointer - 1 + from) as u64);
  store<u8>(option, (pointer + size) as u8, 2);
}

/** The answer's option, of the same size, has none left, or as much as it needs. */
function leaveRoom(size: u32, pointer: u32, needed: u32): void {
  if (pointer <= size && pointer + needed - 1 > size) answerable = false;
}
