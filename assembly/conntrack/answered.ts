/** The connection of a refused packet, kept for the host's answer to it (nf_ct_attach): until the answer comes, or is no longer waited for. */
import { CT_RELATED, CT_UNTRACKED, FIELD_CT_DIRECTION, FIELD_CT_STATE } from '../../src/abi/fields';
import { PACKET_CT_ENTRY, PACKET_CT_GUESS, PACKET_CT_UNCONFIRMED, PACKET_JIFFIES } from '../../src/abi/packet';
import { entryZoneIn } from './accessors';
import { end } from './end';
import { ENTRY_SIZE, ENTRY_STATUS, STATUS_DYING } from './entry';
import { releaseRecords, takeBack } from './table';
import { takeForSeen } from './template';
import { attach } from './track';
import { keyRecord } from './tuple';
import { findBeside } from './zones';

/** u32: an entry that is in no table, which is kept; the direction of the refused packet; IN_TABLE, or UNTRACKED: there was none on purpose; the zone of its answers. */
const HELD: usize = 0;
const DIRECTION: usize = 4;
const KIND: usize = 8;
const ZONE: usize = 12;
/** The entry in the table as it was, for its key. */
const KEY: usize = 16;
const IN_TABLE: u32 = 1;
const UNTRACKED: u32 = 2;
export const KEPT_SIZE: usize = KEY + ENTRY_SIZE;

/** The packet in hand is refused. Its connection is in the KEPT_SIZE bytes at `at` afterwards; one that it opened, or that it ended, is no longer the packet's to forget. */
export function keepConnection(slot: usize, at: usize): void {
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  store<u32>(at, load<u32>(slot, FIELD_CT_DIRECTION * 4), DIRECTION);
  if (entry === 0) {
    if (load<u32>(slot, FIELD_CT_STATE * 4) === <u32>CT_UNTRACKED) store<u32>(at, UNTRACKED, KIND);
    return;
  }
  const status = load<u32>(entry, ENTRY_STATUS);
  const opened = load<u32>(slot, PACKET_CT_UNCONFIRMED) !== 0;
  if (!opened && (status & STATUS_DYING) === 0) {
    store<u32>(at, IN_TABLE, KIND);
    store<u32>(at, entryZoneIn(entry, 1), ZONE);
    memory.copy(at + KEY, entry, ENTRY_SIZE);
    return;
  }
  if (!opened && !takeBack(entry)) return;
  end(entry);
  store<u32>(at, entry as u32, HELD);
  store<u32>(slot, 0, PACKET_CT_ENTRY);
  store<u32>(slot, 0, PACKET_CT_UNCONFIRMED);
}

/** Nobody needs it any more. The bytes at `at` are zero afterwards. */
export function dropConnection(at: usize): void {
  const held: usize = load<u32>(at, HELD);
  if (held !== 0) releaseRecords(held);
  store<u64>(at, 0);
  store<u64>(at, 0, 8);
}

/** The packet in hand is the answer: it gets the connection, RELATED and in the other direction. What was in the table and is no more leaves it as it was. */
export function attachConnection(slot: usize, at: usize): void {
  let entry: usize = load<u32>(at, HELD);
  const kind = load<u32>(at, KIND);
  if (kind === IN_TABLE) {
    keyRecord(at + KEY);
    entry = findBeside(load<u32>(at, ZONE), load<i64>(slot, PACKET_JIFFIES));
  }
  if (kind === UNTRACKED) takeForSeen(slot);
  if (entry === 0) return;
  attach(slot, CT_RELATED, 1 - load<u32>(at, DIRECTION), entry);
  // It confirms nothing: that is for the packet that opened it.
  store<u32>(slot, 0, PACKET_CT_UNCONFIRMED);
  store<u32>(slot, 0, PACKET_CT_GUESS);
}
