/**
 * Connections by the source they come from, of those whose source is translated: another connection from the same address and port is translated alike (nf_nat_core.c,
 * find_appropriate_src). A head, a record of its own in the table, holds the list of their aliases, the newest first.
 */

import { entryZoneIn } from './accessors';
import { ALIAS_HEAD, ALIAS_NEWER, ALIAS_OLDER, putKey } from './alias';
import { ENTRY_STATUS, STATUS_HEAD, STATUS_ZONE_OF_ONE } from './entry';
import { allocateRecord, releaseRecord } from './pool';
import { EITHER_WAY, insertRecord, lookup, removeRecord } from './table';
import { keyApart, keyHash, keyHigh, keyIs6, keyLow, keySource, keyZone } from './tuple';

/** u32, of a head: the newest alias. */
export const HEAD_FIRST: usize = 36;

/** A connection was entered into the table: it is the newest from its source. Without memory for a head it is in no list. */
export function linkMapping(entry: usize, alias: usize): void {
  const head = sourceHead(entry, true);
  if (head !== 0) link(head, alias);
}

/** Takes an alias out of its list. */
export function unlinkMapping(alias: usize): void {
  const head = unlink(alias);
  if (head === 0) return;
  removeRecord(head);
  releaseRecord(head);
}

/** The newest alias of a connection from the same source as `entry` whose source is translated; 0 if there is none. The key in hand is another one then. */
export function mappedBefore(entry: usize): usize {
  const head = sourceHead(entry, false);
  return head === 0 ? 0 : (load<u32>(head, HEAD_FIRST) as usize);
}

/** Where the source of an entry has its list. `wanted`: it is made when there is none. 0: there is none, or no memory for it. */
function sourceHead(entry: usize, wanted: bool): usize {
  keySource(entry);
  const zone = entryZoneIn(entry, 0);
  if (zone !== 0) keyZone(zone);
  // The kernel's hash knows zones of both directions only (hash_by_src).
  if (zone !== 0 && (load<u32>(entry, ENTRY_STATUS) & STATUS_ZONE_OF_ONE) !== 0) keyApart();
  const known = lookup(keyLow, keyHigh, keyHash, keyIs6, EITHER_WAY);
  if (known !== 0 || !wanted) return known;
  const head = allocateRecord();
  if (head === 0) return 0;
  putKey(head, 0);
  store<u32>(head, STATUS_HEAD, ENTRY_STATUS);
  insertRecord(head);
  return head;
}

/** The newest of a head's list. */
function link(head: usize, alias: usize): void {
  const older = load<u32>(head, HEAD_FIRST) as usize;
  store<u32>(alias, older as u32, ALIAS_OLDER);
  store<u32>(alias, 0, ALIAS_NEWER);
  store<u32>(alias, head as u32, ALIAS_HEAD);
  if (older !== 0) store<u32>(older, alias as u32, ALIAS_NEWER);
  store<u32>(head, alias as u32, HEAD_FIRST);
}

/** Takes an alias out of its list. Out: the head, when the list is empty now, else 0. */
function unlink(alias: usize): usize {
  const head = load<u32>(alias, ALIAS_HEAD) as usize;
  if (head === 0) return 0;
  const newer = load<u32>(alias, ALIAS_NEWER) as usize;
  const older = load<u32>(alias, ALIAS_OLDER) as usize;
  if (older !== 0) store<u32>(older, newer as u32, ALIAS_NEWER);
  if (newer !== 0) store<u32>(newer, older as u32, ALIAS_OLDER);
  else store<u32>(head, older as u32, HEAD_FIRST);
  store<u32>(alias, 0, ALIAS_HEAD);
  return newer === 0 && older === 0 ? head : 0;
}
