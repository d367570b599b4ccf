/** SIP (nf_conntrack_sip.c; its parameters as they are): what registrations and calls announce. */
import {
  CT_ESTABLISHED,
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_FAMILY,
  FIELD_L4_LENGTH,
  FIELD_LENGTH,
  STATUS_EXPECTED,
} from '../../../src/abi/fields';
import { HELPER_SIP } from '../../../src/abi/helpers';
import { PACKET_IP, PACKET_JIFFIES, PACKET_L4_OFFSET } from '../../../src/abi/packet';
import { entryPort, entryProtocol, isAt } from '../accessors';
import { ENTRY_STATUS, PROTOCOL_TCP, PROTOCOL_UDP } from '../entry';
import {
  EXPECT_ASSIGNS_SHIFT,
  EXPECT_DESTINATION,
  EXPECT_FLAGS,
  EXPECT_INACTIVE,
  EXPECT_PERMANENT,
  EXPECTED,
  FORESEEN,
  forgetKinds,
  kindFlag,
  renew,
  tryExpect,
} from '../expectations';
import { ensureRecord, RECORD_MEMORY } from '../help';
import { hz } from '../parameters';
import { shiftFrom } from '../sequence';
import { setLife } from '../timeout';
import { dataAt, dataEnd, foresee, foreseeSource, hasTcpData, sequence as segment } from './foresee';
import { expectMedia } from './sip-media';
import { expectCallsSeen, HEARS, translateMessage } from './sip-nat';
import {
  ABSENT,
  ADDRESS,
  begin,
  byteOf,
  FOUND,
  findHeader,
  findParameter,
  findUri,
  HEADER_CONTACT,
  HEADER_CSEQ,
  HEADER_EXPIRES,
  HEADER_LENGTH,
  HEADER_VIA_UDP,
  isLetter,
  isWord,
  limit,
  numberRead,
  parameterEnd,
  portRead,
  readEnd,
  readNumber,
  takeMessage,
  valueAt,
  valueLength,
} from './sip-text';
import { isTranslated } from './translated';

const LIFETIME: u32 = 3600;
const SHORTEST: u32 = 11;
const SECONDS: u32 = 180;
const UDP_HEADER_SIZE: u32 = 8;
/** Of a connection: CSeq of the registration, of the call. */
const REGISTERED: usize = RECORD_MEMORY;
const INVITED: usize = RECORD_MEMORY + 4;

/** `sip/2.0 `, `expires=`, `transport=`, `tcp`, `udp`. */
const ANSWER: usize = memory.data<u8>([115, 105, 112, 47, 50, 46, 48, 32]);
const ANSWER_SIZE: u32 = 8;
const EXPIRES: usize = memory.data<u8>([101, 120, 112, 105, 114, 101, 115, 61]);
const TRANSPORT: usize = memory.data<u8>([116, 114, 97, 110, 115, 112, 111, 114, 116, 61]);
const TCP: usize = memory.data<u8>([116, 99, 112]);
const UDP: usize = memory.data<u8>([117, 100, 112]);

/** Methods in the order in which they are tried: eight bytes of word each, and its length. */
const INVITE: u32 = 0;
const ACK: u32 = 2;
const BYE: u32 = 4;
const REGISTER: u32 = 5;
const METHODS: u32 = 6;
const WORDS: usize = memory.data<u8>([
  105, 110, 118, 105, 116, 101, 0, 0, 117, 112, 100, 97, 116, 101, 0, 0, 97, 99, 107, 0, 0, 0, 0, 0, 112, 114, 97, 99, 107, 0, 0,
  0, 98, 121, 101, 0, 0, 0, 0, 0, 114, 101, 103, 105, 115, 116, 101, 114,
]);
const LENGTHS: usize = memory.data<u8>([6, 6, 3, 5, 3, 8]);

let slot: usize = 0;
let entry: usize = 0;
let now: i64 = 0;
/** CSeq of the message in hand. */
let sequence: u32 = 0;

