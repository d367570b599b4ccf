/**
 * nf_conntrack_max (nf_conntrack_core.c, __nf_conntrack_alloc and early_drop): room for one more connection. Confirmed connections stand in a queue, in the order of their confirmation; what is found
 * ASSURED at its head is taken out, for it stays so: each is passed once. Nobody looks at time before something can be over.
 */
import {
  TCP_SYN_SENT,
  TRACKING_FLAG_SPARSE,
  TRACKING_GRE_STREAM,
  TRACKING_LIMIT,
  TRACKING_SCTP,
  TRACKING_TCP,
} from '../../src/abi/conntrack';
import { CONTROL_TABLE_FULL } from '../../src/abi/control';
import { STATUS_ASSURED } from '../../src/abi/fields';
import { tally } from '../tally';
import { ENTRY_EXTENSION, ENTRY_STATUS, EXTENSION_NEWER, EXTENSION_OLDER } from './entry';
import { limited } from './extension';
import { flag, hz, parameter } from './parameters';
import { entries, release, remove, sweep } from './table';
import { NETBIOS_SECONDS } from './timeout';

const SCTP_STATES: u32 = 9;

/** Ends of the queue, 0 when it is empty. */
let oldest: usize = 0;
let newest: usize = 0;
/** Before these jiffies no connection's time is over. */
let quiet: i64 = 0;
/** The shortest time a packet can give a connection, in jiffies. */
let shortest: i64 = 0;

/** Once the parameters are there. */
export function limitInit(): void {
  oldest = 0;
  newest = 0;
  quiet = 0;
  shortest = NETBIOS_SECONDS * hz();
  for (let at: u32 = TRACKING_TCP + TCP_SYN_SENT * 4; at <= <u32>TRACKING_GRE_STREAM; at += 4) shorten(at);
  for (let state: u32 = 0; state < SCTP_STATES; state++) shorten(TRACKING_SCTP + (state << 2));
}

function shorten(at: u32): void {
  shortest = min(shortest, parameter(at) as i64);
}

/** A connection may begin, perhaps in the place of another. False: the packet is dropped. */
export function admit(now: i64): bool {
  if (!limited || entries < parameter(TRACKING_LIMIT)) return true;
  if (now >= quiet) quiet = min(sweep(now), now + shortest);
  if (entries < parameter(TRACKING_LIMIT)) return true;
  const gone = oldestUnassured();
  if (gone === 0) {
    tally(CONTROL_TABLE_FULL, 0);
    return false;
  }
  if (flag(TRACKING_FLAG_SPARSE)) {
    tally(CONTROL_TABLE_FULL, 1);
    return false;
  }
  tally(CONTROL_TABLE_FULL, 2);
  remove(gone);
  release(gone);
  return true;
}

function oldestUnassured(): usize {
  while (oldest !== 0 && (load<u32>(oldest, ENTRY_STATUS) & STATUS_ASSURED) !== 0) dequeue(oldest);
  return oldest;
}

function link(entry: usize, side: usize): usize {
  return load<u32>((load<u32>(entry, ENTRY_EXTENSION) as usize) + side) as usize;
}

function setLink(entry: usize, side: usize, to: usize): void {
  store<u32>((load<u32>(entry, ENTRY_EXTENSION) as usize) + side, to as u32);
}

/** A connection is in the table now. */
export function enqueue(entry: usize): void {
  setLink(entry, EXTENSION_NEWER, 0);
  setLink(entry, EXTENSION_OLDER, newest);
  if (newest !== 0) setLink(newest, EXTENSION_NEWER, entry);
  else oldest = entry;
  newest = entry;
}

/** It is no more in the table, or ASSURED. */
export function dequeue(entry: usize): void {
  const older = link(entry, EXTENSION_OLDER);
  const newer = link(entry, EXTENSION_NEWER);
  // It is out already.
  if (older === 0 && oldest !== entry) return;
  if (older !== 0) setLink(older, EXTENSION_NEWER, newer);
  else oldest = newer;
  if (newer !== 0) setLink(newer, EXTENSION_OLDER, older);
  else newest = older;
  setLink(entry, EXTENSION_OLDER, 0);
  setLink(entry, EXTENSION_NEWER, 0);
}
