/**
 * PPTP (net/netfilter/nf_conntrack_pptp.c): requests and answers of the control connection, until both sides' call ids are agreed on and the data between them is expected. Where addresses are translated the server
 * knows the client's calls by the port it sees (net/ipv4/netfilter/nf_nat_pptp.c).
 */
import { CT_ESTABLISHED, FIELD_CT_DIRECTION, FIELD_CT_STATE } from '../../../src/abi/fields';
import { PACKET_JIFFIES } from '../../../src/abi/packet';
import { entryPort } from '../accessors';
import { endCall } from '../call-end';
import { CALL_OWN_PNS, CALL_PAC, CALL_PNS, CALL_SESSION, CALL_STATE, forgetKeys, tellKeys } from '../calls';
import { PROTOCOL_GRE } from '../entry';
import { EXPECT_FOLLOWS, EXPECT_SPORT, EXPECT_SPORT_MASK, expect, FOLLOWS_SOURCE, FORESEEN, unexpect } from '../expectations';
import { ensureRecord } from '../help';
import { dataAt, dataEnd, dataLength, foresee, foreseeSource, hasTcpData } from './foresee';
import { TELL_BYTES } from './telling';
import { foreseeFollowing, isTranslated, tellInstead } from './translated';

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

/** Where in a body the client's id of a call stands: nowhere. */
const NO_ID: u32 = 0xff;

/** The message's body. */
let body: usize = 0;

function half(at: usize): u32 {
  return bswap(load<u16>(body + at)) as u32;
}

/** False: the packet is dropped. */
export function pptpHelp(slot: usize, entry: usize): bool {
  if (load<u32>(slot, FIELD_CT_STATE * 4) !== CT_ESTABLISHED || !hasTcpData(slot)) return true;
  const present = (dataEnd - dataAt) as u32;
  if (present < HEADER || dataLength < HEADER) return true;
  if ((bswap(load<u16>(dataAt, AT_KIND)) as u32) !== CONTROL || bswap(load<u32>(dataAt, AT_COOKIE)) !== COOKIE) return true;
  const type = bswap(load<u16>(dataAt, AT_TYPE)) as u32;
  const length = dataLength - HEADER;
  if (type <= LAST_TYPE && length < (load<u8>(LEAST + (type as usize)) as u32)) return true;
  // What the capture cut off nobody can read.
  if (present - HEADER < min(length, BODY_MOST)) return true;
  body = dataAt + (HEADER as usize);
  const record = ensureRecord(entry);
  const asks = load<u32>(slot, FIELD_CT_DIRECTION * 4) === 0;
  const at = asks ? asked(record, type) : answered(slot, entry, record, type);
  if (at === NO_ID || !isTranslated(entry)) return true;
  if (asks && type === 7) {
    store<u16>(record, load<u16>(record, CALL_PNS), CALL_OWN_PNS);
    store<u16>(record, entryPort(entry, 1, false), CALL_PNS);
  }
  const id: u32 = asks ? load<u16>(record, CALL_PNS) : load<u16>(record, CALL_OWN_PNS);
  return tellInstead(slot, entry, 0, id, body + (at as usize), 2, TELL_BYTES);
}

/** By whoever opened the connection. Out: where in the body the client's id of a call stands; NO_ID: there is none, or this is not the time for it. */
function asked(record: usize, type: u32): u32 {
  const session: u32 = load<u8>(record, CALL_SESSION);
  const state: u32 = load<u8>(record, CALL_STATE);
  if (type === 1) {
    if (session === SESSION_NONE) store<u8>(record, SESSION_REQUESTED, CALL_SESSION);
  } else if (type === 3) {
    store<u8>(record, SESSION_STOPPING, CALL_SESSION);
  } else if (type === 7 && session === SESSION_CONFIRMED) {
    store<u8>(record, CALL_OUT_REQUESTED, CALL_STATE);
    store<u16>(record, half(0), CALL_PNS);
    return 0;
  } else if (type === 10 && (state === CALL_IN_REQUESTED || state === CALL_IN_REPLIED)) {
    if (half(2) !== (load<u16>(record, CALL_PAC) as u32)) return NO_ID;
    const granted = (load<u8>(body, 4) as u32) === GRANTED;
    store<u8>(record, granted ? CALL_IN_REPLIED : CALL_NONE, CALL_STATE);
    if (granted) store<u16>(record, half(0), CALL_PNS);
    return 0;
  } else if (type === 12 && session === SESSION_CONFIRMED) {
    store<u8>(record, CALL_CLEARING, CALL_STATE);
    return 0;
  }
  return NO_ID;
}

