/**
 * How connections of known services (services.ts) begin without a packet being decoded: with a SYN, the answer to it, and what acknowledges that. Their plain segments find the edges of the service kept, as if one had gone before them (bare.ts).
 * Whatever is not as it usually is, is decoded after all.
 */
import { TRACKING_FLAG_CHECKSUM } from '../src/abi/conntrack.ts';
import { CONTROL_OUTCOMES, VERDICT_ACCEPT } from '../src/abi/control.ts';
import { CT_NEW, PACKET_HOST, STATUS_ASSURED } from '../src/abi/fields.ts';
import {
  PACKET_CT_GUESS,
  PACKET_DATA,
  PACKET_JIFFIES,
  PACKET_SEGMENT,
  PACKET_SERVICE,
  PACKET_SERVICE_PLAN,
  PACKET_WAY,
  WAY_BEGINS,
} from '../src/abi/packet.ts';
import { EDGE_ACCEPTS, isKept, KEPT_PLAN_SHIFT, keptEdge, keptPlan } from './classify/known.ts';
import { code, countMany } from './classify/program.ts';
import { edgeAt, keepEdgesOf, lessons, pairAt, SERVICE_ANSWER, SERVICE_SYN } from './classify/service.ts';
import {
  acknowledgeBare,
  acknowledgeHalf,
  answerBare,
  answerHalf,
  directionOf,
  entryWord,
  followHalf,
  guessedEntry,
  guessOf,
  HALF_PAIR,
  hasKeyOf,
  hasKeyOfHalf,
  isAnsweredHalf,
  isAnsweredWord,
  isAskedHalf,
  isAskedWord,
  isOpenHalf,
  isOver,
  Keys,
  keeperOf,
  openBare,
  openHalf,
  PROTOCOL_TCP,
  segmentSumHolds,
} from './conntrack/index';
import { flag } from './conntrack/parameters';
import { ETHERNET_HEADER } from './packet/ethernet.ts';
import { hasBeginningFlags, SEGMENT_LENGTH, SUMMED_MOST, segmentAt } from './packet/segment.ts';
import { hookOfShort, SHORT_ARRIVES } from './plan.ts';
import { placeOfBytes, planOfBytes } from './services.ts';
import { offload } from './stack/host.ts';
import { tally } from './tally.ts';
import { TOLD_OPENED, toldOfPlan } from './told.ts';

/** Of an IPv4 packet without options: the flags of its TCP header, of which ACK tells an answer from a SYN. */
const FLAGS: usize = 33;
const IPV4_HEADER: u32 = 20;
const ACK: u32 = 16;
/** Lessons when packets were marked last. */
let marked: u32 = 0;
/** Packets that were judged here: only the debug build counts them, for tests. */
let begun: u32 = 0;

export function servicesBegun(): u32 {
  return begun;
}

/** Marks a slot that is read and not decoded (WAY_BEGINS), of `captured` bytes from IPv4 without options at `ip`, which may be read as far as a segment's, if it is a SYN or answers one, of a service that is known. */
export function markBegins(slot: usize, ip: usize, captured: u32): bool {
  const segment = segmentAt(ip, captured);
  if (segment === 0 || !markBeginning(slot, ip)) return false;
  store<u32>(slot, segment, PACKET_SEGMENT);
  Keys.putOfSegment(slot, ip);
  return true;
}

/** The same of a slot with a segment that has a key. */
export function markBeginning(slot: usize, ip: usize): bool {
  if (!hasBeginningFlags(ip)) return false;
  const answers = ((load<u8>(ip, FLAGS) as u32) & ACK) !== 0;
  const place = placeOfBytes(slot, ip, answers);
  if (place === 0 || edgeAt(place, answers ? SERVICE_ANSWER : SERVICE_SYN) === 0) return false;
  marked = lessons;
  store<u32>(slot, place as u32, PACKET_SERVICE);
  store<u32>(slot, planOfBytes, PACKET_SERVICE_PLAN);
  store<u32>(slot, WAY_BEGINS, PACKET_WAY);
  return true;
}

/** Judges and counts such a slot. Out: as TOLD_* say; 0, and nothing is changed, when it does not go this way. */
export function judgeBegins(slot: usize): u64 {
  // By now the place may be another service's.
  if (marked !== lessons) return 0;
  const ip = (load<u32>(slot, PACKET_DATA) as usize) + ETHERNET_HEADER;
  const segment = load<u32>(slot, PACKET_SEGMENT);
  if (!isSumRight(ip, segment, load<u32>(slot, PACKET_SERVICE_PLAN))) return 0;
  const answers = ((load<u8>(ip, FLAGS) as u32) & ACK) !== 0;
  return answers ? judgeAnswer(slot, ip, segment & SEGMENT_LENGTH) : judgeSyn(slot, ip, segment & SEGMENT_LENGTH);
}

