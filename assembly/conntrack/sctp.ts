/** The SCTP tracker (nf_conntrack_proto_sctp.c). */
import { SCTP_CLOSED, SCTP_ESTABLISHED, SCTP_NONE, TRACKING_SCTP } from '../../src/abi/conntrack';
import { FIELD_L4_LENGTH, STATUS_ASSURED } from '../../src/abi/fields';
import { PACKET_IP, PACKET_L4_OFFSET } from '../../src/abi/packet';
import {
  INVALID_CHECKSUM,
  INVALID_NONE,
  INVALID_SCTP_CHUNKS,
  INVALID_SCTP_NEW,
  INVALID_SCTP_STATE,
  INVALID_SCTP_TAG,
  INVALID_SHORT,
} from '../../src/abi/reasons';
import { crc32cHolds } from './crc32c';
import { ENTRY_SCTP_INIT, ENTRY_SCTP_STRANGE, ENTRY_SCTP_TAGS, ENTRY_TCP_STATE } from './entry';
import { parameter } from './parameters';
import { SCTP_INVALID, sctpTransition } from './sctp-matrix';
import { addStatus } from './status';
import { isConfirmed, refresh } from './timeout';

const HEADER_SIZE: usize = 12;
const CHUNK_SIZE: usize = 4;
/** A chunk header with the fixed part of INIT and INIT ACK behind it. */
const INIT_SIZE: usize = 20;

const CHUNK_DATA: u32 = 0;
const CHUNK_INIT: u32 = 1;
const CHUNK_INIT_ACK: u32 = 2;
const CHUNK_HEARTBEAT: u32 = 4;
const CHUNK_HEARTBEAT_ACK: u32 = 5;
const CHUNK_ABORT: u32 = 6;
const CHUNK_SHUTDOWN_ACK: u32 = 8;
const CHUNK_COOKIE_ECHO: u32 = 10;
const CHUNK_COOKIE_ACK: u32 = 11;
const CHUNK_SHUTDOWN_COMPLETE: u32 = 14;

/** Bits 1 << type: chunks that stand alone; that begin nothing; that have rules of their own for the verification tag. */
const ALONE: u32 = (1 << CHUNK_INIT) | (1 << CHUNK_INIT_ACK) | (1 << CHUNK_SHUTDOWN_COMPLETE);
const IN_FRONT: u32 = (1 << CHUNK_COOKIE_ECHO) | (1 << CHUNK_COOKIE_ACK);
const NEVER_FIRST: u32 = (1 << CHUNK_ABORT) | (1 << CHUNK_SHUTDOWN_COMPLETE) | (1 << CHUNK_COOKIE_ACK);
const OWN_RULES: u32 =
  (1 << CHUNK_INIT) |
  (1 << CHUNK_SHUTDOWN_COMPLETE) |
  (1 << CHUNK_COOKIE_ECHO) |
  (1 << CHUNK_ABORT) |
  (1 << CHUNK_SHUTDOWN_ACK) |
  (1 << CHUNK_HEARTBEAT) |
  (1 << CHUNK_HEARTBEAT_ACK);

/** The message in hand: its bytes, its tag as on the wire, bits of its chunk types (those above 30 as 31). */
let message: usize = 0;
let messageEnd: usize = 0;
let tag: u32 = 0;
let types: u32 = 0;
/** A chunk of it has no effect on the connection's time. */
let ignored: bool = false;

