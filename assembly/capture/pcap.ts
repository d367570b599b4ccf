/** pcap files: draft-ietf-opsawg-pcap, and what libpcap reads beside it (versions before 2.4, the modified format of 0xa1b2cd34). */
import {
  CAPTURE_HZ,
  CAPTURE_INTERFACES,
  CAPTURE_MINOR,
  CAPTURE_NANO,
  CAPTURE_RECORD,
  CAPTURE_RECORD_HEADER,
  DAMAGE_RECORD_LENGTH,
  DAMAGE_VERSION,
  DIRECTION_UNKNOWN,
  INTERFACE_FCS,
  INTERFACE_ID,
  INTERFACE_LINKTYPE,
  INTERFACE_SNAPLEN,
  RECORD_MAXIMUM,
} from '../../src/abi/capture.ts';
import {
  PACKET_CAPTURED,
  PACKET_DATA,
  PACKET_INTERFACE,
  PACKET_JIFFIES,
  PACKET_LINKTYPE,
  PACKET_NUMBER,
  PACKET_SIZE,
  PACKET_TIME,
} from '../../src/abi/packet.ts';
import { announceLinktype, HZ_USUAL, interfaceAt, interfaceFcs, putRecord, putTime, usualTicks } from './interface.ts';
import { advance, cursor, damage, drained, half, limit, setSwapped, short, state, word } from './state.ts';

export const MAGIC_MICRO: u32 = 0xa1b2c3d4;
export const MAGIC_NANO: u32 = 0xa1b23c4d;
export const MAGIC_MODIFIED: u32 = 0xa1b2cd34;
const FILE_HEADER: usize = 24;
/** In the link type word: the FCS length in the top four bits (units of two bytes) is meant. */
const FCS_KNOWN: u32 = 0x04000000;
let plain: bool = false;
/** Of a record header of a plain file. */
const RECORD: usize = 16;
/** Where fractions are microseconds, and where they are nanoseconds: how many are a second; how many nanoseconds one is. In memory: what can be computed the engine's code computes anew for every record. */
const FRACTIONS: usize = memory.data<u32>([1000000, 1000000000]);
const NANOSECONDS: usize = memory.data<u32>([1000, 1]);

/** True for the magic of a pcap file in host order. */
export function isPcapMagic(magic: u32): bool {
  return magic === MAGIC_MICRO || magic === MAGIC_NANO || magic === MAGIC_MODIFIED;
}

/** Reads the file header at the cursor, whose magic was seen. CAPTURE_RECORD: go on with pcapNext. */
export function pcapHeader(big: bool): i32 {
  if (limit - cursor < FILE_HEADER) return short();
  setSwapped(big);
  const magic = word(cursor);
  const major = half(cursor + 4);
  const minor = half(cursor + 6);
  if (!((major === 2 && minor <= 4) || (major === 543 && minor === 0))) return damage(DAMAGE_VERSION);
  const network = word(cursor + 20);
  const entry = interfaceAt(0);
  store<u32>(entry, network & 0xffff, INTERFACE_LINKTYPE);
  store<u32>(entry, word(cursor + 16), INTERFACE_SNAPLEN);
  store<u32>(entry, (network & FCS_KNOWN) !== 0 ? (network >>> 28) * 2 : 0, INTERFACE_FCS);
  store<u32>(entry, 0, INTERFACE_ID);
  store<u32>(state, 1, CAPTURE_INTERFACES);
  store<u32>(state, magic === MAGIC_MODIFIED ? 24 : 16, CAPTURE_RECORD_HEADER);
  store<u32>(state, u32(magic === MAGIC_NANO), CAPTURE_NANO);
  store<u32>(state, major === 2 ? minor : 2, CAPTURE_MINOR);
  plain = !big && major === 2 && minor === 4 && magic !== MAGIC_MODIFIED;
  announceLinktype(network & 0xffff);
  advance(FILE_HEADER);
  return CAPTURE_RECORD;
}

/** Little-endian, 16 bytes of header, lengths in order, no frame check sequences, usual ticks: putPlain fills slots with its records. */
export function isPlainFile(): bool {
  return plain && load<u32>(state, CAPTURE_HZ) <= HZ_USUAL && interfaceFcs(interfaceAt(0)) === 0;
}

/** The same, and of the link type. */
export function isPlainFileOf(linktype: u32): bool {
  return isPlainFile() && load<u32>(interfaceAt(0), INTERFACE_LINKTYPE) === linktype;
}

/** The next record. */
export function pcapNext(slot: usize): i32 {
  return plain ? plainNext(slot) : unusualNext(slot);
}

/** Of the records of the last pcapBatch: their bytes on the wire; whether none was earlier than the one before. */
export let pcapWire: u64 = 0;
export let pcapAscends: bool = false;

/**
 * Fills slots from `slot` on with up to `most` records of a plain file, numbered from behind `number`, and tells how many; stops before anything unusual (the end of the
 * chunk, damage, a fraction of more than a second), which pcapNext then meets. The same as pcapNext, without leaving the loop.
 */
