/** The batch loop: records are decoded into slots, a batch at a time; then each goes its way in order. */
import { CAPTURE_DAMAGED, CAPTURE_END, CAPTURE_MORE, CAPTURE_RECORD } from '../src/abi/capture.ts';
import {
  CONTROL_PACKETS,
  CONTROL_TIME,
  CONTROL_WIRE,
  RUN_AGAIN,
  RUN_DAMAGED,
  RUN_DRAIN,
  RUN_END,
  RUN_MORE,
} from '../src/abi/control.ts';
import { PACKET_JIFFIES, PACKET_SIZE } from '../src/abi/packet.ts';
import { markBare } from './bare.ts';
import { BATCH, batchAnswer, batchAscends, batchWire, captureBatch } from './capture/index.ts';
import { latestTime, order, startBatch } from './clock.ts';
import { deferFragment } from './hooks.ts';
import { judgeSlots } from './judge.ts';
import { keysAhead, lookAhead } from './look-ahead.ts';
import { nextOthers, othersEnd } from './marks.ts';
import { decodeIp, decodeLink, decodePlain } from './packet/index.ts';
import { startSets } from './sets/region.ts';
import { keepOwn, shareSlots } from './share.ts';
import { readShared, sharedRecords, sharedWire } from './share-read.ts';
import { routePacket, routePlain } from './stack/index.ts';
import { addTo, tell } from './tally.ts';

/** With so many of them their way begins. */
const ENOUGH: u32 = 56;
/** Batches a call of `run` does at most: the engine's code gets better between calls only. */
const BATCHES: u32 = 32;

/** BATCH slots. */
let slots: usize = 0;
/** Packets in the slots, and how many of them are done. */
let filled: u32 = 0;
let done: u32 = 0;
/** What the reader answered behind the last of them. */
let answer: i32 = CAPTURE_RECORD;
let number: u64 = 0;
/** Some of the slots may hold packets of others: readShared fills them with own ones only. */
let mixed: bool = false;
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
    done = ((judgeSlots(slotAt(done), slotAt(filled)) - slots) / PACKET_SIZE) as u32;
    if (done < filled) return RUN_DRAIN;
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
  done = 0;
  mixed = false;
  startBatch();
  let end = slots;
  // Where others take their share, what is read does not fill the slots.
  do end = read(end);
  while (answer === CAPTURE_RECORD && end < slotAt(ENOUGH));
  filled = ((end - slots) / PACKET_SIZE) as u32;
  if (!markBare(slots, end)) decodeSlots(slots, end);
  else for (let other = nextOthers(); other !== 0; other = nextOthers()) decodeSlots(other, othersEnd);
  if (mixed) shareSlots(slots, end);
}

/** Reads as many records as there are slots from `slot` on, or those of a share that fill them, and gives where those that are this engine's end. */
function read(slot: usize): usize {
  if (number !== 0) {
    const end = readShared(slot, slotAt(BATCH), number, limit - number);
    if (sharedRecords !== 0) return readAhead(end);
  }
  const room = slotAt(BATCH) - slot;
  const most = min<u64>(limit - number, (room / PACKET_SIZE) as u64) as u32;
  const count = captureBatch(slot, most, number);
  answer = batchAnswer;
  if (count > 0) {
    const end = slot + (count as usize) * PACKET_SIZE;
    if (number === 0) startSets(load<u64>(slot, PACKET_JIFFIES));
    addTo(CONTROL_PACKETS, count);
    number += count;
    mixed = true;
    addTo(CONTROL_WIRE, batchWire);
    order(slot, end, batchAscends);
    tell(CONTROL_TIME, latestTime());
    slot = keepOwn(slot, end);
  }
  if (number === limit) answer = CAPTURE_END;
  return slot;
}

/** What readShared read is counted; `end` comes back. */
function readAhead(end: usize): usize {
  number += sharedRecords;
  addTo(CONTROL_PACKETS, sharedRecords);
  addTo(CONTROL_WIRE, sharedWire);
  tell(CONTROL_TIME, latestTime());
  answer = number === limit ? CAPTURE_END : CAPTURE_RECORD;
  return end;
}

/** Plain packets in runs, the others one by one. */
function decodeSlots(slot: usize, end: usize): void {
  const start = slot;
  while (slot < end) {
    const stop = decodePlain(slot, end);
    routePlain(slot, stop);
    slot = stop;
    if (slot === end) break;
    decodeLink(slot);
    decodeIp(slot);
    routePacket(slot);
    deferFragment(slot);
    slot += PACKET_SIZE;
  }
  keysAhead(start, end);
}
