/**
 * How nearly every TCP connection goes on behind its SYN (syn.ts): with the first answer to it, and with what acknowledges that. What track.ts, tcp.ts and tcp-window.ts find out about them step by step is known
 * beforehand; whatever is not as it usually is (an answer to something else, repeated, with SACK blocks) is left to them.
 */
import { TCP_ESTABLISHED, TCP_SYN_RECV, TCP_SYN_SENT, TRACKING_TCP, TRACKING_TCP_RETRANS } from '../../src/abi/conntrack';
import {
  FIELD_L4_LENGTH,
  FIELD_LENGTH,
  FIELD_PROTOCOL,
  FIELD_TCP_FLAGS,
  STATUS_ASSURED,
  STATUS_CONFIRMED,
  STATUS_SEEN_REPLY,
} from '../../src/abi/fields';
import { PACKET_IP, PACKET_JIFFIES, PACKET_L4_OFFSET } from '../../src/abi/packet';
import { checksumHolds } from './checksum';
import {
  ENTRY_LAST_DIRECTION,
  ENTRY_LAST_WINDOW,
  ENTRY_SIDES,
  ENTRY_STATUS,
  ENTRY_TCP_FLAGS,
  ENTRY_TCP_STATE,
  ENTRY_TIMEOUT,
  PROTOCOL_TCP,
  SIDE_END,
  SIDE_MAXACK,
  SIDE_MAXEND,
  SIDE_MAXWIN,
  SIDE_SIZE,
  STATUS_ALIAS,
  STATUS_ALIASED,
  STATUS_DYING,
  STATUS_HEAD,
  STATUS_VISIBLE,
} from './entry';
import { follow } from './follow';
import { flagsIn, HALF_SIDES, wordOfAnswered, wordOfOpen } from './half';
import { followHalf } from './half-follow';
import { parameter } from './parameters';
import { directionIn, FLAG_ACK, FLAG_PSH, foreseenConnection, hasShortWay, isCollected } from './plain';
import { addStatus } from './status';
import { FLAG_SYN } from './syn';
import { CLASS_SYNACK } from './tcp-matrix';
import {
  highestSack,
  optionHasSack,
  optionHasScale,
  optionScale,
  optionsThere,
  readOptions,
  TCP_HEADER_SIZE,
} from './tcp-options';
import { initSender, SIDE_MAXACK_SET, SIDE_SACK_PERMITTED, SIDE_UNACKNOWLEDGED, SIDE_WINDOW_SCALE } from './tcp-window';

const FLAGS_SYN_ACK: u32 = FLAG_SYN | FLAG_ACK;
/** Of a status: what both packets find, and what they have not brought yet. */
const ASKED: u32 = STATUS_CONFIRMED | STATUS_SEEN_REPLY | STATUS_ASSURED;
/** And what would be special about it: what rules can see, and who has the key of its answers. */
const ALL: u32 = STATUS_VISIBLE | STATUS_DYING | STATUS_ALIASED | STATUS_ALIAS | STATUS_HEAD;
const IPV4_HEADER: u32 = 20;
/** Of a word: the state of TCP. */
const STATE_SHIFT: u64 = ((ENTRY_TCP_STATE - ENTRY_STATUS) << 3) as u64;
const STATE_MASK: u64 = (0xff as u64) << STATE_SHIFT;
/** The side that was asked, behind the one that began. */
const ANSWERING: usize = ENTRY_SIDES + SIDE_SIZE;
/** Packets that were judged here: only the debug build counts them, for tests. */
let judged: u32 = 0;

export function handshakesJudged(): u32 {
  return judged;
}

/**
 * A packet that is not plain, with a guess (ahead.ts). `verify`: its checksum counts. Out: its connection, which it now was the first to answer, as that knows; or 0, and of its connection nothing is changed that
 * anybody reads. The clock may have been set to the packet's time, where whoever looks next sets it, too.
 */
export function answerSyn(slot: usize, guess: u32, verify: bool): usize {
  return load<u32>(slot, FIELD_TCP_FLAGS * 4) === FLAGS_SYN_ACK ? judge(slot, guess, verify, 1) : 0;
}

/** The same for a packet that acknowledges such an answer. */
export function acknowledgeAnswer(slot: usize, guess: u32, verify: bool): usize {
  return (load<u32>(slot, FIELD_TCP_FLAGS * 4) & ~FLAG_PSH) === FLAG_ACK ? judge(slot, guess, verify, 0) : 0;
}

/** Whether an entry with this word (plain.ts) is a connection of which nothing was seen but SYNs; and, behind it, whether nothing but answers to them, too. Nothing else is special about it. */
export function isAskedWord(word: u64): bool {
  return (word & ((ALL as u64) | STATE_MASK)) === ((STATUS_CONFIRMED as u64) | ((TCP_SYN_SENT as u64) << STATE_SHIFT));
}

