/** The interface table of a capture, its link types, and what a record takes from its interface. */
import {
  CAPTURE_HZ,
  CAPTURE_INTERFACE_TABLE,
  CAPTURE_LINKTYPE_COUNT,
  CAPTURE_LINKTYPES,
  INTERFACE_FCS,
  INTERFACE_ID,
  INTERFACE_LINKTYPE,
  INTERFACE_SIZE,
  LINKTYPES_MAXIMUM,
} from '../../src/abi/capture.ts';
import {
  PACKET_CAPTURED,
  PACKET_DATA,
  PACKET_DIRECTION,
  PACKET_INTERFACE,
  PACKET_JIFFIES,
  PACKET_LINKTYPE,
  PACKET_TIME,
  PACKET_WIRE,
} from '../../src/abi/packet.ts';
import { state } from './state.ts';

/** Seconds beyond which nanoseconds do not fit u64; such a time stands still there. */
const SECONDS_MAXIMUM: u64 = 18446744073;
const NANOSECONDS_MAXIMUM: u32 = 709551615;
/** Up to here a second's microseconds times HZ fit u32. */
export const HZ_USUAL: u32 = 4000;

/** The table's entry at `index`; the caller knows that it exists. */
export function interfaceAt(index: u32): usize {
  return state + CAPTURE_INTERFACE_TABLE + index * INTERFACE_SIZE;
}

/** Remembers a link type for the report. */
export function announceLinktype(linktype: u32): void {
  const count = load<u32>(state, CAPTURE_LINKTYPE_COUNT);
  for (let i: u32 = 0; i < min<u32>(count, LINKTYPES_MAXIMUM); i++) {
    if (load<u32>(state + (i << 2), CAPTURE_LINKTYPES) === linktype) return;
  }
  if (count < <u32>LINKTYPES_MAXIMUM) store<u32>(state + (count << 2), linktype, CAPTURE_LINKTYPES);
  store<u32>(state, count + 1, CAPTURE_LINKTYPE_COUNT);
}

/** Time and jiffies of a record; `nanoseconds` below one second. */
export function putTime(slot: usize, seconds: u64, nanoseconds: u32): void {
  const hz = load<u32>(state, CAPTURE_HZ);
  if (seconds >= SECONDS_MAXIMUM) {
    nanoseconds = seconds > SECONDS_MAXIMUM ? NANOSECONDS_MAXIMUM : min<u32>(nanoseconds, NANOSECONDS_MAXIMUM);
    seconds = SECONDS_MAXIMUM;
  }
  store<u64>(slot, seconds * 1000000000 + nanoseconds, PACKET_TIME);
  store<u64>(slot, seconds * hz + ticks(nanoseconds, hz), PACKET_JIFFIES);
}

/** floor(nanoseconds * hz / 10^9). Engines turn 32-bit divisions by a constant into multiplications, but not 64-bit ones. */
function ticks(nanoseconds: u32, hz: u32): u64 {
  return hz > HZ_USUAL ? (u64(nanoseconds) * hz) / 1000000000 : usualTicks(nanoseconds, hz);
}

/** The same for `hz` up to HZ_USUAL. */
export function usualTicks(nanoseconds: u32, hz: u32): u32 {
  const microseconds = nanoseconds / 1000;
  const rest = nanoseconds - microseconds * 1000;
  return (microseconds * hz + (rest * hz) / 1000) / 1000000;
}

/** Everything but the time of a record. `fcs`: bytes of the frame check sequence at the end of the frame on the wire, cut off here. */
export function putRecord(slot: usize, entry: usize, data: usize, captured: u32, wire: u32, direction: u32, fcs: u32): void {
  if (fcs !== 0) captured = min<u32>(captured, wire > fcs ? wire - fcs : 0);
  store<u32>(slot, u32(data), PACKET_DATA);
  store<u32>(slot, captured, PACKET_CAPTURED);
  store<u32>(slot, wire, PACKET_WIRE);
  // Behind it PACKET_SHIFT.
  store<u64>(slot, load<u32>(entry, INTERFACE_LINKTYPE), PACKET_LINKTYPE);
  store<u32>(slot, load<u32>(entry, INTERFACE_ID), PACKET_INTERFACE);
  store<u32>(slot, direction, PACKET_DIRECTION);
}

export function interfaceFcs(entry: usize): u32 {
  return load<u32>(entry, INTERFACE_FCS);
}
