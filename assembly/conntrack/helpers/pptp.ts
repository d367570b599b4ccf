/** PPTP (net/netfilter/nf_conntrack_pptp.c): requests and answers of the control connection, until both sides' call ids are agreed on and the data between them is expected. */
import { CT_ESTABLISHED, FIELD_CT_DIRECTION, FIELD_CT_STATE } from '../../../src/abi/fields';
import { PACKET_JIFFIES } from '../../../src/abi/packet';
import { endCall } from '../call-end';
import { CALL_PAC, CALL_PNS, CALL_SESSION, CALL_STATE, forgetKeys, tellKeys } from '../calls';
import { PROTOCOL_GRE } from '../entry';
import { EXPECT_SPORT, EXPECT_SPORT_MASK, expect, FORESEEN, unexpect } from '../expectations';
import { ensureRecord } from '../help';
import { dataAt, dataEnd, dataLength, foresee, foreseeSource, hasTcpData } from './foresee';

const MOST: u32 = 2;
const SECONDS: u32 = 300;

/** Of the data of a segment: u16 1, u32 the cookie, u16 the message's type; behind that its body. */
const AT_KIND: usize = 2;
const AT_COOKIE: usize = 4;
const AT_TYPE: usize = 8;
const HEADER: u32 = 12;
const CONTROL: u32 = 1;
const COOKIE: u32 = 0x1a2b3c4d;
/** As much of a body is looked at. */
const BODY_MOST: u32 = 208;
const LAST_TYPE: u32 = 15;
/** The least body, by type. */
const LEAST: usize = memory.data<u8>([0, 144, 144, 4, 4, 0, 0, 156, 20, 208, 12, 16, 4, 136, 28, 12]);
const GRANTED: u32 = 1;

/** CALL_SESSION, in the kernel's order. */
const SESSION_NONE: u32 = 0;
const SESSION_ERROR: u32 = 1;
const SESSION_STOPPING: u32 = 2;
const SESSION_REQUESTED: u32 = 3;
const SESSION_CONFIRMED: u32 = 4;

/** CALL_STATE. */
const CALL_NONE: u32 = 0;
const CALL_OUT_REQUESTED: u32 = 1;
const CALL_OUT_CONFIRMED: u32 = 2;
const CALL_IN_REQUESTED: u32 = 3;
const CALL_IN_REPLIED: u32 = 4;
const CALL_IN_CONFIRMED: u32 = 5;
const CALL_CLEARING: u32 = 6;

/** The message's body. */
let body: usize = 0;

function half(at: usize): u32 {
  return bswap(load<u16>(body + at)) as u32;
}

export function pptpHelp(slot: usize, entry: usize): void {
  if (load<u32>(slot, FIELD_CT_STATE * 4) !== CT_ESTABLISHED || !hasTcpData(slot)) return;
  const present = (dataEnd - dataAt) as u32;
  if (present < HEADER || dataLength < HEADER) return;
  if ((bswap(load<u16>(dataAt, AT_KIND)) as u32) !== CONTROL || bswap(load<u32>(dataAt, AT_COOKIE)) !== COOKIE) return;
  const type = bswap(load<u16>(dataAt, AT_TYPE)) as u32;
  const length = dataLength - HEADER;
  if (type <= LAST_TYPE && length < (load<u8>(LEAST + (type as usize)) as u32)) return;
  // What the capture cut off nobody can read.
  if (present - HEADER < min(length, BODY_MOST)) return;
  body = dataAt + (HEADER as usize);
  const record = ensureRecord(entry);
  if (load<u32>(slot, FIELD_CT_DIRECTION * 4) === 0) asked(record, type);
  else answered(slot, entry, record, type);
}

