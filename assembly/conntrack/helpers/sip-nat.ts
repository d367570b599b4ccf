/** SIP in translated connections (net/netfilter/nf_nat_sip.c): a message tells each side the addresses that it can reach. The message in hand (sip-text.ts) moves and grows with what is told. */
import { TRACKING_FLAG_CONTACTS } from '../../../src/abi/conntrack';
import { FIELD_CT_DIRECTION } from '../../../src/abi/fields';
import { PACKET_IP, PACKET_JIFFIES, PACKET_L4_OFFSET } from '../../../src/abi/packet';
import { replaceData, sumUp } from '../../nat/replace.ts';
import { put16 } from '../../packet/rewrite.ts';
import { entryAddress, entryFamily, entryPort, entryProtocol, isAt } from '../accessors';
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../entry';
import {
  EXPECT_ANNOUNCED,
  EXPECT_DESTINATION,
  EXPECT_DPORT,
  EXPECT_FOLLOWS,
  FOLLOWS,
  FOLLOWS_ANNOUNCED,
  FOLLOWS_MEDIA,
  FOLLOWS_PORT_SHIFT,
  FORESEEN,
  unexpect,
} from '../expectations';
import { ensureRecord, RECORD_MEMORY } from '../help';
import { flag } from '../parameters';
import {
  ADDRESS,
  begin,
  FOUND,
  findParameter,
  findRequested,
  findUri,
  HEADER_CONTACT,
  HEADER_FROM,
  HEADER_TO,
  HEADER_VIA_TCP,
  HEADER_VIA_UDP,
  isWord,
  limit,
  moveMessage,
  numberRead,
  parameterEnd,
  portRead,
  readAddress,
  readEnd,
  readNumber,
  valueAt,
  valueLength,
} from './sip-text';
import { TOLD, tellHost, tellNumber, tellUri, toldLength } from './telling';
import { expectFreePort } from './translated';

/** `sip/2.0`, `maddr=`, `received=`, `rport=`. */
const ANSWER: usize = memory.data<u8>([115, 105, 112, 47, 50, 46, 48]);
const MADDR: usize = memory.data<u8>([109, 97, 100, 100, 114, 61]);
const RECEIVED: usize = memory.data<u8>([114, 101, 99, 101, 105, 118, 101, 100, 61]);
const RPORT: usize = memory.data<u8>([114, 112, 111, 114, 116, 61]);

/** Of a connection, u32, behind what sip.ts remembers: the port where a client hears that sends from another; 0: from there. */
export const HEARS: usize = RECORD_MEMORY + 8;

/** An end of the connection as the other side sees it. */
const SEEN: usize = memory.data(16, 16);

function transportOf(slot: usize): usize {
  return (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize;
}

/** What was told takes the place of `length` bytes at `at`, in the message in hand. False: the packet would be too long. */
export function putTold(slot: usize, entry: usize, at: usize, length: u32): bool {
  const header = transportOf(slot);
  if (!replaceData(slot, entryProtocol(entry), (at - header) as u32, length, TOLD, toldLength)) return false;
  moveMessage(transportOf(slot) - header, (toldLength - length) as i32 as usize);
  return true;
}

function seeEnd(entry: usize, direction: u32, isSource: bool): void {
  for (let word: u32 = 0; word < 4; word++) {
    store<u32>(SEEN + ((word << 2) as usize), entryAddress(entry, direction, isSource, word));
  }
}

function sameAddress(one: usize, other: usize): bool {
  return load<u64>(one) === load<u64>(other) && load<u64>(one, 8) === load<u64>(other, 8);
}

/** The port at which a client hears that sends from another; 0: none. */
function hears(entry: usize): u32 {
  return load<u32>(ensureRecord(entry), HEARS);
}

/** The URI in hand, where it is an end of the connection, becomes what the other side sees (map_addr). */
function translateUri(slot: usize, entry: usize): bool {
  const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4);
  let port: u32;
  if (isEnd(entry, direction, true)) {
    seeEnd(entry, 1 - direction, false);
    port = entryPort(entry, 1 - direction, false);
  } else if (isEnd(entry, direction, false)) {
    seeEnd(entry, 1 - direction, true);
    port = hears(entry);
    if (port === 0) port = entryPort(entry, 1 - direction, true);
  } else {
    return true;
  }
  if (port === portRead && sameAddress(SEEN, ADDRESS)) return true;
  tellUri(SEEN, entryFamily(entry), port);
  return putTold(slot, entry, valueAt, valueLength);
}

function isEnd(entry: usize, direction: u32, isSource: bool): bool {
  return portRead === entryPort(entry, direction, isSource) && isAt(entry, direction, isSource, ADDRESS);
}

