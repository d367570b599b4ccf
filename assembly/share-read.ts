/** Records of a capture that several engines share, in one pass: those of others are stepped over before anything is made of them. */
import {
  CAPTURE_FORMAT,
  CAPTURE_HZ,
  CAPTURE_NANO,
  FORMAT_PCAP,
  INTERFACE_ID,
  LINK_ETHERNET,
  RECORD_MAXIMUM,
} from '../src/abi/capture.ts';
import {
  PACKET_CAPTURED,
  PACKET_DATA,
  PACKET_INTERFACE,
  PACKET_JIFFIES,
  PACKET_LINKTYPE,
  PACKET_NUMBER,
  PACKET_SIZE,
  PACKET_TIME,
  PACKET_WIRE,
} from '../src/abi/packet.ts';
import { interfaceAt, usualTicks } from './capture/interface.ts';
import { isPlainFile } from './capture/pcap.ts';
import { advance, cursor, damaged, limit, state } from './capture/state.ts';
import { latestTime, passed } from './clock.ts';
import { isPlainFrame, isShared, PLAIN, plainIsOwn } from './share.ts';

const RECORD_HEADER: usize = 16;

/** What the last call of readShared read, and how long it was on the wire. */
export let sharedRecords: u64 = 0;
export let sharedWire: u64 = 0;

/**
 * Fills slots from `slot` up to `end` with plain packets of this engine's share, as captureBatch, `order` and keepOwn do together. `number`: of the packet before; `most`: records to read at
 * most. Stops in front of what is anything but plain (the chunk's end, damage, a time that goes back, a frame whose owner must be asked for), which the others then meet. Out: behind the
 * last slot filled.
 */
export function readShared(slot: usize, end: usize, number: u64, most: u64): usize {
  sharedRecords = 0;
  sharedWire = 0;
  if (!isShared() || damaged() || load<u32>(state, CAPTURE_FORMAT) !== <u32>FORMAT_PCAP || !isPlainFile(LINK_ETHERNET))
    return slot;
  const hz = load<u32>(state, CAPTURE_HZ);
  const nano = load<u32>(state, CAPTURE_NANO) !== 0;
  const second: u32 = nano ? 1000000000 : 1000000;
  const device: u64 = load<u32>(interfaceAt(0), INTERFACE_ID);
  const stop = limit;
  const last = number + most;
  const before = number;
  let time = latestTime();
  let ticks: u64 = 0;
  let wire: u64 = 0;
  let data = cursor + RECORD_HEADER;
  while (data <= stop && slot < end && number < last) {
    const captured = load<u32>(data - 8);
    const fraction = load<u32>(data - 12);
    if (captured - PLAIN > <u32>RECORD_MAXIMUM - PLAIN || stop - data < <usize>captured || fraction >= second) break;
    if (!isPlainFrame(data)) break;
    const seconds = load<u32>(data - 16);
    const next = u64(seconds) * 1000000000 + u64(nano ? fraction : fraction * 1000);
    if (next < time || next === 0) break;
    time = next;
    ticks = u64(seconds) * u64(hz) + u64(nano ? usualTicks(fraction, hz) : (fraction * hz) / 1000000);
    number++;
    const length = load<u32>(data - 4);
    wire += length;
    store<u64>(slot, time, PACKET_TIME);
    store<u64>(slot, ticks, PACKET_JIFFIES);
    store<u64>(slot, number, PACKET_NUMBER);
    store<u32>(slot, u32(data), PACKET_DATA);
    store<u32>(slot, captured, PACKET_CAPTURED);
    store<u32>(slot, length, PACKET_WIRE);
    store<u32>(slot, LINK_ETHERNET, PACKET_LINKTYPE);
    // The direction, unknown, lies behind the interface.
    store<u64>(slot, device, PACKET_INTERFACE);
    // Whose a packet is comes as by chance: nothing is branched on.
    slot += select<usize>(PACKET_SIZE, 0, plainIsOwn(data));
    data += captured + RECORD_HEADER;
  }
  advance(data - RECORD_HEADER - cursor);
  if (number === before) return slot;
  sharedRecords = number - before;
  sharedWire = wire;
  passed(time, ticks, number);
  return slot;
}
