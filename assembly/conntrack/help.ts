/**
 * What helpers remember of connections: a record for a connection that has something to remember, found by its entry. The entry itself has two numbers in its status: the
 * helper that it was assigned to, and that of the connection which expected it.
 */
import { HELPER_NONE } from '../../src/abi/helpers';
import { ENTRY_STATUS, STATUS_HELPER, STATUS_HELPER_SHIFT, STATUS_MASTER_SHIFT } from './entry';
import { giveBlock, helpBucket, helpIsThere, takeBlock } from './help-region';

/** u32: next record of the bucket; the entry; its newest expectation; and one that is free. */
const RECORD_NEXT: usize = 0;
export const RECORD_ENTRY: usize = 4;
export const RECORD_EXPECTATION: usize = 8;
/** The helper's own, zero at first. */
export const RECORD_MEMORY: usize = 16;

/** Six u32 (sequence.ts), behind all that helpers remember. */
export const RECORD_SHIFTS: usize = 80;

/** HELPER_* of an entry. */
export function entryHelper(entry: usize): u32 {
  return (load<u32>(entry, ENTRY_STATUS) & STATUS_HELPER) >>> STATUS_HELPER_SHIFT;
}

/** HELPER_* of the connection that expected this one. */
export function entryMasterHelper(entry: usize): u32 {
  return (load<u32>(entry, ENTRY_STATUS) >>> STATUS_MASTER_SHIFT) & (STATUS_HELPER >>> STATUS_HELPER_SHIFT);
}

/** A new connection is assigned to a helper. */
export function assignHelper(entry: usize, helper: u32): void {
  store<u32>(entry, load<u32>(entry, ENTRY_STATUS) | (helper << STATUS_HELPER_SHIFT), ENTRY_STATUS);
}

function bucketOf(entry: usize): usize {
  return helpBucket((entry as u32) * 0x9e3779b1, false);
}

/** The record of an entry; 0 when there is none. */
export function recordOf(entry: usize): usize {
  let record = load<u32>(bucketOf(entry)) as usize;
  while (record !== 0 && (load<u32>(record, RECORD_ENTRY) as usize) !== entry) record = load<u32>(record, RECORD_NEXT) as usize;
  return record;
}

/** The record of an entry, made when there is none. */
export function ensureRecord(entry: usize): usize {
  const known = recordOf(entry);
  if (known !== 0) return known;
  const record = takeBlock();
  const bucket = bucketOf(entry);
  store<u32>(record, load<u32>(bucket), RECORD_NEXT);
  store<u32>(record, entry as u32, RECORD_ENTRY);
  store<u32>(bucket, record as u32);
  return record;
}

/** Takes the record of an entry away; its expectations are gone already. */
export function dropRecord(record: usize): void {
  let link = bucketOf(load<u32>(record, RECORD_ENTRY) as usize);
  while ((load<u32>(link) as usize) !== record) link = (load<u32>(link) as usize) + RECORD_NEXT;
  store<u32>(link, load<u32>(record, RECORD_NEXT));
  giveBlock(record);
}

/** Whether an entry may have a record. */
export function mayRemember(entry: usize): bool {
  return entryHelper(entry) !== HELPER_NONE && helpIsThere();
}