/** False: the packet is dropped. */
export function sipHelp(packet: usize, connection: usize): bool {
  slot = packet;
  entry = connection;
  now = load<i64>(slot, PACKET_JIFFIES);
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  if (entryProtocol(entry) === PROTOCOL_TCP) {
    if (load<u32>(slot, FIELD_CT_STATE * 4) !== CT_ESTABLISHED || !hasTcpData(slot)) return true;
    setLife(entry, LIFETIME * hz(), now);
    return readStream(six);
  }
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  if (load<u32>(slot, FIELD_LENGTH * 4) <= offset + UDP_HEADER_SIZE) return true;
  setLife(entry, LIFETIME * hz(), now);
  const header = (load<u32>(slot, PACKET_IP) + offset) as usize;
  const end = header + (load<u32>(slot, FIELD_L4_LENGTH * 4) as usize);
  const from = header + (UDP_HEADER_SIZE as usize);
  return end < from + (SHORTEST as usize) || readMessage(from, end, six);
}

/** One message behind the other, as long as they say and are there. */
function readStream(six: bool): bool {
  let from = dataAt;
  let all = dataEnd;
  let grown: i32 = 0;
  if (all < from + (SHORTEST as usize)) return true;
  while (true) {
    takeMessage(from, all, six);
    if (findHeader(HEADER_LENGTH, from) !== FOUND || !readNumber(valueAt, all)) break;
    const length = numberRead;
    if (length > ((all - from) as u32)) break;
    let end = readEnd;
    while (end + 4 <= all && load<u32>(end) !== 0x0a0d0a0d) end++;
    if (end + 4 > all) break;
    end += 4 + (length as usize);
    // The kernel does not count then how much longer the messages before it became.
    if (end > all) return true;
    if (!readMessage(from, end, six)) return false;
    grown += (limit - begin - (end - from)) as i32;
    // Where it is now, and what follows it.
    from = limit;
    all = limit + (all - end);
  }
  if (grown !== 0) shiftFrom(entry, load<u32>(slot, FIELD_CT_DIRECTION * 4), segment, grown);
  return true;
}

function readMessage(from: usize, end: usize, six: bool): bool {
  takeMessage(from, end, six);
  if (!(isWord(from, ANSWER, ANSWER_SIZE) ? readAnswer() : readRequest())) return false;
  return !isTranslated(entry) || translateMessage(slot, entry);
}

function readSequence(): bool {
  if (findHeader(HEADER_CSEQ, begin) !== FOUND || !readNumber(valueAt, limit)) return false;
  sequence = numberRead;
  return true;
}

function isMethod(method: u32, at: usize): bool {
  return isWord(at, WORDS + ((method as usize) << 3), load<u8>(LENGTHS + (method as usize)) as u32);
}

function readRequest(): bool {
  const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4);
  if (findUri(HEADER_VIA_UDP, begin, false) === FOUND && portRead !== entryPort(entry, direction, true)) {
    if (isAt(entry, direction, true, ADDRESS)) store<u32>(ensureRecord(entry), portRead, HEARS);
  }
  for (let method: u32 = 0; method < METHODS; method++) {
    const behind = begin + (load<u8>(LENGTHS + (method as usize)) as usize);
    if (behind + 2 > limit || !isMethod(method, begin)) continue;
    if (byteOf(behind) !== 32 || !isLetter(byteOf(behind + 1))) continue;
    if (!readSequence()) return false;
    return request(method);
  }
  return true;
}

function request(method: u32): bool {
  if (method === REGISTER) return register();
  if (method === INVITE || method === BYE) forgetKinds(entry, true);
  if (method === BYE) return true;
  if (!expectMedia(slot, entry)) return false;
  if (method === INVITE) store<u32>(ensureRecord(entry), sequence, INVITED);
  return true;
}

