/**
 * What no replay can be cheaper than: walking the records of a capture, reading the addresses and ports of each packet, and counting it in a plain hash table of flows. The bench measures
 * it beside the engine, in the same run; nothing else compiles this.
 */

/** Of a pcap file: record header, and the places of an Ethernet frame with IPv4 without options. */
const RECORD: usize = 16;
const PROTOCOL: usize = 14 + 9;
const ADDRESSES: usize = 14 + 12;
const PORTS: usize = 14 + 20;

/** u64 addresses, u32 ports, u32 protocol, u64 packets, u64 bytes: two a cache line. A free one has protocol 0. */
const FLOW: u32 = 32;

let table: usize = 0;
let mask: u32 = 0;

/** Room for the capture begins here. */
export const INPUT: usize = __heap_base;

/** Makes an empty table of `slots` flows (a power of two) behind `capture` bytes of input. Memory grows by what is missing. */
export function prepare(capture: u32, slots: u32): void {
  table = (INPUT + capture + 127) & ~127;
  mask = slots - 1;
  const pages = ((table + slots * FLOW + 0xffff) >>> 16) as i32;
  if (pages > memory.size()) memory.grow(pages - memory.size());
  memory.fill(table, 0, slots * FLOW);
}

/** Counts the records in [at, end), whole ones only. Out: how many there were. */
export function walk(at: usize, end: usize): u32 {
  let packets: u32 = 0;
  while (at + RECORD <= end) {
    const length = load<u32>(at, 8);
    count(at + RECORD, length);
    at += RECORD + length;
    packets++;
  }
  return packets;
}

/** Flows in the table. */
export function flows(): u32 {
  let found: u32 = 0;
  for (let slot: u32 = 0; slot <= mask; slot++) if (load<u32>(table + slot * FLOW, 12) !== 0) found++;
  return found;
}

/** Both directions of a flow are one: the smaller end first. */
function count(frame: usize, length: u32): void {
  const source = load<u32>(frame, ADDRESSES);
  const destination = load<u32>(frame, ADDRESSES + 4);
  const ports = load<u32>(frame, PORTS);
  const protocol: u32 = load<u8>(frame, PROTOCOL);
  const swapped = source > destination;
  const addresses = ((select(destination, source, swapped) as u64) << 32) | select(source, destination, swapped);
  const ends = select(rotl(ports, 16), ports, swapped);
  const hash = (addresses ^ ((ends as u64) << 8) ^ protocol) * (((0x9e3779b9 as u64) << 32) | 0x7f4a7c15);
  let slot = (((hash ^ (hash >> 29)) >> 24) as u32) & mask;
  for (;;) {
    const flow = table + slot * FLOW;
    if (load<u32>(flow, 12) === 0) {
      store<u64>(flow, addresses);
      store<u32>(flow, ends, 8);
      store<u32>(flow, protocol, 12);
    }
    if (load<u64>(flow) === addresses && load<u32>(flow, 8) === ends && load<u32>(flow, 12) === protocol) {
      store<u64>(flow, load<u64>(flow, 16) + 1, 16);
      store<u64>(flow, load<u64>(flow, 24) + length, 24);
      return;
    }
    slot = (slot + 1) & mask;
  }
}