/** By whoever opened the connection. */
function asked(record: usize, type: u32): void {
  const session: u32 = load<u8>(record, CALL_SESSION);
  const state: u32 = load<u8>(record, CALL_STATE);
  if (type === 1) {
    if (session === SESSION_NONE) store<u8>(record, SESSION_REQUESTED, CALL_SESSION);
  } else if (type === 3) {
    store<u8>(record, SESSION_STOPPING, CALL_SESSION);
  } else if (type === 7 && session === SESSION_CONFIRMED) {
    store<u8>(record, CALL_OUT_REQUESTED, CALL_STATE);
    store<u16>(record, half(0), CALL_PNS);
  } else if (type === 10 && (state === CALL_IN_REQUESTED || state === CALL_IN_REPLIED)) {
    if (half(2) !== (load<u16>(record, CALL_PAC) as u32)) return;
    const granted = (load<u8>(body, 4) as u32) === GRANTED;
    store<u8>(record, granted ? CALL_IN_REPLIED : CALL_NONE, CALL_STATE);
    if (granted) store<u16>(record, half(0), CALL_PNS);
  } else if (type === 12 && session === SESSION_CONFIRMED) {
    store<u8>(record, CALL_CLEARING, CALL_STATE);
  }
}

/** By the other side. */
function answered(slot: usize, entry: usize, record: usize, type: u32): void {
  const session: u32 = load<u8>(record, CALL_SESSION);
  const state: u32 = load<u8>(record, CALL_STATE);
  if (type === 2 && session >= SESSION_REQUESTED) {
    store<u8>(record, (load<u8>(body, 2) as u32) === GRANTED ? SESSION_CONFIRMED : SESSION_ERROR, CALL_SESSION);
  } else if (type === 4 && session <= SESSION_STOPPING) {
    store<u8>(record, (load<u8>(body) as u32) === GRANTED ? SESSION_NONE : SESSION_ERROR, CALL_SESSION);
  } else if (type === 8) {
    if (session !== SESSION_CONFIRMED || (state !== CALL_OUT_REQUESTED && state !== CALL_OUT_CONFIRMED)) return;
    if (half(2) !== (load<u16>(record, CALL_PNS) as u32)) return;
    const granted = (load<u8>(body, 4) as u32) === GRANTED;
    store<u8>(record, granted ? CALL_OUT_CONFIRMED : CALL_NONE, CALL_STATE);
    if (!granted) return;
    store<u16>(record, half(0), CALL_PAC);
    expectData(slot, entry, record);
  } else if (type === 9 && session === SESSION_CONFIRMED) {
    store<u8>(record, CALL_IN_REQUESTED, CALL_STATE);
    store<u16>(record, half(0), CALL_PAC);
  } else if (type === 11) {
    if (session !== SESSION_CONFIRMED || (state !== CALL_IN_REPLIED && state !== CALL_IN_CONFIRMED)) return;
    if (half(0) !== (load<u16>(record, CALL_PNS) as u32)) return;
    store<u8>(record, CALL_IN_CONFIRMED, CALL_STATE);
    expectData(slot, entry, record);
  } else if (type === 13) {
    store<u8>(record, CALL_NONE, CALL_STATE);
    endCall(entry, record);
  }
}

/** Both directions and their keys, or nothing of it (exp_gre). */
function expectData(slot: usize, entry: usize, record: usize): void {
  const now = load<i64>(slot, PACKET_JIFFIES);
  const pns: u32 = load<u16>(record, CALL_PNS);
  const pac: u32 = load<u16>(record, CALL_PAC);
  if (!expectDirection(entry, 0, pns, pac, now)) return;
  if (!expectDirection(entry, 1, pac, pns, now)) {
    unexpect(entry);
    return;
  }
  if (tellKeys(record, 0, pns, pac)) {
    if (tellKeys(record, 1, pac, pns)) return;
    forgetKeys(record);
  }
  unexpect(entry);
  unexpect(entry);
}

function expectDirection(entry: usize, direction: u32, sender: u32, receiver: u32, now: i64): bool {
  foresee(entry, PROTOCOL_GRE, direction, receiver);
  foreseeSource(entry, direction);
  store<u32>(FORESEEN, sender, EXPECT_SPORT);
  store<u32>(FORESEEN, 0xffff, EXPECT_SPORT_MASK);
  return expect(entry, MOST, SECONDS, now);
}
