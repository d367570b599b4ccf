/** The time in which packets are judged: the capture's, which never goes back, as no kernel's does. A packet that was captured earlier than one before it comes at that one's time. */
import { CONTROL_AHEAD, CONTROL_LATE, CONTROL_TIMELESS } from '../src/abi/control.ts';
import { PACKET_JIFFIES, PACKET_NUMBER, PACKET_SIZE, PACKET_TIME } from '../src/abi/packet.ts';
import { raise, tallyFirst, tell } from './tally.ts';

/** Nanoseconds since the epoch at the packet under way. */
export let now: u64 = 0;

/** Of the packets decoded so far: the latest time, its jiffies, and the packet that has it. */
let latest: u64 = 0;
let latestJiffies: u64 = 0;
let latestNumber: u64 = 0;
/** How late a packet came at most. */
let most: u64 = 0;

/** Of the latest batch no packet is earlier than one before it. */
export let ascended: bool = false;

/** A batch is read from here on. */
export function startBatch(): void {
  ascended = true;
}

/** Of a batch that another engine read. */
export function setAscended(value: bool): void {
  ascended = value;
}

/** Packets are read, in the slots from `slot` up to `end`: their jiffies are the clock's. PACKET_TIME stays what the capture says. `ascends`: none of them is earlier than the one before. */
export function order(slot: usize, end: usize, ascends: bool): void {
  const first = load<u64>(slot, PACKET_TIME);
  if (ascends && first !== 0 && first >= latest) slot = passSlots(end);
  else ascended = false;
  for (; slot < end; slot += PACKET_SIZE) {
    slot = inOrder(slot, end);
    if (slot === end) return;
    const time = load<u64>(slot, PACKET_TIME);
    if (time === 0) tallyFirst(CONTROL_TIMELESS, load<u64>(slot, PACKET_NUMBER));
    if (time < latest && load<u64>(slot, PACKET_JIFFIES) !== latestJiffies) late(slot, latest - time);
    store<u64>(slot, latestJiffies, PACKET_JIFFIES);
  }
}

/** Packets are read, none of them earlier than the one before or without a time: of the last one what `order` keeps. */
export function passed(time: u64, ticks: u64, number: u64): void {
  latest = time;
  latestJiffies = ticks;
  latestNumber = number;
}

/** Passes packets up to `end`, of which the last one is the latest. Gives `end`. */
function passSlots(end: usize): usize {
  const last = end - PACKET_SIZE;
  passed(load<u64>(last, PACKET_TIME), load<u64>(last, PACKET_JIFFIES), load<u64>(last, PACKET_NUMBER));
  return end;
}

/** Passes packets that have a time, none of them earlier than the one before. Gives the slot where it stopped. */
function inOrder(slot: usize, end: usize): usize {
  let time = latest;
  const start = slot;
  for (; slot < end; slot += PACKET_SIZE) {
    const next = load<u64>(slot, PACKET_TIME);
    if (next < time || next === 0) break;
    time = next;
  }
  return slot === start ? slot : passSlots(slot);
}

/** A packet comes when the clock is ahead of it by more than nobody can see. */
function late(slot: usize, by: u64): void {
  tallyFirst(CONTROL_LATE, load<u64>(slot, PACKET_NUMBER));
  if (by > most) tell(CONTROL_AHEAD, latestNumber);
  most = max(most, by);
  raise(CONTROL_LATE + 16, by);
}

/** The clock behind everything decoded. */
export function latestTime(): u64 {
  return latest;
}

/** The packet's turn has come. */
export function advance(slot: usize): void {
  advanceTo(load<u64>(slot, PACKET_TIME));
}

/** The same for several packets, of which the last has this time. */
export function advanceTo(time: u64): void {
  if (time > now) now = time;
}

/** The latest time of the slots from `slot` to before `end`, of which there is one. */
export function latestOf(slot: usize, end: usize): u64 {
  let time: u64 = load<u64>(end - PACKET_SIZE, PACKET_TIME);
  if (!ascended) for (; slot < end; slot += PACKET_SIZE) time = max(time, load<u64>(slot, PACKET_TIME));
  return time;
}
