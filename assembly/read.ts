/** Records of captures into slots, a batch at a time. */
import { CAPTURE_DAMAGED, CAPTURE_END, CAPTURE_MORE, CAPTURE_RECORD } from '../src/abi/capture.ts';
import { CONTROL_PACKETS, CONTROL_TIME, CONTROL_WIRE, RUN_DAMAGED, RUN_END, RUN_MORE } from '../src/abi/control.ts';
import { PACKET_JIFFIES, PACKET_SIZE } from '../src/abi/packet.ts';
import { BATCH, batchAnswer, batchAscends, batchWire, captureBatch } from './capture/index.ts';
import { latestTime, order, startBatch } from './clock.ts';
import { startSets } from './sets/region.ts';
import { keepOwn } from './share.ts';
import { readShared, sharedRecords, sharedWire } from './share-read.ts';
import { addTo, tell } from './tally.ts';

/** With so many of them their way begins. */
const ENOUGH: u32 = 56;

/** So many packets, at the beginning, come in smaller batches: what the first ones of a service teach (services.ts) counts from the next batch on. */
const EARLY: u64 = 64;
const EARLY_BATCH: u32 = 8;

/** What the reader answered behind the last of them. */
let answer: i32 = CAPTURE_RECORD;
let number: u64 = 0;
/** Some of the slots may hold packets of others: readShared fills them with own ones only. */
export let mixed: bool = false;
/** Packets at most. */
let limit: u64 = u64.MAX_VALUE;

export function setLimit(packets: u64): void {
  limit = packets;
}

/** The reader was reset or fed: ask it again. */
export function startInput(): void {
  answer = CAPTURE_RECORD;
}

/** There may be records to read. */
export function canRead(): bool {
  return answer === CAPTURE_RECORD;
}

/** Why there are none: RUN_MORE, RUN_END or RUN_DAMAGED. */
export function whyEnded(): i32 {
  if (answer === CAPTURE_MORE) return RUN_MORE;
  if (answer === CAPTURE_END) return RUN_END;
  assert(answer === CAPTURE_DAMAGED);
  return RUN_DAMAGED;
}

/** Fills up to BATCH slots at `slots`, or, early, fewer. Out: behind the last one that was. */
export function readBatch(slots: usize): usize {
  const most = number < EARLY ? EARLY_BATCH : BATCH;
  const full = slotAt(slots, most);
  const enough = slotAt(slots, min(most, ENOUGH));
  mixed = false;
  startBatch();
  let end = slots;
  // Where others take their share, what is read does not fill the slots.
  do end = read(end, full);
  while (answer === CAPTURE_RECORD && end < enough);
  return end;
}

export function slotAt(slots: usize, index: u32): usize {
  return slots + (index as usize) * PACKET_SIZE;
}

/** Reads as many records as there are slots from `slot` to before `full`, or those of a share that fill them, and gives where those that are this engine's end. */
function read(slot: usize, full: usize): usize {
  if (number !== 0) {
    const end = readShared(slot, full, number, limit - number);
    if (sharedRecords !== 0) return readAhead(end);
  }
  const most = min<u64>(limit - number, ((full - slot) / PACKET_SIZE) as u64) as u32;
  const count = captureBatch(slot, most, number);
  answer = batchAnswer;
  if (count > 0) {
    const end = slotAt(slot, count);
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