export function pcapBatch(slot: usize, most: u32, number: u64): u32 {
  pcapWire = 0;
  pcapAscends = true;
  if (!isPlainFile()) return 0;
  const second = fractionsOfSecond();
  const last = limit - RECORD;
  const full = slot + (most as usize) * PACKET_SIZE;
  let next = slot;
  let record = cursor;
  let latest: u64 = 0;
  let wire: u64 = 0;
  // Each question has a branch of its own: of several in one the engine's code makes words first.
  while (next < full) {
    if (record > last) break;
    const captured = load<u32>(record, 8);
    if (captured > <u32>RECORD_MAXIMUM) break;
    if (last - record < <usize>captured) break;
    const stamp = rotl<u64>(load<u64>(record), 32);
    if ((stamp as u32) >= second) break;
    if (stamp < latest) pcapAscends = false;
    latest = stamp;
    number++;
    wire += load<u32>(record, 12) as u64;
    store<u32>(next, u32(record + RECORD), PACKET_DATA);
    store<u64>(next, number, PACKET_NUMBER);
    record += captured + RECORD;
    next += PACKET_SIZE;
  }
  advance(record - cursor);
  pcapWire = wire;
  putPlain(slot, next);
  return ((next - slot) / PACKET_SIZE) as u32;
}

/** How many of a record's fractions are a second. */
export function fractionsOfSecond(): u32 {
  return load<u32>(FRACTIONS + ((load<u32>(state, CAPTURE_NANO) << 2) as usize));
}

/** Of the record whose data begin at `data`: seconds, and below them what it says beside; where that is less than a second, in the order of time. */
export function stampOf(data: usize): u64 {
  return rotl<u64>(load<u64>(data - 16), 32);
}

/** Fills the slots from `slot` to before `end`, in which it stands where the data of a plain file's records begin. */
export function putPlain(slot: usize, end: usize): void {
  const entry = interfaceAt(0);
  const hz = load<u32>(state, CAPTURE_HZ);
  const nano = load<u32>(state, CAPTURE_NANO);
  const nanoseconds = load<u32>(NANOSECONDS + ((nano << 2) as usize));
  const linktype: u64 = load<u32>(entry, INTERFACE_LINKTYPE);
  const device: u64 = load<u32>(entry, INTERFACE_ID);
  for (; slot < end; slot += PACKET_SIZE) {
    const record = (load<u32>(slot, PACKET_DATA) as usize) - RECORD;
    const seconds = load<u32>(record);
    const fraction = load<u32>(record, 4);
    const ticks = nano !== 0 ? usualTicks(fraction, hz) : (fraction * hz) / 1000000;
    store<u64>(slot, u64(seconds) * 1000000000 + u64(fraction * nanoseconds), PACKET_TIME);
    store<u64>(slot, u64(seconds) * u64(hz) + u64(ticks), PACKET_JIFFIES);
    // The length on the wire lies behind the captured one, here as there.
    store<u64>(slot, load<u64>(record, 8), PACKET_CAPTURED);
    // Behind it PACKET_SHIFT.
    store<u64>(slot, linktype, PACKET_LINKTYPE);
    // The direction, unknown, lies behind the interface.
    store<u64>(slot, device, PACKET_INTERFACE);
  }
}

/** Little-endian, 16 bytes of header, lengths in order: nearly every file. */
function plainNext(slot: usize): i32 {
  const at = cursor;
  const room = limit - at;
  if (room < 16) return room === 0 ? drained() : short();
  const captured = load<u32>(at, 8);
  if (captured > <u32>RECORD_MAXIMUM) return damage(DAMAGE_RECORD_LENGTH);
  if (room < <usize>(16 + captured)) return short();
  stampPlain(slot, at + 16);
  const entry = interfaceAt(0);
  putRecord(slot, entry, at + 16, captured, load<u32>(at, 12), DIRECTION_UNKNOWN, interfaceFcs(entry));
  advance(16 + captured);
  return CAPTURE_RECORD;
}

/** The time of a little-endian file's record whose data begin at `data`. */
export function stampPlain(slot: usize, data: usize): void {
  stamp(slot, load<u32>(data - 16), load<u32>(data - 12));
}

function unusualNext(slot: usize): i32 {
  const at = cursor;
  const room = limit - at;
  const header = load<u32>(state, CAPTURE_RECORD_HEADER);
  if (room < <usize>header) return room === 0 ? drained() : short();
  let captured = word(at + 8);
  let wire = word(at + 12);
  const minor = load<u32>(state, CAPTURE_MINOR);
  // Before 2.3 the two lengths stood the other way round, in 2.3 sometimes.
  if (minor < 4 && (minor < 3 || captured > wire)) {
    const swap = captured;
    captured = wire;
    wire = swap;
  }
  if (captured > <u32>RECORD_MAXIMUM) return damage(DAMAGE_RECORD_LENGTH);
  if (room < <usize>(header + captured)) return short();
  stamp(slot, word(at), word(at + 4));
  const entry = interfaceAt(0);
  putRecord(slot, entry, at + header, captured, wire, DIRECTION_UNKNOWN, interfaceFcs(entry));
  advance(header + captured);
  return CAPTURE_RECORD;
}

function stamp(slot: usize, seconds: u32, fraction: u32): void {
  if (load<u32>(state, CAPTURE_NANO) !== 0) {
    if (fraction >= 1000000000) putTime(slot, u64(seconds) + fraction / 1000000000, fraction % 1000000000);
    else putTime(slot, seconds, fraction);
    return;
  }
  if (fraction >= 1000000) putTime(slot, u64(seconds) + fraction / 1000000, (fraction % 1000000) * 1000);
  else putTime(slot, seconds, fraction * 1000);
}
