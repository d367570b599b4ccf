/** The batch loop: records are decoded into slots, a batch at a time; then each goes its way in order. */
import { CAPTURE_DAMAGED, CAPTURE_END, CAPTURE_MORE, CAPTURE_RECORD } from '../src/abi/capture.ts';
import {
  CONTROL_BYTES,
  CONTROL_INVALID,
  CONTROL_OUTCOMES,
  CONTROL_PACKETS,
  CONTROL_STACK,
  CONTROL_UNSEEN,
  CONTROL_WIRE,
  RUN_AGAIN,
  RUN_DAMAGED,
  RUN_DRAIN,
  RUN_END,
  RUN_MORE,
  STATE_NONE,
  VERDICT_ACCEPT,
  VERDICT_DROP,
  VERDICT_REJECT,
  VERDICT_STACK,
} from '../src/abi/control.ts';
import { FIELD_CT_STATE, FIELD_FAMILY, FIELD_LENGTH } from '../src/abi/fields.ts';
import {
  PACKET_INVALID,
  PACKET_NUMBER,
  PACKET_SIZE,
  PACKET_STACK,
  PACKET_UNSEEN,
  PACKET_WAY,
  PACKET_WIRE,
  WAY_PREROUTING,
  WAY_UNSEEN,
} from '../src/abi/packet.ts';
import { NEXT_ACCEPT, NEXT_HOTDROP, NEXT_REJECT } from '../src/abi/program.ts';
import { UNSEEN_FAMILY } from '../src/abi/reasons.ts';
import { RECORD_NO_VERDICT } from '../src/abi/records.ts';
import { batchAnswer, captureBatch } from './capture/index.ts';
import { conntrackLooked, hasFamily, hookOf, lookAhead, runHooks } from './hooks.ts';
import { decodeIp, decodeLink, decodePlain } from './packet/index.ts';
import { closeRecord, openRecord, recording, ringIsFull } from './records.ts';
import { routePacket, routePlain } from './stack/index.ts';
import { addTo, tally } from './tally.ts';

/** Packets decoded before the first of them goes its way. */
export const BATCH: u32 = 32;
/** Batches a call of `run` does at most: the engine's code gets better between calls only. */
const BATCHES: u32 = 64;

/** BATCH slots. */
let slots: usize = 0;
/** Packets in the slots, and how many of them are done. */
let filled: u32 = 0;
let done: u32 = 0;
/** What the reader answered behind the last of them. */
let answer: i32 = CAPTURE_RECORD;
let number: u64 = 0;
/** Packets at most. */
let limit: u64 = u64.MAX_VALUE;

export function setLimit(packets: u64): void {
  limit = packets;
}

export function setSlots(at: usize): void {
  slots = at;
  startInput();
}

/** The reader was reset or fed: ask it again. */
export function startInput(): void {
  answer = CAPTURE_RECORD;
}

/** RUN_*: what the host does next. */
export function replay(): i32 {
  for (let batch: u32 = 0; batch < BATCHES; batch++) {
    if (done === filled) {
      if (answer !== CAPTURE_RECORD) return ended();
      decode();
      lookAhead(slots, filled);
    }
    while (done < filled) {
      if (ringIsFull()) return RUN_DRAIN;
      judge(slotAt(done));
      done++;
    }
  }
  return RUN_AGAIN;
}

function slotAt(index: u32): usize {
  return slots + (index as usize) * PACKET_SIZE;
}

function ended(): i32 {
  if (answer === CAPTURE_MORE) return RUN_MORE;
  if (answer === CAPTURE_END) return RUN_END;
  assert(answer === CAPTURE_DAMAGED);
  return RUN_DAMAGED;
}

/** Everything that does not depend on packets before. */
function decode(): void {
  const most: u32 = limit - number < u64(BATCH) ? u32(limit - number) : BATCH;
  done = 0;
  filled = captureBatch(slots, most);
  answer = batchAnswer;
  const end = slotAt(filled);
  let wire: u64 = 0;
  for (let slot = slots; slot < end; slot += PACKET_SIZE) {
    number++;
    store<u64>(slot, number, PACKET_NUMBER);
    wire += load<u32>(slot, PACKET_WIRE) as u64;
  }
  decodeSlots(end);
  addTo(CONTROL_PACKETS, filled);
  addTo(CONTROL_WIRE, wire);
  if (filled === most && most < BATCH) answer = CAPTURE_END;
}

/** Plain packets in runs, the others one by one. */
function decodeSlots(end: usize): void {
  let slot = slots;
  while (slot < end) {
    const stop = decodePlain(slot, end);
    routePlain(slot, stop);
    slot = stop;
    if (slot === end) return;
    decodeLink(slot);
    decodeIp(slot);
    routePacket(slot);
    slot += PACKET_SIZE;
  }
}

/** Through the hooks, or unseen; and counts what became of it. */
function judge(slot: usize): void {
  const record = recording();
  if (record) openRecord();
  if (load<u32>(slot, PACKET_UNSEEN) === 0 && !hasFamily(load<u32>(slot, FIELD_FAMILY * 4) === 6)) {
    store<u32>(slot, UNSEEN_FAMILY, PACKET_UNSEEN);
    store<u32>(slot, WAY_UNSEEN, PACKET_WAY);
  }
  const unseen = load<u32>(slot, PACKET_UNSEEN);
  if (unseen !== 0) {
    tally(CONTROL_UNSEEN, unseen);
    if (record) closeRecord(slot, RECORD_NO_VERDICT, 0, false, false);
    return;
  }
  addTo(CONTROL_BYTES, load<u32>(slot, FIELD_LENGTH * 4) as u64);
  const hook = hookOf(slot);
  const next = runHooks(slot);
  const verdict = verdictOf(slot, next);
  let state: u32 = STATE_NONE;
  if (conntrackLooked()) {
    state = load<u32>(slot, FIELD_CT_STATE * 4);
    const reason = load<u32>(slot, PACKET_INVALID);
    if (reason !== 0) tally(CONTROL_INVALID, reason);
  }
  tally(CONTROL_OUTCOMES, (((hook << 2) | verdict) << 3) | state);
  if (record) closeRecord(slot, verdict, hook, conntrackLooked(), next === NEXT_HOTDROP);
}

/** A packet that the rules let go on to a dead end is the stack's. */
function verdictOf(slot: usize, next: u32): u32 {
  if (next === NEXT_ACCEPT) {
    if (load<u32>(slot, PACKET_WAY) !== <u32>WAY_PREROUTING) return VERDICT_ACCEPT;
    tally(CONTROL_STACK, load<u32>(slot, PACKET_STACK));
    return VERDICT_STACK;
  }
  return next === NEXT_REJECT ? VERDICT_REJECT : VERDICT_DROP;
}
