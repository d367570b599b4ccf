/** What connections have beside their entries when rules or sysctls ask for it: packets and bytes (nf_conntrack_acct.c), labels (nf_conntrack_labels.c), their place in the queue of limit.ts. */
import {
  TRACKING_FLAG_ACCOUNTING,
  TRACKING_FLAG_LABELS,
  TRACKING_FLAG_MASTERS,
  TRACKING_FLAG_ZONES_OF_ONE,
  TRACKING_LIMIT,
} from '../../src/abi/conntrack';
import { FIELD_LENGTH } from '../../src/abi/fields';
import { entryAddress } from './accessors';
import { ENTRY_EXTENSION, EXTENSION_COUNTERS, EXTENSION_LABELS, EXTENSION_MASTER } from './entry';
import { flag, parameter } from './parameters';

/** Entries have extensions; those count; there is a limit to the number of connections. */
export let extended: bool = false;
export let accounting: bool = false;
export let limited: bool = false;
/** One direction of a connection may be in a zone (zones.ts). */
export let zonesOfOne: bool = false;
/** Of the packet in hand: its direction and its bytes. */
let direction: u32 = 0;
let bytes: u64 = 0;

/** Once the parameters are there. */
export function extensionInit(): void {
  accounting = flag(TRACKING_FLAG_ACCOUNTING);
  limited = parameter(TRACKING_LIMIT) !== 0;
  zonesOfOne = flag(TRACKING_FLAG_ZONES_OF_ONE);
  extended = accounting || limited || flag(TRACKING_FLAG_LABELS) || flag(TRACKING_FLAG_MASTERS);
}

/** A tracker is about to look at a packet of this direction. */
export function beginAccount(slot: usize, towards: u32): void {
  direction = towards;
  bytes = load<u32>(slot, FIELD_LENGTH * 4) as u64;
}

/** The packet in hand keeps the connection alive, and so it counts (nf_ct_acct_update). */
export function account(entry: usize): void {
  const at = counters(entry, direction);
  if (at === 0) return;
  store<u64>(at, load<u64>(at) + 1);
  store<u64>(at, load<u64>(at, 8) + bytes, 8);
}

/** Packets and, 8 bytes behind, bytes of a direction; 0 where nobody counts. */
export function counters(entry: usize, towards: u32): usize {
  const extension = load<u32>(entry, ENTRY_EXTENSION) as usize;
  return accounting && extension !== 0 ? extension + EXTENSION_COUNTERS + ((towards as usize) << 4) : 0;
}

/** The word of labels (32 in each of four) with label `number`; 0 where the connection can have none. */
export function labelWord(entry: usize, number: u32): usize {
  const extension = load<u32>(entry, ENTRY_EXTENSION) as usize;
  return flag(TRACKING_FLAG_LABELS) && extension !== 0 ? extension + EXTENSION_LABELS + (((number >>> 5) << 2) as usize) : 0;
}

/** The connection was expected: the first word of where its master was opened from outlives the master. */
export function keepMaster(entry: usize, master: usize): void {
  const extension = load<u32>(entry, ENTRY_EXTENSION) as usize;
  if (extension === 0) return;
  store<u32>(extension, entryAddress(master, 0, true, 0), EXTENSION_MASTER);
}

/** That word; for connections that were expected, where rules ask for it. */
export function masterAddress(entry: usize): u32 {
  return load<u32>(load<u32>(entry, ENTRY_EXTENSION) as usize, EXTENSION_MASTER);
}
