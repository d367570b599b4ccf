/** The time in which packets are judged: the capture's, which never goes back, as no kernel's does. A packet that was captured earlier than one before it comes at that one's time. */
import { CONTROL_AHEAD, CONTROL_LATE, CONTROL_TIMELESS } from '../src/abi/control.ts';
import { PACKET_JIFFIES, PACKET_NUMBER, PACKET_TIME } from '../src/abi/packet.ts';
import { raise, tallyFirst, tell } from './tally.ts';

/** Nanoseconds since the epoch at the packet under way. */
export let now: u64 = 0;

/** Of the packets decoded so far: the latest time, its jiffies, and the packet that has it. */
let latest: u64 = 0;
let latestJiffies: u64 = 0;
let latestNumber: u64 = 0;
/** How late a packet came at most. */
let most: u64 = 0;

/** A packet is decoded: its jiffies are the clock's. PACKET_TIME stays what the capture says. */
export function order(slot: usize): void {
  const time = load<u64>(slot, PACKET_TIME);
  if (time === 0) tallyFirst(CONTROL_TIMELESS, load<u64>(slot, PACKET_NUMBER));
  if (time >= latest) {
    latest = time;
    latestNumber = load<u64>(slot, PACKET_NUMBER);
    latestJiffies = load<u64>(slot, PACKET_JIFFIES);
    return;
  }
  if (load<u64>(slot, PACKET_JIFFIES) !== latestJiffies) late(slot, latest - time);
  store<u64>(slot, latestJiffies, PACKET_JIFFIES);
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
  const time = load<u64>(slot, PACKET_TIME);
  if (time > now) now = time;
}