/** Checks the header and the order of chunks (sctp_error, do_basic_checks). Out: INVALID_NONE or why not; the message is in hand then. */
export function sctpCheck(slot: usize, verify: bool): u32 {
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  if ((present as usize) < HEADER_SIZE) return INVALID_SHORT;
  message = (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize;
  messageEnd = message + (present as usize);
  if (verify && !crc32cHolds(message, present)) return INVALID_CHECKSUM;
  tag = load<u32>(message, 4);
  types = 0;
  ignored = false;
  let at = message + HEADER_SIZE;
  for (; at + CHUNK_SIZE <= messageEnd; at = chunkAfter(at)) {
    const bit: u32 = 1 << min(load<u8>(at) as u32, 31);
    if (load<u16>(at, 2) === 0) return INVALID_SCTP_CHUNKS;
    if (types !== 0 && ((types | bit) & ALONE || bit & IN_FRONT)) return INVALID_SCTP_CHUNKS;
    types |= bit;
  }
  return types === 0 ? INVALID_SCTP_CHUNKS : INVALID_NONE;
}

/** Chunks stand at multiples of four bytes. */
function chunkAfter(chunk: usize): usize {
  return chunk + (((bswap(load<u16>(chunk, 2)) as usize) + 3) & ~3);
}

/** The tag that an INIT or INIT ACK announces. Valid only where the chunk is whole. */
function announced(chunk: usize): u32 {
  return load<u32>(chunk, CHUNK_SIZE);
}

function isWhole(chunk: usize): bool {
  return chunk + INIT_SIZE <= messageEnd;
}

function tagOf(entry: usize, direction: u32): u32 {
  return load<u32>(entry + ((direction as usize) << 2), ENTRY_SCTP_TAGS);
}

function setTag(entry: usize, direction: u32, value: u32): void {
  store<u32>(entry + ((direction as usize) << 2), value, ENTRY_SCTP_TAGS);
}

/** The message that sctpCheck took in hand. Out: INVALID_NONE, or INVALID_*; what chunks before the bad one did stays done. */
export function sctpPacket(entry: usize, direction: u32, now: i64): u32 {
  if (!isConfirmed(entry)) {
    if (types & NEVER_FIRST || !begin(entry)) return INVALID_SCTP_NEW;
  }
  if (!(types & OWN_RULES) && tag !== tagOf(entry, direction)) return INVALID_SCTP_TAG;
  let state: u32 = SCTP_NONE;
  for (let chunk = message + HEADER_SIZE; chunk + CHUNK_SIZE <= messageEnd; chunk = chunkAfter(chunk)) {
    const type = load<u8>(chunk) as u32;
    const wasIgnored = ignored;
    if (!tagFits(entry, direction, type, load<u8>(chunk, 1) as u32)) return INVALID_SCTP_TAG;
    if (ignored !== wasIgnored) continue;
    const before = load<u8>(entry, ENTRY_TCP_STATE) as u32;
    state = sctpTransition(direction, type, before);
    if (state === SCTP_INVALID) return INVALID_SCTP_STATE;
    const reason =
      type === CHUNK_INIT || type === CHUNK_INIT_ACK ? takeTag(entry, direction, chunk, type, before, state) : <u32>INVALID_NONE;
    if (reason !== INVALID_NONE) return reason;
    store<u8>(entry, state, ENTRY_TCP_STATE);
    if (state === SCTP_ESTABLISHED && before !== state) addStatus(entry, STATUS_ASSURED);
  }
  if (!ignored) refresh(entry, parameter(TRACKING_SCTP + (state << 2)), now);
  return INVALID_NONE;
}

/** sctp_new: the tags an association begins with. False when these chunks begin none. */
function begin(entry: usize): bool {
  for (let chunk = message + HEADER_SIZE; chunk + CHUNK_SIZE <= messageEnd; chunk = chunkAfter(chunk)) {
    const type = load<u8>(chunk) as u32;
    if (sctpTransition(0, type, SCTP_NONE) === SCTP_NONE) return false;
    if (type === CHUNK_INIT) {
      if (tag !== 0 || !isWhole(chunk)) return false;
      setTag(entry, 1, announced(chunk));
    } else if (type === CHUNK_HEARTBEAT) setTag(entry, 0, tag);
    else if (type === CHUNK_SHUTDOWN_ACK) setTag(entry, 1, tag);
  }
  return true;
}

/** Whether the packet's tag is right for this chunk; a HEARTBEAT that is let through without effect sets `ignored`. */
function tagFits(entry: usize, direction: u32, type: u32, flags: u32): bool {
  const own = tagOf(entry, direction);
  switch (type) {
    case CHUNK_INIT:
      return tag === 0;
    case CHUNK_ABORT:
    case CHUNK_SHUTDOWN_COMPLETE:
      return tag === ((flags & 1) !== 0 ? tagOf(entry, 1 - direction) : own);
    case CHUNK_COOKIE_ECHO:
      return tag === own;
    case CHUNK_COOKIE_ACK:
      store<u16>(entry, 0, ENTRY_SCTP_INIT);
      return true;
    case CHUNK_HEARTBEAT:
    case CHUNK_HEARTBEAT_ACK:
      if (own === 0) {
        setTag(entry, direction, tag);
        return true;
      }
      if (own === tag) {
        store<u8>(entry, 0, ENTRY_SCTP_STRANGE);
        return true;
      }
      return !ignored && !(types & (1 << CHUNK_DATA)) && strangeHeartbeat(entry, direction, type);
    default:
      return true;
  }
}

/** Path probing with another tag: the question is remembered, the answer from the other side brings its tag. */
function strangeHeartbeat(entry: usize, direction: u32, type: u32): bool {
  if (type === CHUNK_HEARTBEAT) {
    store<u8>(entry, 1 + direction, ENTRY_SCTP_STRANGE);
    ignored = true;
    return true;
  }
  if ((load<u8>(entry, ENTRY_SCTP_STRANGE) as u32) !== 2 - direction) return false;
  store<u8>(entry, 0, ENTRY_SCTP_STRANGE);
  setTag(entry, direction, tag);
  setTag(entry, 1 - direction, 0);
  return true;
}

/** INIT and INIT ACK say the tag that the other side has to use. */
function takeTag(entry: usize, direction: u32, chunk: usize, type: u32, before: u32, state: u32): u32 {
  if (!isWhole(chunk)) return INVALID_SCTP_CHUNKS;
  const other = 1 - direction;
  const value = announced(chunk);
  const known = tagOf(entry, other);
  const here = entry + ENTRY_SCTP_INIT + (direction as usize);
  const there = entry + ENTRY_SCTP_INIT + (other as usize);
  const both = load<u8>(here) !== 0 && load<u8>(there) !== 0;
  if (type === CHUNK_INIT) {
    if (before === SCTP_NONE || known !== value) {
      if (both) store<u8>(there, 0);
      store<u8>(here, 1);
    }
    // Sent again and again it does not keep a closed connection alive.
    if (state === SCTP_CLOSED && before === SCTP_CLOSED && isConfirmed(entry)) ignored = true;
  } else if (known !== value) {
    if (both || (load<u8>(there) === 0 && known !== 0)) return INVALID_SCTP_TAG;
  }
  setTag(entry, other, value);
  return INVALID_NONE;
}
