/** The output ring: one record a packet with its path, only when asked for. Layout: src/abi/records.ts. */
import {
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_FAMILY,
  FIELD_LENGTH,
  FIELD_OUT_INTERFACE,
  FIELD_TTL,
} from '../src/abi/fields.ts';
import {
  PACKET_CT_ENTRY,
  PACKET_INVALID,
  PACKET_IP,
  PACKET_IP_CAPTURED,
  PACKET_NUMBER,
  PACKET_STACK,
  PACKET_TIME,
  PACKET_UNSEEN,
  PACKET_WAY,
  WAY_FORWARD,
} from '../src/abi/packet.ts';
import { NEXT_HOTDROP, NEXT_LOST } from '../src/abi/program.ts';
import {
  RECORD_BYTES,
  RECORD_DRAWN_SHIFT,
  RECORD_FLAG_CUT,
  RECORD_FLAG_SILENT,
  RECORD_FLAGS,
  RECORD_HOOK,
  RECORD_INVALID,
  RECORD_NO_STATE,
  RECORD_NUMBER,
  RECORD_REWRITTEN,
  RECORD_SEGMENTS,
  RECORD_SIZE,
  RECORD_STACK,
  RECORD_STATE,
  RECORD_TIME,
  RECORD_UNSEEN,
  RECORD_VERDICT,
  RECORD_WAY,
} from '../src/abi/records.ts';
import { endPath, pathWasCut, startPath } from './classify/program.ts';
import { entryDrawn } from './conntrack/index';
import { sum16, updateChecksum } from './packet/rewrite.ts';
import { nft } from './stack/host.ts';

let ring: usize = 0;
let ringEnd: usize = 0;
let at: usize = 0;
/** Packets are told as rules left them. */
let tellsBytes: bool = false;

export function setRecordBytes(wanted: bool): void {
  tellsBytes = wanted;
}

/** A size of 0: no records. */
export function setRing(start: usize, size: u32): void {
  ring = start;
  ringEnd = start + (size as usize);
  at = start;
  startPath(0, 0);
}

export function recording(): bool {
  return ringEnd !== ring;
}

/** Less than a quarter of the ring is left: the host takes the records before the next packet. */
export function ringIsFull(): bool {
  return recording() && at !== ring && ringEnd - at < (ringEnd - ring) >> 2;
}

/** Bytes of records, from the start of the ring; they are gone afterwards. */
export function drainRing(): u32 {
  const bytes = (at - ring) as u32;
  at = ring;
  return bytes;
}

export function openRecord(): void {
  startPath(at + RECORD_SIZE, ringEnd);
}

/** `next`: NEXT_* that made it. */
export function closeRecord(slot: usize, verdict: u32, hook: u32, looked: bool, next: u32): void {
  const end = endPath();
  store<u64>(at, load<u64>(slot, PACKET_NUMBER), RECORD_NUMBER);
  store<u64>(at, load<u64>(slot, PACKET_TIME), RECORD_TIME);
  store<u32>(at, load<u32>(slot, PACKET_WAY), RECORD_WAY);
  store<u32>(at, verdict, RECORD_VERDICT);
  store<u32>(at, load<u32>(slot, PACKET_UNSEEN), RECORD_UNSEEN);
  store<u32>(at, load<u32>(slot, PACKET_STACK), RECORD_STACK);
  store<u32>(at, load<u32>(slot, PACKET_INVALID), RECORD_INVALID);
  store<u32>(at, looked ? load<u32>(slot, FIELD_CT_STATE * 4) : RECORD_NO_STATE, RECORD_STATE);
  store<u32>(at, load<u32>(slot, PACKET_UNSEEN) !== 0 ? 0 : load<u32>(slot, FIELD_LENGTH * 4), RECORD_BYTES);
  store<u32>(at, ((end - at - RECORD_SIZE) >> 2) as u32, RECORD_SEGMENTS);
  store<u32>(
    at,
    (isSilent(next) ? RECORD_FLAG_SILENT : 0) | (pathWasCut() ? RECORD_FLAG_CUT : 0) | (drawnEnds(slot) << RECORD_DRAWN_SHIFT),
    RECORD_FLAGS,
  );
  store<u32>(at, hook, RECORD_HOOK);
  const size = tellsBytes ? packetSize(slot, end) : 0;
  store<u32>(at, size, RECORD_REWRITTEN);
  if (size !== 0) {
    memory.copy(end, load<u32>(slot, PACKET_IP), size);
    giveHopBack(slot, end);
  }
  at = (end + size + 7) & ~7;
}

/** What forwarding takes is not told. Where a target looked at the bytes they have it taken already (classify/rewrite.ts). */
function giveHopBack(slot: usize, bytes: usize): void {
  // Forwarded already: it has its out-interface back.
  if (load<u32>(slot, PACKET_WAY) !== WAY_FORWARD || load<u32>(slot, FIELD_OUT_INTERFACE * 4) === 0) return;
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const at = bytes + (six ? 7 : 8);
  const ttl = load<u8>(at);
  if (ttl !== (load<u32>(slot, FIELD_TTL * 4) as u8)) return;
  const before = sum16(bytes + 8);
  store<u8>(at, ttl + 1);
  if (!six) updateChecksum(bytes + 10, before, sum16(bytes + 8), 1);
}

/** NAT_DRAWN_*. */
function drawnEnds(slot: usize): u32 {
  const entry: usize = load<u32>(slot, PACKET_UNSEEN) !== 0 ? 0 : load<u32>(slot, PACKET_CT_ENTRY);
  return entry === 0 || load<u32>(slot, FIELD_CT_DIRECTION * 4) !== 0 ? 0 : entryDrawn(entry);
}

/** Bytes of a packet that entered netfilter, as far as the ring has room for them behind `end`. */
function packetSize(slot: usize, end: usize): u32 {
  if (load<u32>(slot, PACKET_UNSEEN) !== 0) return 0;
  const size = min<u32>(load<u32>(slot, FIELD_LENGTH * 4), load<u32>(slot, PACKET_IP_CAPTURED));
  return end + size <= ringEnd ? size : 0;
}

/** No rule stands for the drop: ip_tables is silent about matches that drop, and nobody speaks of what conntrack drops. */
function isSilent(next: u32): bool {
  return next === NEXT_LOST || (next === NEXT_HOTDROP && !nft);
}