/** By the other side. Out: as `asked`. */
function answered(slot: usize, entry: usize, record: usize, type: u32): u32 {
  const session: u32 = load<u8>(record, CALL_SESSION);
  if (type === 2 && session >= SESSION_REQUESTED) {
    store<u8>(record, (load<u8>(body, 2) as u32) === GRANTED ? SESSION_CONFIRMED : SESSION_ERROR, CALL_SESSION);
  } else if (type === 4 && session <= SESSION_STOPPING) {
    store<u8>(record, (load<u8>(body) as u32) === GRANTED ? SESSION_NONE : SESSION_ERROR, CALL_SESSION);
  } else if (type === 8 && session === SESSION_CONFIRMED) {
    return takesCall(slot, entry, record);
  } else if (type === 9 && session === SESSION_CONFIRMED) {
    store<u8>(record, CALL_IN_REQUESTED, CALL_STATE);
    store<u16>(record, half(0), CALL_PAC);
  } else if (type === 11 && session === SESSION_CONFIRMED) {
    return connectsCall(slot, entry, record);
  } else if (type === 13) {
    store<u8>(record, CALL_NONE, CALL_STATE);
    endCall(entry, record);
    return 0;
  } else if (type === 14 || type === 15) {
    return 0;
  }
  return NO_ID;
}

/** The server answers the client's call. Out: as `asked`. */
function takesCall(slot: usize, entry: usize, record: usize): u32 {
  const state: u32 = load<u8>(record, CALL_STATE);
  if (state !== CALL_OUT_REQUESTED && state !== CALL_OUT_CONFIRMED) return NO_ID;
  if (half(2) !== (load<u16>(record, CALL_PNS) as u32)) return NO_ID;
  const granted = (load<u8>(body, 4) as u32) === GRANTED;
  store<u8>(record, granted ? CALL_OUT_CONFIRMED : CALL_NONE, CALL_STATE);
  if (granted) {
    store<u16>(record, half(0), CALL_PAC);
    expectData(slot, entry, record);
  }
  return 2;
}

/** The server's own call, which the client answered, begins. Out: as `asked`. */
function connectsCall(slot: usize, entry: usize, record: usize): u32 {
  const state: u32 = load<u8>(record, CALL_STATE);
  if (state !== CALL_IN_REPLIED && state !== CALL_IN_CONFIRMED) return NO_ID;
  if (half(0) !== (load<u16>(record, CALL_PNS) as u32)) return NO_ID;
  store<u8>(record, CALL_IN_CONFIRMED, CALL_STATE);
  expectData(slot, entry, record);
  return 0;
}

/** Both directions and their keys, or nothing of it (exp_gre). In a translated connection what the client sends comes from its own id. */
function expectData(slot: usize, entry: usize, record: usize): void {
  const now = load<i64>(slot, PACKET_JIFFIES);
  const pns: u32 = load<u16>(record, CALL_PNS);
  const pac: u32 = load<u16>(record, CALL_PAC);
  const own: u32 = isTranslated(entry) ? load<u16>(record, CALL_OWN_PNS) : pns;
  if (!expectDirection(entry, 0, own, pac, pns, now)) return;
  if (!expectDirection(entry, 1, pac, pns, own, now)) {
    unexpect(entry);
    return;
  }
  if (tellKeys(record, 0, own, pac)) {
    if (tellKeys(record, 1, pac, pns)) return;
    forgetKeys(record);
  }
  unexpect(entry);
  unexpect(entry);
}

/** `behind`: the client's id behind the translation, the source's key of what it sends and the destination's of what it gets. */
function expectDirection(entry: usize, direction: u32, sender: u32, receiver: u32, behind: u32, now: i64): bool {
  foresee(entry, PROTOCOL_GRE, direction, receiver);
  foreseeSource(entry, direction);
  store<u32>(FORESEEN, sender, EXPECT_SPORT);
  store<u32>(FORESEEN, 0xffff, EXPECT_SPORT_MASK);
  if (isTranslated(entry)) {
    foreseeFollowing(direction, behind);
    if (direction === 0) store<u32>(FORESEEN, load<u32>(FORESEEN, EXPECT_FOLLOWS) | FOLLOWS_SOURCE, EXPECT_FOLLOWS);
  }
  return expect(entry, MOST, SECONDS, now);
}