/** Behind everything else that is done with the message in hand. False: the packet is dropped. */
export function translateMessage(slot: usize, entry: usize): bool {
  const asks = !isWord(begin, ANSWER, 7);
  if (asks && findRequested() && !translateUri(slot, entry)) return false;
  if (!translateVia(slot, entry, asks)) return false;
  let behind: usize = 0;
  let listed = false;
  while (findUri(HEADER_CONTACT, begin + behind, listed) === FOUND) {
    listed = true;
    const size = limit - begin;
    behind = readEnd - begin;
    if (!translateUri(slot, entry)) return false;
    // Others go on where it ended before it was changed, and so may pass over the next one, or see it again.
    if (flag(TRACKING_FLAG_CONTACTS)) behind += limit - begin - size;
  }
  if (findUri(HEADER_FROM, begin, false) === FOUND && !translateUri(slot, entry)) return false;
  if (findUri(HEADER_TO, begin, false) === FOUND && !translateUri(slot, entry)) return false;
  return answerWhereHeard(slot, entry);
}

/** The first Via, of this connection, and what it says besides. */
function translateVia(slot: usize, entry: usize, asks: bool): bool {
  const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4);
  const header = entryProtocol(entry) === PROTOCOL_TCP ? HEADER_VIA_TCP : HEADER_VIA_UDP;
  if (findUri(header, begin, false) !== FOUND || !isEnd(entry, direction, asks)) return true;
  const size = limit - begin;
  let behind = valueAt - begin + (valueLength as usize);
  if (!translateUri(slot, entry)) return false;
  behind += limit - begin - size;
  if (!translateParameter(slot, entry, behind, MADDR, 6, true)) return false;
  if (!translateParameter(slot, entry, behind, RECEIVED, 9, false)) return false;
  const at = findParameter(begin + behind, RPORT, 6);
  if (at === 0 || !readNumber(at, parameterEnd) || numberRead < 1024 || numberRead > 65535) return true;
  const port = entryPort(entry, 1 - direction, true);
  if (numberRead !== entryPort(entry, direction, false) || numberRead === port) return true;
  const length = (readEnd - at) as u32;
  tellNumber(port);
  return putTold(slot, entry, at, length);
}

/** An address that is the connection's source (otherwise its destination) becomes what the other side sees; in brackets where it is of IPv6 and a source. */
function translateParameter(slot: usize, entry: usize, behind: usize, name: usize, size: u32, isSource: bool): bool {
  const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4);
  const at = findParameter(begin + behind, name, size);
  if (at === 0 || !readAddress(at, isSource) || !isAt(entry, direction, isSource, ADDRESS)) return true;
  seeEnd(entry, 1 - direction, !isSource);
  if (sameAddress(SEEN, ADDRESS)) return true;
  const length = (readEnd - at) as u32;
  tellHost(SEEN, entryFamily(entry), isSource);
  return putTold(slot, entry, at, length);
}

/** Answers go to the port that the client named. */
function answerWhereHeard(slot: usize, entry: usize): bool {
  if (load<u32>(slot, FIELD_CT_DIRECTION * 4) === 0) return true;
  const port = hears(entry);
  if (port === 0) return true;
  if (entryProtocol(entry) !== PROTOCOL_UDP) return false;
  put16(transportOf(slot) + 2, port);
  sumUp(slot, PROTOCOL_UDP);
  return true;
}

/** What was announced, in FORESEEN's destination, goes in `direction` of its master; it is expected where the other side sees the sender, unless that is where it sends from. */
export function foreseeAnnounced(entry: usize, direction: u32, port: u32, media: bool): void {
  memory.copy(FORESEEN + EXPECT_ANNOUNCED, FORESEEN + EXPECT_DESTINATION, 16);
  const kind = FOLLOWS | FOLLOWS_ANNOUNCED | (media ? FOLLOWS_MEDIA : 0);
  store<u32>(FORESEEN, kind | (direction << 1) | (port << FOLLOWS_PORT_SHIFT), EXPECT_FOLLOWS);
  seeEnd(entry, direction, false);
  if (!isAt(entry, 1 - direction, true, SEEN)) memory.copy(FORESEEN + EXPECT_DESTINATION, SEEN, 16);
}

/** The contact in FORESEEN, which the message has at `at`, is told as the registrar will call it (nf_nat_sip_expect). */
export function expectCallsSeen(
  slot: usize,
  entry: usize,
  direction: u32,
  port: u32,
  seconds: u32,
  at: usize,
  length: u32,
): bool {
  foreseeAnnounced(entry, 1 - direction, port, false);
  let sent = hears(entry);
  if (sent === 0) sent = entryPort(entry, direction, true);
  if (port === sent) store<u32>(FORESEEN, entryPort(entry, 1 - direction, false), EXPECT_DPORT);
  const chosen = expectFreePort(entry, 1, seconds, load<i64>(slot, PACKET_JIFFIES));
  if (chosen === 0) return false;
  if (chosen === port && sameAddress(FORESEEN + EXPECT_DESTINATION, FORESEEN + EXPECT_ANNOUNCED)) return true;
  tellUri(FORESEEN + EXPECT_DESTINATION, entryFamily(entry), chosen);
  if (putTold(slot, entry, at, length)) return true;
  unexpect(entry);
  return false;
}
