/** Session descriptions (nf_conntrack_sip.c, process_sdp; nf_nat_sip.c): where their sender will hear RTP and RTCP. Places in the message are told from its begin, for it moves when something is told. */
import { FIELD_CT_DIRECTION } from '../../../src/abi/fields';
import { PACKET_JIFFIES } from '../../../src/abi/packet';
import { entryFamily, isAt } from '../accessors';
import { PROTOCOL_UDP } from '../entry';
import {
  ALREADY,
  BUSY,
  EXPECT_ANNOUNCED,
  EXPECT_DESTINATION,
  EXPECT_DPORT,
  EXPECT_FLAGS,
  EXPECT_FOLLOWS,
  EXPECTED,
  expectedByOther,
  FOLLOWS_ANNOUNCED,
  FOLLOWS_PORT_SHIFT,
  FORESEEN,
  kindFlag,
  tryExpect,
  unexpect,
} from '../expectations';
import { foresee, foreseeSource } from './foresee';
import { foreseeAnnounced, putTold } from './sip-nat';
import {
  ADDRESS,
  begin,
  FOUND,
  findHeader,
  findLine,
  HEADER_LENGTH,
  LINE_CONNECTION,
  LINE_MEDIA,
  LINE_OWNER,
  LINE_VERSION,
  limit,
  numberRead,
  readNumber,
  valueAt,
  valueLength,
} from './sip-text';
import { tellHost, tellNumber } from './telling';
import { isTranslated } from './translated';

/** First letters of `audio `, `video `, `image `, lowest first, and how many there may be of each. */
const AUDIO: u32 = 0x69647561;
const VIDEO: u32 = 0x65646976;
const IMAGE: u32 = 0x67616d69;
const REST_IO: u32 = 0x206f;
const REST_E: u32 = 0x2065;
const WORD: u32 = 6;
const DESCRIPTIONS: u32 = 3;
const SECONDS: u32 = 180;
const LAST_PORT: u32 = 65535;

/** The session's own address; that of the stream in hand, or of the last one, as it is told. */
const SESSION: usize = memory.data(16, 16);
const STREAM: usize = memory.data(16, 16);
/** Where the message tells the port of the stream in hand, and in how many bytes. */
let portPlace: usize = 0;
let portLength: u32 = 0;

/** False: the packet is dropped. */
export function expectMedia(slot: usize, entry: usize): bool {
  if (findLine(LINE_VERSION, begin, 0) !== FOUND) return true;
  const told = isTranslated(entry);
  const from = valueAt - begin;
  const common = findLine(LINE_CONNECTION, valueAt, LINE_MEDIA) === FOUND;
  if (common) memory.copy(SESSION, ADDRESS, 16);
  memory.copy(STREAM, SESSION, 16);
  let known = common;
  let place = from;
  let described: u32 = 0;
  while (described < DESCRIPTIONS && findLine(LINE_MEDIA, begin + place, 0) === FOUND) {
    place = valueAt - begin;
    const kind = kindOf(valueAt, valueLength);
    if (kind === 0) {
      place += valueLength as usize;
      continue;
    }
    place += WORD as usize;
    portPlace = place;
    portLength = valueLength - WORD;
    if (!readNumber(begin + place, limit) || numberRead === 0) continue;
    const port = numberRead;
    if (port < 1024 || port > LAST_PORT) return false;
    const own = findLine(LINE_CONNECTION, begin + place, LINE_MEDIA) === FOUND;
    if (!own && !common) return false;
    memory.copy(STREAM, own ? ADDRESS : SESSION, 16);
    known = true;
    if (!expectStreams(slot, entry, kind, port)) return false;
    if (own && told && !(tellAddress(slot, entry, LINE_CONNECTION, place) && tellLength(slot, entry))) return false;
    described++;
  }
  return !told || !known || tellSession(slot, entry, from);
}

/** 1 to 3; 0 for other media. */
function kindOf(at: usize, length: u32): u32 {
  if (length < WORD) return 0;
  const word = load<u32>(at);
  const rest = load<u16>(at, 4) as u32;
  if (word === AUDIO && rest === REST_IO) return 1;
  if (word === VIDEO && rest === REST_IO) return 2;
  return word === IMAGE && rest === REST_E ? 3 : 0;
}

