/** What helpers share: the packet's data, and the expectation they fill in. Directions: 0 original, 1 reply. */
import { FIELD_L4_LENGTH, FIELD_LENGTH } from '../../../src/abi/fields';
import { PACKET_IP, PACKET_L4_OFFSET } from '../../../src/abi/packet';
import { entryAddress, entryFamily, entryZone } from '../accessors';
import {
  EXPECT_DESTINATION,
  EXPECT_DPORT,
  EXPECT_FLAGS,
  EXPECT_FOLLOWS,
  EXPECT_KIND,
  EXPECT_SOURCE,
  EXPECT_SOURCE_MASK,
  EXPECT_SPORT,
  EXPECT_SPORT_MASK,
  FORESEEN,
} from '../expectations';
import { TCP_HEADER_SIZE } from '../tcp-options';

/** Of the segment in hand: where its data begins, where what was captured of it ends, how long it was, its sequence number. */
export let dataAt: usize = 0;
export let dataEnd: usize = 0;
export let dataLength: u32 = 0;
export let sequence: u32 = 0;

/** Whether the packet is a TCP segment with data. */
export function hasTcpData(slot: usize): bool {
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (present < TCP_HEADER_SIZE) return false;
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  const header = (load<u32>(slot, PACKET_IP) + offset) as usize;
  const size = ((load<u8>(header, 12) >>> 4) as u32) << 2;
  const whole = load<u32>(slot, FIELD_LENGTH * 4) - offset;
  if (size >= whole) return false;
  dataAt = header + (size as usize);
  dataEnd = header + (max(present, size) as usize);
  dataLength = whole - size;
  sequence = bswap(load<u32>(header, 4));
  return true;
}

/** A new expectation in hand: to the destination of a direction of the connection, from anywhere. */
export function foresee(entry: usize, protocol: u32, direction: u32, dport: u32): void {
  memory.fill(FORESEEN, 0, EXPECT_FOLLOWS + 4);
  store<u32>(FORESEEN, 0, EXPECT_FLAGS);
  store<u32>(FORESEEN, entryFamily(entry) | (protocol << 8) | (entryZone(entry) << 16), EXPECT_KIND);
  store<u32>(FORESEEN, 0, EXPECT_SPORT);
  store<u32>(FORESEEN, 0, EXPECT_SPORT_MASK);
  store<u32>(FORESEEN, dport, EXPECT_DPORT);
  putAddress(entry, direction, false, EXPECT_DESTINATION);
}

/** The expectation in hand is only for packets from the source of a direction. */
export function foreseeSource(entry: usize, direction: u32): void {
  putAddress(entry, direction, true, EXPECT_SOURCE);
  const words: usize = entryFamily(entry) === 4 ? 1 : 4;
  for (let word: usize = 0; word < words; word++) store<u32>(FORESEEN + (word << 2), 0xffffffff, EXPECT_SOURCE_MASK);
}

function putAddress(entry: usize, direction: u32, source: bool, to: usize): void {
  for (let word: u32 = 0; word < 4; word++) {
    store<u32>(FORESEEN + to + ((word as usize) << 2), entryAddress(entry, direction, source, word));
  }
}
