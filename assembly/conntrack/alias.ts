/**
 * Records of the pool beside entries, ENTRY_SIZE bytes each, with a key in the same place. An alias is the reply of a connection whose addresses are translated, or whose directions are in different zones: the reply is not the original turned round, so it is found by a key of its own. ENTRY_SWAPPED has
 * the direction as the entry's has: a packet of the reply goes against it.
 * A head holds the list of aliases of one source (address, port, protocol) whose source is translated, the newest first: another connection from there is
 * translated alike (nf_nat_core.c, find_appropriate_src).
 */
import {
  ENTRY_ALIAS,
  ENTRY_HASH,
  ENTRY_HIGH,
  ENTRY_LOW,
  ENTRY_STATUS,
  ENTRY_SWAPPED,
  ENTRY_UPPER,
  STATUS_ALIAS,
  STATUS_ALIASED,
  STATUS_HALF,
  STATUS_HEAD,
  UPPER_SIZE,
} from './entry';
import { KEY_UPPER, keyHash, keyHigh, keyIs6, keyLow, keySwapped } from './tuple';

/** u32: the entry. */
export const ALIAS_ENTRY: usize = 36;
/** u32: NAT_DRAWN_*. */
export const ALIAS_DRAWN: usize = 40;
/** u32: neighbours in the list of a source; the list's head, 0 while it is in none. */
export const ALIAS_NEWER: usize = 44;
export const ALIAS_OLDER: usize = 48;
export const ALIAS_HEAD: usize = 52;
/** u32: as ENTRY_SERIAL. */
export const ALIAS_SERIAL: usize = 56;

/** A record of the table is an entry, or half of one: neither an alias nor the head of a list (mapped.ts, count.ts). */
export function isEntry(record: usize): bool {
  const status = load<u32>(record, ENTRY_STATUS);
  return (status & STATUS_HALF) !== 0 || (status & (STATUS_ALIAS | STATUS_HEAD)) === 0;
}

/** Whether a packet that goes from the high to the low end (1), or the other way (0), goes through a record with its key: of a connection whose addresses are translated each stands for one direction. */
export function goesThrough(record: usize, way: u32): bool {
  const status = load<u32>(record, ENTRY_STATUS);
  if ((status & (STATUS_ALIASED | STATUS_ALIAS)) === 0) return true;
  return ((load<u8>(record, ENTRY_SWAPPED) as u32) ^ way) === (status & STATUS_ALIAS ? 1 : 0);
}

/** The alias of an entry, 0 without one. */
export function aliasOf(entry: usize): usize {
  return (load<u32>(entry, ENTRY_STATUS) & STATUS_ALIASED) === 0 ? 0 : (load<u32>(entry, ENTRY_ALIAS) as usize);
}

/** Gives a record the key in hand; the packet it was made from goes in `direction`. */
export function putKey(record: usize, direction: u32): void {
  store<u64>(record, keyLow, ENTRY_LOW);
  store<u64>(record, keyHigh, ENTRY_HIGH);
  store<u32>(record, keyHash, ENTRY_HASH);
  store<u8>(record, (keySwapped ? 1 : 0) ^ direction, ENTRY_SWAPPED);
  if (keyIs6) memory.copy(record + ENTRY_UPPER, KEY_UPPER, UPPER_SIZE);
}

/** Makes `record` the alias of `entry`, the key of whose reply is in hand. */
export function putAlias(record: usize, entry: usize): void {
  putKey(record, 1);
  store<u32>(record, STATUS_ALIAS, ENTRY_STATUS);
  store<u32>(record, entry as u32, ALIAS_ENTRY);
  store<u32>(entry, record as u32, ENTRY_ALIAS);
}