function judgeSyn(slot: usize, ip: usize, length: u32): u64 {
  if (load<u32>(slot, PACKET_CT_GUESS) !== 0) return 0;
  const place: usize = load<u32>(slot, PACKET_SERVICE);
  const now = load<i64>(slot, PACKET_JIFFIES);
  const pair = pairAt(place);
  if (pair === 0 || !openHalf(slot, ip, length, now, pair)) {
    const entry = openBare(slot, ip, length, now);
    if (entry === 0) return 0;
    keepEdgesOf(place, entry);
  }
  const hook = hookOfShort(load<u32>(slot, PACKET_SERVICE_PLAN));
  tally(CONTROL_OUTCOMES, (((hook << 2) | VERDICT_ACCEPT) << 3) | CT_NEW);
  return counted(edgeAt(place, SERVICE_SYN), 0, length) | ((1 as u64) << TOLD_OPENED);
}

function judgeAnswer(slot: usize, ip: usize, length: u32): u64 {
  const guess = guessOfBytes(slot, ip);
  const entry = guessedEntry(guess);
  const word = entryWord(entry);
  const now = load<i64>(slot, PACKET_JIFFIES);
  if (directionOf(word, guess) !== 1 || isOver(entry, now)) return 0;
  if (isAskedHalf(word)) {
    if (!hasKeyOfHalf(entry, slot) || !answerHalf(entry, word, ip, length, now)) return 0;
  } else if (!isAskedWord(word) || !hasKeyOf(entry, slot) || !answerBare(entry, ip, length, now)) return 0;
  return counted(edgeAt(load<u32>(slot, PACKET_SERVICE), SERVICE_ANSWER), load<u32>(slot, PACKET_SERVICE_PLAN), length);
}

/** The same for a marked plain segment that acknowledges such an answer, in the connection of its guess, which has its key and this word. */
export function judgeAcknowledgement(slot: usize, guess: u32, word: u64, now: i64): u64 {
  if (!isAnsweredWord(word) || directionOf(word, guess) !== 0) return 0;
  const entry = guessedEntry(guess);
  // Rules see what it makes of its connection.
  const kept = keptPlan(slot, entry, 0, PACKET_HOST, (word as u32) | STATUS_ASSURED);
  const edge = keptEdge(entry, 0);
  if (!isKept(kept) || (edge & EDGE_ACCEPTS) === 0) return 0;
  const plan = (kept >>> KEPT_PLAN_SHIFT) as u32;
  const segment = load<u32>(slot, PACKET_SEGMENT);
  const ip = (load<u32>(slot, PACKET_DATA) as usize) + ETHERNET_HEADER;
  if (!isSumRight(ip, segment, plan) || !acknowledgeBare(entry, ip, segment & SEGMENT_LENGTH, now)) return 0;
  return counted(edge, plan, segment & SEGMENT_LENGTH);
}

/** As judgeAcknowledgement, of a half that has the key and this word: whatever of it has no options or others than usual, or acknowledges an answer. */
export function judgeHalf(slot: usize, half: usize, guess: u32, word: u64, now: i64): u64 {
  const opens = isAnsweredHalf(word);
  const direction = directionOf(word, guess);
  if (!(opens ? direction === 0 : isOpenHalf(word))) return 0;
  const keeper = keeperOf(load<u16>(half, HALF_PAIR) as u32);
  const kept = keptPlan(slot, keeper, direction, PACKET_HOST, opens ? (word as u32) | STATUS_ASSURED : (word as u32));
  const edge = keptEdge(keeper, direction);
  if (!isKept(kept) || (edge & EDGE_ACCEPTS) === 0) return 0;
  const plan = (kept >>> KEPT_PLAN_SHIFT) as u32;
  const segment = load<u32>(slot, PACKET_SEGMENT);
  const length = segment & SEGMENT_LENGTH;
  const ip = (load<u32>(slot, PACKET_DATA) as usize) + ETHERNET_HEADER;
  if (!isSumRight(ip, segment, plan)) return 0;
  const followed = opens
    ? acknowledgeHalf(half, word, ip, length, now)
    : followHalf(half, direction, ip + IPV4_HEADER, length - IPV4_HEADER, now);
  return followed ? countedAs(opens, edge, plan, length) : 0;
}

/** The guess for a marked slot with an IPv4 header without options at `ip`, looked for again where there was none. */
export function guessOfBytes(slot: usize, ip: usize): u32 {
  return guessOf(slot, ((bswap(load<u32>(ip, 12)) as u64) << 16) | (bswap(load<u16>(ip, 20)) as u64));
}

/** A segment, as it was marked, that goes through `plan`, has the right sum, or nobody asks. */
export function isSumRight(ip: usize, segment: u32, plan: u32): bool {
  const length = segment & SEGMENT_LENGTH;
  return segment === length || !asksSum(plan) || ((offload || length > SUMMED_MOST) && segmentSumHolds(ip, length, PROTOCOL_TCP));
}

/** Whether the sums of packets that go through `plan` are asked for. */
export function asksSum(plan: u32): bool {
  return (plan & SHORT_ARRIVES) !== 0 && flag(TRACKING_FLAG_CHECKSUM) !== 0;
}

function counted(edge: u32, plan: u32, length: u32): u64 {
  return countedAs(true, edge, plan, length);
}

/** `begins`: with it a connection does. */
function countedAs(begins: bool, edge: u32, plan: u32, length: u32): u64 {
  if (!ASC_NO_ASSERT) begun += begins as u32;
  countMany(load<u32>(code + ((edge ^ EDGE_ACCEPTS) as usize)), 1, length as u64);
  return (length | toldOfPlan(plan)) as u64;
}
