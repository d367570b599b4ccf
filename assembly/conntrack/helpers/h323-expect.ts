/** Addresses that messages of H.323 tell of, and connections to them, from whoever the speaker talks to. */

import { FIELD_CT_DIRECTION } from '../../../src/abi/fields';
import { ROLE_IPV4, ROLE_IPV6 } from '../../../src/abi/h323';
import { PACKET_JIFFIES } from '../../../src/abi/packet';
import { entryAddress, entryFamily } from '../accessors';
import { EXPECT_ASSIGNS_SHIFT, EXPECT_DESTINATION, EXPECT_FLAGS, expect, FORESEEN } from '../expectations';
import { foresee, foreseeSource } from './foresee';
import { findKept, keptValue } from './h323-decode';

const SECONDS: u32 = 240;

/** The connection of the message in hand, in which direction it goes, when, and how much its helper expects at most. */
let entry: usize = 0;
let direction: u32 = 0;
let now: i64 = 0;
let most: u32 = 0;

/** The address that was read last (four words) and its port. */
const ADDRESS: usize = memory.data(16, 16);
export let portTold: u32 = 0;

export function beginMessages(slot: usize, connection: usize, limit: u32): void {
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
  return isAt(direction, source);
}

/** Whether the address in hand is the one that answers come from. */
export function isListeners(): bool {
  return isAt(1 - direction, true);
}

function isAt(way: u32, source: bool): bool {
  for (let word: u32 = 0; word < 4; word++) {
    if (load<u32>(ADDRESS + ((word as usize) << 2)) !== entryAddress(entry, way, source, word)) return false;
  }
  return true;
}

/** As takePlace, for what the speaker can be reached at itself. */
export function takeOwnPlace(index: u32): bool {
  return takePlace(index) && portTold !== 0 && isSpeakers(true);
}

/** A connection to where the speaker gets its answers is expected; `assigns`: HELPER_* of the new connection. False: it cannot be. */
export function expectToSpeaker(protocol: u32, port: u32, flags: u32, assigns: u32): bool {
  foresee(entry, protocol, 1 - direction, port);
  foreseeSource(entry, 1 - direction);
  store<u32>(FORESEEN, flags | (assigns << EXPECT_ASSIGNS_SHIFT), EXPECT_FLAGS);
  return expect(entry, most, SECONDS, now);
}

/** The same to the address and port in hand. */
export function expectToPlace(protocol: u32, flags: u32, assigns: u32): bool {
  foresee(entry, protocol, 1 - direction, portTold);
  foreseeSource(entry, 1 - direction);
  memory.copy(FORESEEN + EXPECT_DESTINATION, ADDRESS, 16);
  store<u32>(FORESEEN, flags | (assigns << EXPECT_ASSIGNS_SHIFT), EXPECT_FLAGS);
  return expect(entry, most, SECONDS, now);
}