export function isAnsweredWord(word: u64): bool {
  const answered: u64 = STATUS_CONFIRMED | STATUS_SEEN_REPLY;
  return (word & ((ALL as u64) | STATE_MASK)) === (answered | ((TCP_SYN_RECV as u64) << STATE_SHIFT));
}

/**
 * As answerSyn, of a segment of a packet of `length` bytes at `ip` whose slot is not decoded, which goes in direction 1 through an entry with such a word, and whose checksum need not be asked any more: only its
 * entry knows it.
 */
export function answerBare(entry: usize, ip: usize, length: u32, now: i64): bool {
  const segment = length - IPV4_HEADER;
  if (!answer(entry, ip + IPV4_HEADER, segment, segment, now)) return false;
  addStatus(entry, STATUS_SEEN_REPLY);
  if (!ASC_NO_ASSERT) judged++;
  return true;
}

/** The same for a segment of direction 0 that acknowledges it. */
export function acknowledgeBare(entry: usize, ip: usize, length: u32, now: i64): bool {
  const segment = length - IPV4_HEADER;
  if (!acknowledge(entry, ip + IPV4_HEADER, segment, segment, now)) return false;
  addStatus(entry, STATUS_ASSURED);
  if (!ASC_NO_ASSERT) judged++;
  return true;
}

/** As answerBare, through a half (half.ts) with a word of isAskedHalf. */
export function answerHalf(half: usize, word: u64, ip: usize, length: u32, now: i64): bool {
  const header = ip + IPV4_HEADER;
  const segment = length - IPV4_HEADER;
  const size = ((load<u8>(header, 12) >> 4) as u32) << 2;
  const ack = bswap(load<u32>(header, 8));
  if (size < TCP_HEADER_SIZE || segment < size || ack !== load<u32>(half, HALF_SIDES + SIDE_END)) return false;
  const asked = flagsIn(word, 0);
  let flags: u32 = SIDE_MAXACK_SET;
  let scale: u32 = 0;
  if (size !== TCP_HEADER_SIZE) {
    const options = size - TCP_HEADER_SIZE;
    if ((asked & SIDE_SACK_PERMITTED) !== 0 && highestSack(header, options, ack) !== ack) return false;
    readOptions(header, options);
    flags |= (optionHasSack ? SIDE_SACK_PERMITTED : 0) | (optionHasScale ? SIDE_WINDOW_SCALE : 0);
    scale = optionScale;
  }
  const end = bswap(load<u32>(header, 4)) + segment - size + 1;
  const room = max(bswap(load<u16>(header, 14)) as u32, 1);
  store<u64>(half, (end as u64) | ((end as u64) << 32), HALF_SIDES + SIDE_SIZE + SIDE_END);
  store<u64>(half, (room as u64) | ((ack as u64) << 32), HALF_SIDES + SIDE_SIZE + SIDE_MAXWIN);
  const reach = ack + room;
  if (((reach - load<u32>(half, HALF_SIDES + SIDE_MAXEND)) as i32) >= 0) store<u32>(half, reach, HALF_SIDES + SIDE_MAXEND);
  // Windows are scaled if both say so.
  store<u64>(half, wordOfAnswered(word, scale, flags, (asked & flags & SIDE_WINDOW_SCALE) !== 0), ENTRY_STATUS);
  store<i64>(half, now + (answerTimeout() as i64), ENTRY_TIMEOUT);
  if (!ASC_NO_ASSERT) judged++;
  return true;
}

/** As acknowledgeBare, through a half with a word of isAnsweredHalf. */
export function acknowledgeHalf(half: usize, word: u64, ip: usize, length: u32, now: i64): bool {
  const header = ip + IPV4_HEADER;
  // As in `acknowledge`.
  store<u32>(half, bswap(load<u32>(header, 8)), HALF_SIDES + SIDE_MAXACK);
  store<u64>(half, wordOfOpen(word), ENTRY_STATUS);
  if (!followHalf(half, 0, header, length - IPV4_HEADER, now)) {
    store<u64>(half, word, ENTRY_STATUS);
    return false;
  }
  if (!ASC_NO_ASSERT) judged++;
  return true;
}

/** Both: the answer goes in direction 1, what acknowledges it in 0. */
function judge(slot: usize, guess: u32, verify: bool, direction: u32): usize {
  const answers = direction === 1;
  const entry = connectionOf(slot, guess, direction, answers ? STATUS_CONFIRMED : STATUS_CONFIRMED | STATUS_SEEN_REPLY);
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (entry === 0 || !isWhole(slot, present, verify)) return 0;
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  const header = (load<u32>(slot, PACKET_IP) + offset) as usize;
  // Of the segment with its header, present or not.
  const length = load<u32>(slot, FIELD_LENGTH * 4) - offset;
  const now = load<i64>(slot, PACKET_JIFFIES);
  if (!(answers ? answer(entry, header, present, length, now) : acknowledge(entry, header, present, length, now))) return 0;
  addStatus(entry, answers ? STATUS_SEEN_REPLY : STATUS_ASSURED);
  if (!ASC_NO_ASSERT) judged++;
  return entry;
}

