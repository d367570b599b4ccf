/** The time in which packets are judged: the capture's, which never goes back, as no kernel's does. A packet that was captured earlier than one before it comes at that one's time. */
import { PACKET_JIFFIES, PACKET_TIME } from '../src/abi/packet.ts';

/** Nanoseconds since the epoch at the packet under way. */
export let now: u64 = 0;

/** Of the packets decoded so far: the latest time, and its jiffies. */
let latest: u64 = 0;
let latestJiffies: u64 = 0;

/** A packet is decoded: its jiffies are the clock's. PACKET_TIME stays what the capture says. */
export function order(slot: usize): void {
  const time = load<u64>(slot, PACKET_TIME);
  if (time >= latest) {
    latest = time;
    latestJiffies = load<u64>(slot, PACKET_JIFFIES);
  } else {
    store<u64>(slot, latestJiffies, PACKET_JIFFIES);
  }
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
