/** The message of H.323 in hand: addresses that it tells of, and connections to them, from whoever the speaker talks to. */

import { FIELD_CT_DIRECTION } from '../../../src/abi/fields';
import { ROLE_IPV4, ROLE_IPV6 } from '../../../src/abi/h323';
import { PACKET_IP, PACKET_JIFFIES, PACKET_L4_OFFSET } from '../../../src/abi/packet';
import { sameNeighbour } from '../../stack/neighbour';
import { entryAddress, entryFamily, isAt } from '../accessors';
import { EXPECT_ASSIGNS_SHIFT, EXPECT_DESTINATION, EXPECT_FLAGS, expect, FORESEEN } from '../expectations';
import { foresee, foreseeSource } from './foresee';
import { findKept, keptValue } from './h323-decode';

export const SECONDS: u32 = 240;

/** Its packet, where the transport header was when that came, its connection, in which direction it goes, when, and how much its helper expects at most. */
export let slot: usize = 0;
export let header: usize = 0;
export let entry: usize = 0;
export let direction: u32 = 0;
export let now: i64 = 0;
export let most: u32 = 0;

/** The address that was taken last (four words) and its port. */
export const ADDRESS: usize = memory.data(16, 16);
export let portTold: u32 = 0;
const LISTENER: usize = memory.data(16, 16);

export function beginMessages(packet: usize, connection: usize, limit: u32): void {
  slot = packet;
  header = (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize;
  entry = connection;
  direction = load<u32>(slot, FIELD_CT_DIRECTION * 4);
  now = load<i64>(slot, PACKET_JIFFIES);
  most = limit;
}

/** Takes the address in what is kept at `index`; false: there is none, or of the other family. */
export function takePlace(index: u32): bool {
  const four = entryFamily(entry) === 4;
  const leaf = findKept(four ? ROLE_IPV4 : ROLE_IPV6, index, index);
  if (leaf === 0) return false;
  const place = keptValue(leaf) as usize;
  const size: usize = four ? 4 : 16;
  for (let byte: usize = 0; byte < 16; byte += 4) store<u32>(ADDRESS + byte, byte < size ? bswap(load<u32>(place + byte)) : 0);
  portTold = bswap(load<u16>(place + size)) as u32;
  return true;
}

/** Whether the address in hand is the one the speaker's packets come from (`source`), or those go to. */
export function isSpeakers(source: bool): bool {
  return isAt(entry, direction, source, ADDRESS);
}

/** Whether the address in hand is the one that answers come from (`source`), or those go to. */
export function isListeners(source: bool): bool {
  return isAt(entry, 1 - direction, source, ADDRESS);
}

/** Whether whoever answers is reached by the neighbour that the address in hand is reached by. */
export function isBesideListener(): bool {
  for (let word: u32 = 0; word < 4; word++) store<u32>(LISTENER + (word << 2), entryAddress(entry, 1 - direction, true, word));
  return sameNeighbour(entryFamily(entry) === 6, ADDRESS, LISTENER);
}

/** As takePlace, for what the speaker can be reached at itself. */
export function takeOwnPlace(index: u32): bool {
  return takePlace(index) && portTold !== 0 && isSpeakers(true);
}

/** A connection to where the speaker gets its answers stands in FORESEEN; `assigns`: HELPER_* of it. */
export function foreseeToSpeaker(protocol: u32, port: u32, flags: u32, assigns: u32): void {
  foresee(entry, protocol, 1 - direction, port);
  foreseeSource(entry, 1 - direction);
  store<u32>(FORESEEN, flags | (assigns << EXPECT_ASSIGNS_SHIFT), EXPECT_FLAGS);
}

/** It is expected. False: it cannot be. */
export function expectToSpeaker(protocol: u32, port: u32, flags: u32, assigns: u32): bool {
  foreseeToSpeaker(protocol, port, flags, assigns);
  return expect(entry, most, SECONDS, now);
}

/** The same to the address and port in hand. */
export function expectToPlace(protocol: u32, flags: u32, assigns: u32): bool {
  foreseeToSpeaker(protocol, portTold, flags, assigns);
  memory.copy(FORESEEN + EXPECT_DESTINATION, ADDRESS, 16);
  return expect(entry, most, SECONDS, now);
}
