/**
 * Records out of pcap and pcapng bytes, fed in chunks. Reset with a state block, feed, take records until CAPTURE_MORE, move what
 * captureConsumed() left to the front of the next chunk, feed again; the chunk must hold BLOCK_MAXIMUM bytes. Packet data stays in the chunk.
 */
import {
  CAPTURE_DAMAGED,
  CAPTURE_FORMAT,
  CAPTURE_RECORD,
  DAMAGE_NOT_A_CAPTURE,
  FORMAT_PCAP,
  FORMAT_PCAPNG,
  FORMAT_UNKNOWN,
} from '../../src/abi/capture.ts';
import { PACKET_NUMBER, PACKET_SIZE, PACKET_WIRE } from '../../src/abi/packet.ts';
import { isPcapMagic, pcapAscends, pcapBatch, pcapHeader, pcapNext, pcapWire } from './pcap.ts';
import { BLOCK_SECTION, pcapngNext } from './pcapng.ts';
import { consumed, cursor, damage, damaged, feed, limit, resetState, short, state } from './state.ts';

/** Starts a file. `at`: CAPTURE_STATE_SIZE bytes at a multiple of 8, whose HZ and NAMES are set. */
export function captureReset(at: usize): void {
  resetState(at);
}

/** The bytes from the first unconsumed one on; `last`: nothing follows. */
export function captureFeed(pointer: usize, length: u32, last: bool): void {
  feed(pointer, length, last);
}

/** How many bytes of the last feed are done with. */
export function captureConsumed(): u32 {
  return consumed();
}

/** Fills the record's part of the slot. CAPTURE_RECORD, CAPTURE_MORE, CAPTURE_END or CAPTURE_DAMAGED (then for ever). */
export function captureNext(slot: usize): i32 {
  const format = load<u32>(state, CAPTURE_FORMAT);
  if (damaged()) return CAPTURE_DAMAGED;
  if (format === <u32>FORMAT_PCAP) return pcapNext(slot);
  if (format === <u32>FORMAT_UNKNOWN) {
    const answer = detect();
    if (answer !== CAPTURE_RECORD) return answer;
    return captureNext(slot);
  }
  return pcapngNext(slot);
}

/** Packets decoded before the first of them goes its way: no batch has more. */
export const BATCH: u32 = 64;

/** What the last captureBatch ended with: CAPTURE_RECORD when it got all records it was asked for, else as captureNext. */
export let batchAnswer: i32 = CAPTURE_RECORD;

/** Of its records: their bytes on the wire; that none of them is earlier than the one before, if that is known. */
export let batchWire: u64 = 0;
export let batchAscends: bool = false;

/** Fills up to `most` slots from `slot` on, PACKET_SIZE bytes each, gives them the numbers behind `number`, and tells how many. */
export function captureBatch(slot: usize, most: u32, number: u64): u32 {
  let count: u32 = 0;
  batchWire = 0;
  batchAscends = false;
  batchAnswer = CAPTURE_RECORD;
  if (load<u32>(state, CAPTURE_FORMAT) === <u32>FORMAT_PCAP && !damaged()) {
    count = pcapBatch(slot, most, number);
    batchWire = pcapWire;
    batchAscends = pcapAscends;
  }
  for (; count < most; count++) {
    const next = slot + (count as usize) * PACKET_SIZE;
    batchAnswer = captureNext(next);
    if (batchAnswer !== CAPTURE_RECORD) break;
    store<u64>(next, number + (count as u64) + 1, PACKET_NUMBER);
    batchWire += load<u32>(next, PACKET_WIRE) as u64;
    batchAscends = false;
  }
  return count;
}

function detect(): i32 {
  if (limit - cursor < 4) return short();
  const magic = load<u32>(cursor);
  if (magic === BLOCK_SECTION) {
    store<u32>(state, FORMAT_PCAPNG, CAPTURE_FORMAT);
    return CAPTURE_RECORD;
  }
  const big = isPcapMagic(bswap<u32>(magic));
  if (!big && !isPcapMagic(magic)) return damage(DAMAGE_NOT_A_CAPTURE);
  const answer = pcapHeader(big);
  if (answer === CAPTURE_RECORD) store<u32>(state, FORMAT_PCAP, CAPTURE_FORMAT);
  return answer;
}
