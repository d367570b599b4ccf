/** Records of a capture that several engines share: those of others are stepped over before anything is made of them. */
import { CAPTURE_FORMAT, FORMAT_PCAP, LINK_ETHERNET, RECORD_MAXIMUM } from '../src/abi/capture.ts';
import { PACKET_DATA, PACKET_JIFFIES, PACKET_NUMBER, PACKET_SIZE, PACKET_TIME } from '../src/abi/packet.ts';
import { fractionsOfSecond, isPlainFileOf, putPlain, stampOf, stampPlain } from './capture/pcap.ts';
import { advance, cursor, damaged, limit, state } from './capture/state.ts';
import { latestTime, passed } from './clock.ts';
import { countOfShares, Frames, isShared, ownShare, PLAIN } from './share.ts';

const RECORD_HEADER: usize = 16;

/** What the last call of readShared read, and how long it was on the wire. */
export let sharedRecords: u64 = 0;
export let sharedWire: u64 = 0;
/** Records that were read so, of all captures, and those of them that were stepped over: only the debug build counts them, for tests. */
let passes: u32 = 0;
let steps: u32 = 0;

export function sharedPassed(): u32 {
  return passes;
}

export function steppedOver(): u32 {
  return steps;
}

/**
 * Fills slots from `slot` up to `end` with plain packets of this engine's share, as captureBatch, `order` and keepOwn do together. `number`: of the packet before; `most`: records to read at
 * most. Stops in front of what is anything but plain (the chunk's end, damage, a time that goes back, a frame whose owner must be asked for), which the others then meet. Out: behind the
 * last slot filled.
 */
export function readShared(slot: usize, end: usize, number: u64, most: u64): usize {
  sharedRecords = 0;
  sharedWire = 0;
  if (!isShared() || damaged() || load<u32>(state, CAPTURE_FORMAT) !== <u32>FORMAT_PCAP || !isPlainFileOf(LINK_ETHERNET))
    return slot;
  const filled = stepOver(slot, end, number, number + most);
  putPlain(slot, filled);
  return filled;
}

/** Puts the places and numbers of own packets, up to number `last`, into slots, and looks at no more of others than it must. */
function stepOver(slot: usize, end: usize, number: u64, last: u64): usize {
  const stop = limit;
  const before = number;
  const first = slot;
  const mine = ownShare();
  const shares = countOfShares();
  let data = cursor + RECORD_HEADER;
  if (data > stop || !isInTime(slot, data)) return slot;
  const second = fractionsOfSecond();
  let stamp = stampOf(data);
  let wire: u64 = 0;
  // The slot of the latest record; another's is written over by the next one.
  let latest = slot;
  // Each question has a branch of its own, and what is the same for all records is at hand: of several in one the engine's code makes words first.
  while (slot < end) {
    if (number >= last) break;
    if (data > stop) break;
    const captured = load<u32>(data - 8);
    if (captured - PLAIN > <u32>RECORD_MAXIMUM - PLAIN) break;
    if (stop - data < <usize>captured) break;
    const next = stampOf(data);
    if ((next as u32) >= second) break;
    if (next < stamp) break;
    if (!Frames.isIPv4(data)) break;
    if (!Frames.isWhole(data)) break;
    if (!Frames.isNoICMP(data)) break;
    stamp = next;
    number++;
    wire += load<u32>(data - 4);
    store<u32>(slot, u32(data), PACKET_DATA);
    store<u64>(slot, number, PACKET_NUMBER);
    latest = slot;
    // Whose a packet is comes as by chance: nothing is branched on.
    slot += select<usize>(PACKET_SIZE, 0, Frames.owner(data, shares) === mine);
    data += (captured as usize) + RECORD_HEADER;
  }
  advance(data - RECORD_HEADER - cursor);
  if (number === before) return slot;
  sharedRecords = number - before;
  if (!ASC_NO_ASSERT) {
    passes += sharedRecords as u32;
    steps += (sharedRecords as u32) - (((slot - first) / PACKET_SIZE) as u32);
  }
  sharedWire = wire;
  stampPlain(latest, load<u32>(latest, PACKET_DATA));
  passed(load<u64>(latest, PACKET_TIME), load<u64>(latest, PACKET_JIFFIES), number);
  return slot;
}

/** The record whose data begin at `data` is not earlier than those before it, and has a time. */
function isInTime(slot: usize, data: usize): bool {
  stampPlain(slot, data);
  const time = load<u64>(slot, PACKET_TIME);
  return time !== 0 && time >= latestTime();
}