function readAnswer(): bool {
  if (begin + (SHORTEST as usize) > limit) return true;
  if (!readNumber(begin + (ANSWER_SIZE as usize), limit) || numberRead === 0) return false;
  const code = numberRead;
  if (!readSequence()) return false;
  const at = valueAt + (valueLength as usize) + 1;
  for (let method: u32 = 0; method < METHODS; method++) {
    if (method === ACK || method === BYE || !isMethod(method, at)) continue;
    return answer(method, code);
  }
  return true;
}

function answer(method: u32, code: u32): bool {
  if (method === REGISTER) return registered(code);
  if (code >= 100 && code <= 299) return expectMedia(slot, entry);
  if (load<u32>(ensureRecord(entry), INVITED) === sequence) forgetKinds(entry, true);
  return true;
}

/** The contact announces where the registrar will call, once it has agreed. */
function register(): bool {
  if ((load<u32>(entry, ENTRY_STATUS) & STATUS_EXPECTED) !== 0) return true;
  const usual = headerLifetime();
  if (findUri(HEADER_CONTACT, begin, false) === ABSENT) return true;
  const contact = valueAt;
  const behind = readEnd;
  const port = portRead;
  const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4);
  if (!isAt(entry, direction, true, ADDRESS) || !fitsTransport(behind)) return true;
  if (!readLifetime(behind, usual)) return false;
  if (lifetime !== 0 && !expectCalls(direction, port, contact, (behind - contact) as u32)) return false;
  store<u32>(ensureRecord(entry), sequence, REGISTERED);
  return true;
}

/** `contact`: where the message has them, in so many bytes. */
function expectCalls(direction: u32, port: u32, contact: usize, length: u32): bool {
  foresee(entry, entryProtocol(entry), 1 - direction, port);
  foreseeSource(entry, 1 - direction);
  memory.copy(FORESEEN + EXPECT_DESTINATION, ADDRESS, 16);
  store<u32>(FORESEEN, EXPECT_PERMANENT | EXPECT_INACTIVE | (HELPER_SIP << EXPECT_ASSIGNS_SHIFT) | kindFlag(0), EXPECT_FLAGS);
  if (isTranslated(entry)) return expectCallsSeen(slot, entry, direction, port, SECONDS, contact, length);
  return tryExpect(entry, 1, SECONDS, now, false) === EXPECTED;
}

function registered(code: u32): bool {
  if (load<u32>(ensureRecord(entry), REGISTERED) !== sequence || (code >= 100 && code <= 199)) return true;
  if (code >= 200 && code <= 299) {
    const usual = headerLifetime();
    const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4);
    let from = begin;
    let listed = false;
    while (true) {
      if (findUri(HEADER_CONTACT, from, listed) === ABSENT) break;
      listed = true;
      from = readEnd;
      const port = portRead;
      if (!isAt(entry, direction, false, ADDRESS) || !fitsTransport(from)) continue;
      if (!readLifetime(from, usual)) return false;
      if (lifetime === 0) break;
      if (renew(entry, entryProtocol(entry), ADDRESS, port, now, now + ((lifetime * hz()) as i32 as i64))) return true;
    }
  }
  forgetKinds(entry, false);
  return true;
}

/** Of the Expires header; 0 without one. */
function headerLifetime(): u32 {
  return findHeader(HEADER_EXPIRES, begin) === FOUND && readNumber(valueAt, limit) ? numberRead : 0;
}

let lifetime: u32 = 0;

/** Of the contact that ends at `from`, else the usual one. False: what it says is no number. */
function readLifetime(from: usize, usual: u32): bool {
  lifetime = usual;
  const at = findParameter(from, EXPIRES, 8);
  if (at === 0) return true;
  if (!readNumber(at, parameterEnd)) return false;
  lifetime = numberRead;
  return true;
}

function fitsTransport(from: usize): bool {
  const at = findParameter(from, TRANSPORT, 10);
  if (at === 0) return true;
  const protocol = entryProtocol(entry);
  if (isWord(at, TCP, 3)) return protocol === PROTOCOL_TCP;
  return isWord(at, UDP, 3) && protocol === PROTOCOL_UDP;
}
