/**
 * Calls of PPTP, remembered with the control connection: the ids of the last call, and the keys its data, GRE, has in both directions. A packet bears the receiver's key only; the sender's is looked up here
 * (the keymap of net/netfilter/nf_conntrack_proto_gre.c). Control connection and data end together (nf_conntrack_pptp.c).
 */
import { STATUS_CONFIRMED } from '../../src/abi/fields';
import { HELPER_PPTP } from '../../src/abi/helpers';
import { entryAddress, entryProtocol } from './accessors';
import { ENTRY_HASH, ENTRY_STATUS, PROTOCOL_GRE } from './entry';
import { entryHelper, RECORD_ENTRY, RECORD_MEMORY, recordOf } from './help';

/** Of a record: u8 each, the states of session and call; u16 each, the ids of the client's side and the server's. */
export const CALL_SESSION: usize = RECORD_MEMORY;
export const CALL_STATE: usize = RECORD_MEMORY + 1;
export const CALL_PNS: usize = RECORD_MEMORY + 2;
export const CALL_PAC: usize = RECORD_MEMORY + 4;
/** u8: a bit for each direction whose keys are told; u16 each: the sender's key of both directions, then the receiver's; u32: the record that told next. */
const CALL_TOLD: usize = RECORD_MEMORY + 6;
const CALL_SENDERS: usize = RECORD_MEMORY + 8;
const CALL_RECEIVERS: usize = RECORD_MEMORY + 12;
const CALL_NEXT: usize = RECORD_MEMORY + 16;
/** u32: the record that told before. */
const CALL_PREVIOUS: usize = RECORD_MEMORY + 24;
/** u16: the id that the client of a translated connection gave itself, where CALL_PNS is what the server knows. */
export const CALL_OWN_PNS: usize = RECORD_MEMORY + 20;

/** u32 each, of the data's entry: the control connection's, and the hash of its key, by which it is known to be the same. */
const DATA_MASTER: usize = 40;
const DATA_MASTER_HASH: usize = 44;

const VERSION_MASK: u32 = 7;
const VERSION_PPTP: u32 = 1;
const PPTP_SIZE: u32 = 8;

/** The records that told keys, in that order. */
let first: usize = 0;
let last: usize = 0;

export function callsInit(): void {
  first = 0;
  last = 0;
}

/** The key of the sender of a GRE packet over IPv4 (addresses in host order) to `key`; 0 when nobody told it. `present`: bytes of the header. */
export function senderKey(header: usize, present: u32, source: u32, destination: u32, key: u32): u32 {
  if (first === 0 || present < PPTP_SIZE || ((load<u8>(header, 1) as u32) & VERSION_MASK) !== VERSION_PPTP) return 0;
  for (let record = first; record !== 0; record = load<u32>(record, CALL_NEXT) as usize) {
    const entry: usize = load<u32>(record, RECORD_ENTRY);
    for (let direction: u32 = 0; direction < 2; direction++) {
      if (!isTold(record, direction) || receiverOf(record, direction) !== key) continue;
      if (entryAddress(entry, direction, true, 0) !== source || entryAddress(entry, direction, false, 0) !== destination)
        continue;
      return load<u16>(record + ((direction << 1) as usize), CALL_SENDERS) as u32;
    }
  }
  return 0;
}

function isTold(record: usize, direction: u32): bool {
  return (((load<u8>(record, CALL_TOLD) as u32) >>> direction) & 1) !== 0;
}

function receiverOf(record: usize, direction: u32): u32 {
  return load<u16>(record + ((direction << 1) as usize), CALL_RECEIVERS) as u32;
}

/** A control connection tells the keys of a direction. False: it has told others. */
export function tellKeys(record: usize, direction: u32, sender: u32, receiver: u32): bool {
  if (isTold(record, direction)) return receiverOf(record, direction) === receiver;
  if (load<u8>(record, CALL_TOLD) === 0) append(record);
  store<u8>(record, (load<u8>(record, CALL_TOLD) as u32) | (1 << direction), CALL_TOLD);
  store<u16>(record + ((direction << 1) as usize), sender, CALL_SENDERS);
  store<u16>(record + ((direction << 1) as usize), receiver, CALL_RECEIVERS);
  return true;
}

function append(record: usize): void {
  store<u32>(record, 0, CALL_NEXT);
  store<u32>(record, last as u32, CALL_PREVIOUS);
  if (last === 0) first = record;
  else store<u32>(last, record as u32, CALL_NEXT);
  last = record;
}

/** The keys of a control connection are those of nobody. */
export function forgetKeys(record: usize): void {
  if (load<u8>(record, CALL_TOLD) === 0) return;
  store<u8>(record, 0, CALL_TOLD);
  const before = load<u32>(record, CALL_PREVIOUS) as usize;
  const behind = load<u32>(record, CALL_NEXT) as usize;
  if (before === 0) first = behind;
  else store<u32>(before, behind as u32, CALL_NEXT);
  if (behind === 0) last = before;
  else store<u32>(behind, before as u32, CALL_PREVIOUS);
}

/** A connection whose end is not its own alone: data, or a control connection. Only the collector sweeps it (collector.ts), for whom it takes along must not hang on when room was needed. */
export function isOfCall(entry: usize): bool {
  if (entryProtocol(entry) === PROTOCOL_GRE) return load<u32>(entry, DATA_MASTER_HASH) !== 0;
  return entryHelper(entry) === HELPER_PPTP;
}

/** A connection is the data of a call. */
export function dataBegins(entry: usize, master: usize): void {
  store<u32>(entry, master as u32, DATA_MASTER);
  store<u32>(entry, load<u32>(master, ENTRY_HASH), DATA_MASTER_HASH);
}

/** Data is no more, or never came to be: nor are the keys. */
export function dataEnds(entry: usize): void {
  if (entryProtocol(entry) !== PROTOCOL_GRE) return;
  const master: usize = load<u32>(entry, DATA_MASTER);
  if (load<u32>(master, ENTRY_HASH) !== load<u32>(entry, DATA_MASTER_HASH)) return;
  if (entryHelper(master) !== HELPER_PPTP || (load<u32>(master, ENTRY_STATUS) & STATUS_CONFIRMED) === 0) return;
  const record = recordOf(master);
  if (record !== 0) forgetKeys(record);
}