function expectStreams(slot: usize, entry: usize, kind: u32, port: u32): bool {
  const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4);
  if (!isAt(entry, direction, true, STREAM)) return true;
  const now = load<i64>(slot, PACKET_JIFFIES);
  const told = isTranslated(entry);
  foresee(entry, PROTOCOL_UDP, 1 - direction, port);
  foreseeSource(entry, 1 - direction);
  memory.copy(FORESEEN + EXPECT_DESTINATION, STREAM, 16);
  let other = expectedByOther(entry, kind, now);
  const direct = told && other !== 0 && isElsewhere(other);
  if (direct) {
    takeAnnounced(other);
    other = expectedByOther(entry, kind, now);
  }
  const even = load<u32>(FORESEEN, EXPECT_DPORT) & ~1;
  if (direct && !tellPort(slot, entry, even)) return false;
  if (other !== 0) return true;
  const most: u32 = kind === 3 ? 2 : 4;
  if (told && !direct) return expectSeen(slot, entry, kind, most, even, now);
  const first = expectAt(entry, kind, most, even, now);
  if (first !== EXPECTED && first !== ALREADY) return false;
  const second = expectAt(entry, kind, most, even + 1, now);
  if (second === EXPECTED || second === ALREADY) return true;
  if (first === EXPECTED) unexpect(entry);
  return false;
}

/** It is expected elsewhere than it was announced; where that is not known, that is nowhere. */
function isElsewhere(one: usize): bool {
  const follows = load<u32>(one, EXPECT_FOLLOWS);
  if ((follows & FOLLOWS_ANNOUNCED) === 0 || follows >>> FOLLOWS_PORT_SHIFT !== load<u32>(one, EXPECT_DPORT)) return true;
  return memory.compare(one + EXPECT_ANNOUNCED, one + EXPECT_DESTINATION, 16) !== 0;
}

/** Both ends of a call are translated here: the stream goes straight to where it was announced. */
function takeAnnounced(one: usize): void {
  const known = (load<u32>(one, EXPECT_FOLLOWS) & FOLLOWS_ANNOUNCED) !== 0;
  memory.fill(STREAM, 0, 16);
  if (known) memory.copy(STREAM, one + EXPECT_ANNOUNCED, 16);
  memory.copy(FORESEEN + EXPECT_DESTINATION, STREAM, 16);
  store<u32>(FORESEEN, known ? load<u32>(one, EXPECT_FOLLOWS) >>> FOLLOWS_PORT_SHIFT : 0, EXPECT_DPORT);
}

/** Where the other side sees the sender, at the first pair of ports that is free (nf_nat_sdp_media). */
function expectSeen(slot: usize, entry: usize, kind: u32, most: u32, even: u32, now: i64): bool {
  foreseeAnnounced(entry, 1 - load<u32>(slot, FIELD_CT_DIRECTION * 4), even, true);
  memory.copy(STREAM, FORESEEN + EXPECT_DESTINATION, 16);
  const follows = load<u32>(FORESEEN, EXPECT_FOLLOWS);
  for (let port = even; port <= LAST_PORT; port += 2) {
    store<u32>(FORESEEN, follows, EXPECT_FOLLOWS);
    let answer = expectAt(entry, kind, most, port, now);
    if (answer === EXPECTED) {
      store<u32>(FORESEEN, follows + (1 << FOLLOWS_PORT_SHIFT), EXPECT_FOLLOWS);
      answer = expectAt(entry, kind, most, port + 1, now);
      if (answer !== EXPECTED) unexpect(entry);
    }
    if (answer === BUSY) continue;
    if (answer !== EXPECTED) return false;
    if (port === even || tellPort(slot, entry, port)) return true;
    unexpect(entry);
    unexpect(entry);
    return false;
  }
  return false;
}

function expectAt(entry: usize, kind: u32, most: u32, port: u32, now: i64): u32 {
  store<u32>(FORESEEN, port, EXPECT_DPORT);
  store<u32>(FORESEEN, kindFlag(kind), EXPECT_FLAGS);
  return tryExpect(entry, most, SECONDS, now, true);
}

function tellPort(slot: usize, entry: usize, port: u32): bool {
  tellNumber(port);
  return putTold(slot, entry, begin + portPlace, portLength) && tellLength(slot, entry);
}

/** Who describes, and where the session is, become where the last stream is; the second need not be said. */
function tellSession(slot: usize, entry: usize, from: usize): bool {
  if (!tellAddress(slot, entry, LINE_OWNER, from)) return false;
  if (findLine(LINE_CONNECTION, begin + from, LINE_MEDIA) === FOUND && !tellAddress(slot, entry, LINE_CONNECTION, from))
    return false;
  return tellLength(slot, entry);
}

/** The address of the stream in hand, in such a line behind a place. False: there is no such line, or the packet would be too long. */
function tellAddress(slot: usize, entry: usize, line: u32, from: usize): bool {
  if (findLine(line, begin + from, LINE_MEDIA) !== FOUND) return false;
  tellHost(STREAM, entryFamily(entry), false);
  return putTold(slot, entry, valueAt, valueLength);
}

/** How long the description is now. False: the message does not say, or the packet would be too long. */
function tellLength(slot: usize, entry: usize): bool {
  if (findLine(LINE_VERSION, begin, 0) !== FOUND) return false;
  const length = (limit - valueAt) as u32;
  if (findHeader(HEADER_LENGTH, begin) !== FOUND) return false;
  // With `v=`.
  tellNumber(length + 2);
  return putTold(slot, entry, valueAt, valueLength);
}