/** The TCP connection that was guessed, if it is the packet's, which goes in this direction, and as far as `status` says. */
function connectionOf(slot: usize, guess: u32, direction: u32, status: u32): usize {
  if (load<u32>(slot, FIELD_PROTOCOL * 4) !== PROTOCOL_TCP || !hasShortWay()) return 0;
  const now = load<i64>(slot, PACKET_JIFFIES);
  const entry = isCollected(now) ? 0 : foreseenConnection(slot, guess, now);
  if (entry === 0 || directionIn(entry, guess) !== direction) return 0;
  return (load<u32>(entry, ENTRY_STATUS) & ASKED) === status ? entry : 0;
}

/** Its header is among the `present` bytes; what else is wrong with it is seen later. */
function isWhole(slot: usize, present: u32, verify: bool): bool {
  return present >= TCP_HEADER_SIZE && (!verify || checksumHolds(slot, PROTOCOL_TCP, present));
}

/** The first SYN/ACK, which acknowledges the SYN and nothing else. */
function answer(entry: usize, header: usize, present: u32, length: u32, now: i64): bool {
  const size = ((load<u8>(header, 12) >> 4) as u32) << 2;
  const options = optionsThere(size, present);
  if (size < TCP_HEADER_SIZE || length < size || load<u8>(entry, ENTRY_TCP_STATE) !== TCP_SYN_SENT) return false;
  const ack = bswap(load<u32>(header, 8));
  const asked = load<u8>(entry, ENTRY_TCP_FLAGS) as u32;
  if (ack !== load<u32>(entry, ENTRY_SIDES + SIDE_END) || !isUnheard(entry)) return false;
  if (options !== 0 && (asked & SIDE_SACK_PERMITTED) !== 0 && highestSack(header, options, ack) !== ack) return false;
  const window = bswap(load<u16>(header, 14)) as u32;
  initSender(entry, 1, header, options, bswap(load<u32>(header, 4)) + (length - size) + 1, window);
  store<u32>(entry, ack, ANSWERING + SIDE_MAXACK);
  store<u8>(entry, load<u8>(entry, ENTRY_TCP_FLAGS + 1) | SIDE_MAXACK_SET, ENTRY_TCP_FLAGS + 1);
  const reach = ack + max(window, 1);
  if (((reach - load<u32>(entry, ENTRY_SIDES + SIDE_MAXEND)) as i32) >= 0) store<u32>(entry, reach, ENTRY_SIDES + SIDE_MAXEND);
  store<u16>(entry, 1 | (CLASS_SYNACK << 8), ENTRY_LAST_DIRECTION);
  store<u8>(entry, TCP_SYN_RECV, ENTRY_TCP_STATE);
  store<i64>(entry, now + (answerTimeout() as i64), ENTRY_TIMEOUT);
  return true;
}

/** No window of an ACK is known yet. */
function answerTimeout(): u32 {
  return min(parameter(TRACKING_TCP + (TCP_SYN_RECV << 2)), parameter(TRACKING_TCP_RETRANS));
}

/** Of the other side nothing was ever taken in, of the first one nothing waits; no window is remembered. (No retransmission is, either: those are of ACKs, and SYN_SENT takes none in.) */
function isUnheard(entry: usize): bool {
  const waits = (load<u8>(entry, ENTRY_TCP_FLAGS) as u32) & SIDE_UNACKNOWLEDGED;
  const answering = load<u32>(entry, ANSWERING + SIDE_MAXWIN) | (load<u8>(entry, ENTRY_TCP_FLAGS + 1) as u32);
  return (waits | answering | load<u16>(entry, ENTRY_LAST_WINDOW)) === 0;
}

/** The first ACK of the side that began. */
function acknowledge(entry: usize, header: usize, present: u32, length: u32, now: i64): bool {
  const flags = load<u8>(entry, ENTRY_TCP_FLAGS) as u32;
  if (load<u8>(entry, ENTRY_TCP_STATE) !== TCP_SYN_RECV || (flags & SIDE_MAXACK_SET) !== 0) return false;
  // As if it had acknowledged so much already: then it is plain. Without the flag nobody reads it, so it stays there when the segment is not.
  store<u32>(entry, bswap(load<u32>(header, 8)), ENTRY_SIDES + SIDE_MAXACK);
  store<u8>(entry, flags | SIDE_MAXACK_SET, ENTRY_TCP_FLAGS);
  if (!follow(entry, 0, header, present, length, now)) {
    store<u8>(entry, flags, ENTRY_TCP_FLAGS);
    return false;
  }
  store<u8>(entry, TCP_ESTABLISHED, ENTRY_TCP_STATE);
  return true;
}
