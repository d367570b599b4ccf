/**
 * A batch of packets looks its connections up before the first of them is judged: so that the table's cache misses overlap. What it finds is a
 * guess: packets before may open or end a connection, so the judge looks at the entry again (plain.ts), or looks the connection up anew.
 */
import {
  FIELD_DESTINATION,
  FIELD_DPORT,
  FIELD_FAMILY,
  FIELD_FRAGMENT,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  FIELD_SPORT,
} from '../../src/abi/fields';
import { PACKET_CT_GUESS, PACKET_CT_HASH, PACKET_CT_HIGH, PACKET_CT_LOW, PACKET_SIZE, PACKET_UNSEEN } from '../../src/abi/packet';
import { ENTRY_SIDES, PROTOCOL_TCP, PROTOCOL_UDP } from './entry';
import { accounting, zonesOfOne } from './extension';
import { EITHER_WAY, lookup, touch } from './table';
import { hashIPv4 } from './tuple';

/** `count` decoded slots in a row: sets PACKET_CT_GUESS, and the key and its hash where there is a guess. */
export function conntrackAhead(slots: usize, count: u32): void {
  const end = slots + (count as usize) * PACKET_SIZE;
  // The short way does not count packets, and knows one entry of a key.
  const short = !accounting && !zonesOfOne;
  for (let slot = slots; slot < end; slot += PACKET_SIZE) {
    if (short && hasPorts(slot)) putKey(slot);
    else store<u32>(slot, 0, PACKET_CT_GUESS);
  }
  for (let slot = slots; slot < end; slot += PACKET_SIZE) {
    if (load<u32>(slot, PACKET_CT_GUESS) !== 0) guess(slot);
  }
}

function hasPorts(slot: usize): bool {
  if (load<u32>(slot, PACKET_UNSEEN) !== 0) return false;
  const protocol = load<u32>(slot, FIELD_PROTOCOL * 4);
  if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP) return false;
  return load<u32>(slot, FIELD_FAMILY * 4) === 4 && load<u32>(slot, FIELD_FRAGMENT * 4) === 0;
}

/** The key of an IPv4 packet (see tuple.ts). The lowest bit of a hash is set; here it says whether the packet goes from the high end to the low one. */
function putKey(slot: usize): void {
  const from = ((load<u32>(slot, FIELD_SOURCE * 4) as u64) << 16) | (load<u32>(slot, FIELD_SPORT * 4) as u64);
  const to = ((load<u32>(slot, FIELD_DESTINATION * 4) as u64) << 16) | (load<u32>(slot, FIELD_DPORT * 4) as u64);
  const swapped = from > to;
  const low = select(to, from, swapped) | ((load<u32>(slot, FIELD_PROTOCOL * 4) as u64) << 48) | (4 << 56);
  const high = select(from, to, swapped);
  const hash = hashIPv4(low, high);
  store<u64>(slot, low, PACKET_CT_LOW);
  store<u64>(slot, high, PACKET_CT_HIGH);
  store<u32>(slot, (hash ^ 1) | (swapped as u32), PACKET_CT_HASH);
  // A connection to itself has a direction of its own kind: no guess.
  store<u32>(slot, from === to ? 0 : touch(hash) | 1, PACKET_CT_GUESS);
}

/** The entry, with the lowest bit of the hash; its second half is read so that it is near, and kept so that the reading stays. */
function guess(slot: usize): void {
  const hash = load<u32>(slot, PACKET_CT_HASH);
  const entry = lookup(load<u64>(slot, PACKET_CT_LOW), load<u64>(slot, PACKET_CT_HIGH), hash | 1, false, EITHER_WAY);
  store<u32>(slot, entry === 0 ? 0 : (entry as u32) | (hash & 1), PACKET_CT_GUESS);
  if (entry !== 0) store<u32>(slot, load<u32>(entry, ENTRY_SIDES), PACKET_CT_HASH);
}
