/** Session descriptions (nf_conntrack_sip.c, process_sdp): where their sender will hear RTP and RTCP. */
import { FIELD_CT_DIRECTION } from '../../../src/abi/fields';
import { PACKET_JIFFIES } from '../../../src/abi/packet';
import { entryAddress } from '../accessors';
import { PROTOCOL_UDP } from '../entry';
import {
  ALREADY,
  EXPECT_DESTINATION,
  EXPECT_DPORT,
  EXPECT_FLAGS,
  EXPECTED,
  expectedByOther,
  FORESEEN,
  kindFlag,
  tryExpect,
  unexpect,
} from '../expectations';
import { foresee, foreseeSource } from './foresee';
import {
  ADDRESS,
  begin,
  FOUND,
  findLine,
  LINE_CONNECTION,
  LINE_MEDIA,
  LINE_VERSION,
  limit,
  numberRead,
  readNumber,
  valueAt,
  valueLength,
} from './sip-text';

/** First letters of `audio `, `video `, `image `, lowest first, and how many there may be of each. */
const AUDIO: u32 = 0x69647561;
const VIDEO: u32 = 0x65646976;
const IMAGE: u32 = 0x67616d69;
const REST_IO: u32 = 0x206f;
const REST_E: u32 = 0x2065;
const WORD: u32 = 6;
const DESCRIPTIONS: u32 = 3;
const SECONDS: u32 = 180;

/** The session's own address, that of the media in hand. */
const SESSION: usize = memory.data(16, 16);

/** False: the packet is dropped. */
export function expectMedia(slot: usize, entry: usize): bool {
  if (findLine(LINE_VERSION, begin, 0) !== FOUND) return true;
  const from = valueAt;
  const common = findLine(LINE_CONNECTION, from, LINE_MEDIA) === FOUND;
  if (common) memory.copy(SESSION, ADDRESS, 16);
  let place = from;
  let described: u32 = 0;
  while (described < DESCRIPTIONS && findLine(LINE_MEDIA, place, 0) === FOUND) {
    place = valueAt;
    const kind = kindOf(place, valueLength);
    if (kind === 0) {
      place += valueLength as usize;
      continue;
    }
    place += WORD as usize;
    if (!readNumber(place, limit) || numberRead === 0) continue;
    const port = numberRead;
    if (port < 1024 || port > 65535) return false;
    if (findLine(LINE_CONNECTION, place, LINE_MEDIA) !== FOUND) {
      if (!common) return false;
      memory.copy(ADDRESS, SESSION, 16);
    }
    if (!expectStreams(slot, entry, kind, port)) return false;
    described++;
  }
  return true;
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
  for (let word: u32 = 0; word < 4; word++) {
    if (load<u32>(ADDRESS + ((word as usize) << 2)) !== entryAddress(entry, direction, true, word)) return true;
  }
  const now = load<i64>(slot, PACKET_JIFFIES);
  foresee(entry, PROTOCOL_UDP, 1 - direction, port);
  foreseeSource(entry, 1 - direction);
  memory.copy(FORESEEN + EXPECT_DESTINATION, ADDRESS, 16);
  if (expectedByOther(entry, kind, now)) return true;
  const most: u32 = kind === 3 ? 2 : 4;
  const even = port & ~1;
  const first = expectAt(entry, kind, most, even, now);
  if (first !== EXPECTED && first !== ALREADY) return false;
  const second = expectAt(entry, kind, most, even + 1, now);
  if (second === EXPECTED || second === ALREADY) return true;
  if (first === EXPECTED) unexpect(entry);
  return false;
}

function expectAt(entry: usize, kind: u32, most: u32, port: u32, now: i64): u32 {
  store<u32>(FORESEEN, port, EXPECT_DPORT);
  store<u32>(FORESEEN, kindFlag(kind), EXPECT_FLAGS);
  return tryExpect(entry, most, SECONDS, now, true);
}
