/**
 * The shortest way: a plain segment (packet/segment.ts) of an open connection that keeps an edge for its like (classify/known.ts) is judged by its bytes; its slot is never decoded.
 * What of it rules ask about was asked when the edge was kept. Whatever is not so is decoded after all, when its turn comes, and goes the usual way.
 */
import { CONTROL_OUTCOMES, VERDICT_ACCEPT } from '../src/abi/control.ts';
import { CT_ESTABLISHED, PACKET_HOST } from '../src/abi/fields.ts';
import {
  PACKET_CT_GUESS,
  PACKET_DATA,
  PACKET_JIFFIES,
  PACKET_SEGMENT,
  PACKET_SEGMENT_HEADER,
  PACKET_SIZE,
  PACKET_WAY,
  WAY_BARE,
  WAY_BEGINS,
  WAY_SIX,
} from '../src/abi/packet.ts';
import { halvesTold, judgeHalves, SEGMENT_HEADER, SEGMENT_HEADERS } from './bare-halves.ts';
import { asksSum, guessOfBytes, isSumRight, judgeAcknowledgement, judgeBegins, judgeHalf } from './begin.ts';
import { EDGE_ACCEPTS, isKept, KEPT_PLAN_SHIFT, keptEdge, keptPlan } from './classify/known.ts';
import { code, countMany } from './classify/program.ts';
import { advanceTo, latestOf } from './clock.ts';
import {
  answeredConnection,
  datagramDirection,
  directionOf,
  directionThrough,
  entryWord,
  Follow,
  followBare,
  followDatagram,
  guessedEntry,
  hasKeyOf,
  hasKeyOfHalf,
  hasNoOptions,
  hasTimestampOnly,
  isCollected,
  isHalf,
  isOpenWord,
  isOver,
  isSteady,
  openTranslated,
  PROTOCOL_UDP,
  REFERENCE_HALF,
  SLID_NOT,
  segmentSumHolds,
  setClock,
  TIMESTAMP_ONLY_SIZE,
  translatedDirection,
} from './conntrack/index';
import { decodeMarked } from './decode.ts';
import { flowBytes, flowsWanted, judgeFlows } from './flows.ts';
import { missMark } from './marks.ts';
import { ETHERNET_HEADER } from './packet/ethernet.ts';
import { SEGMENT_DATAGRAM, SEGMENT_LENGTH, SEGMENT_UNSUMMED } from './packet/segment.ts';
import { keepsTranslated } from './plan.ts';
import { judgeSix, sixEdge, sixKept } from './six.ts';
import { addTo } from './tally.ts';
import { TOLD_BYTES, TOLD_FORWARDED, TOLD_LEFT, TOLD_OPENED, TOLD_PACKETS, toldOfPlan } from './told.ts';

/** Bytes of those that `judgeBare` judged last. */
export let bareBytes: u64 = 0;
/** Of those that `judgeEntries` judged last: as TOLD_* say. */
let entriesTold: u64 = 0;
/** Packets that went this way: only the debug build counts them, for tests. */
let judged: u32 = 0;
let looked: u32 = 0;

export function bareJudged(): u32 {
  return judged;
}

/** Of them, those that a closer look was taken at, and marked slots that did not go this way behind it: the same. */
export function bareLooked(): u32 {
  return looked;
}

/** A marked slot that did not go this way. */
export function decodeBare(slot: usize): void {
  missMark();
  decodeMarked(slot);
}

/** Judges and counts the slots from `slot` to before `end`. Out: the first that did not go this way, as it was. */
export function judgeBare(slot: usize, end: usize): usize {
  if (flowsWanted) return judgeAsFlows(slot, end);
  const start = slot;
  let sum: u64 = 0;
  bareBytes = 0;
  // Time never goes back.
  if (isCollected(load<i64>(end - PACKET_SIZE, PACKET_JIFFIES))) return slot;
  while (slot < end) {
    if (load<u32>(slot, PACKET_WAY) === <u32>WAY_BARE) {
      const from = slot;
      const isOfHalf = (load<u32>(slot, PACKET_CT_GUESS) & REFERENCE_HALF) !== 0;
      slot = isOfHalf ? judgeHalves(slot, end) : judgeEntries(slot, end);
      sum += isOfHalf ? halvesTold : entriesTold;
      if (slot !== from) continue;
    }
    const told = judgeLong(slot);
    if (told === 0) break;
    sum += told;
    slot += PACKET_SIZE;
  }
  if (slot === start) return slot;
  bareBytes = sum & TOLD_BYTES;
  advanceTo(latestOf(start, slot));
  setClock(load<i64>(slot - PACKET_SIZE, PACKET_JIFFIES));
  const packets = ((slot - start) / PACKET_SIZE) as u32;
  const left = ((sum >>> TOLD_LEFT) & TOLD_PACKETS) as u32;
  const forwarded = ((sum >>> TOLD_FORWARDED) & TOLD_PACKETS) as u32;
  const opened = (sum >>> TOLD_OPENED) as u32;
  if (!ASC_NO_ASSERT) judged += packets;
  tallyAccepted(0, packets - left - forwarded - opened);
  tallyAccepted(1, left);
  tallyAccepted(2, forwarded);
  return slot;
}

/** As judgeHalves, of connections with entries. */
function judgeEntries(slot: usize, end: usize): usize {
  const base = code;
  let sum: u64 = 0;
  for (; slot < end; slot += PACKET_SIZE) {
    if (load<u32>(slot, PACKET_WAY) !== <u32>WAY_BARE) break;
    const guess = load<u32>(slot, PACKET_CT_GUESS);
    // Where nothing was guessed there are zeros, which are no connection.
    const entry = guessedEntry(guess);
    const word = entryWord(entry);
    if (!isOpenWord(word)) break;
    if (!hasKeyOf(entry, slot)) break;
    const now = load<i64>(slot, PACKET_JIFFIES);
    if (isOver(entry, now)) break;
    const direction = directionThrough(entry, guess);
    const kept = keptPlan(slot, entry, direction, PACKET_HOST, word as u32);
    if (!isKept(kept)) break;
    const edge = keptEdge(entry, direction);
    if ((edge & EDGE_ACCEPTS) === 0) break;
    let length = load<u32>(slot, PACKET_SEGMENT);
    if (length > SEGMENT_LENGTH) {
      if (asksSum((kept >>> KEPT_PLAN_SHIFT) as u32)) break;
      length &= SEGMENT_LENGTH;
    }
    const header = slot + PACKET_SEGMENT_HEADER;
    let headers = SEGMENT_HEADERS;
    if (!hasNoOptions(header)) {
      headers += TIMESTAMP_ONLY_SIZE;
      if (length < headers) break;
      if (!hasTimestampOnly((load<u32>(slot, PACKET_DATA) as usize) + SEGMENT_HEADER)) break;
    }
    const slid = Follow.slideTogether(entry, direction, header, length - headers);
    if (slid === SLID_NOT) break;
    Follow.settle(entry, direction, slid, now);
    sum += Bare.counted(base, edge, kept, length);
  }
  entriesTold = sum;
  return slot;
}

/** As judgeLong, for a marked slot with a datagram. */
function judgeDatagram(slot: usize): u64 {
  const now = load<i64>(slot, PACKET_JIFFIES);
  const entry = answeredConnection(slot, load<u32>(slot, PACKET_CT_GUESS), now);
  if (entry === 0 || !isSteady(entry, now)) return 0;
  const direction = datagramDirection;
  const kept = keptPlan(slot, entry, direction, PACKET_HOST, entryWord(entry) as u32);
  const edge = keptEdge(entry, direction);
  if (!isKept(kept) || (edge & EDGE_ACCEPTS) === 0) return 0;
  const segment = load<u32>(slot, PACKET_SEGMENT);
  const length = segment & SEGMENT_LENGTH;
  if ((segment & SEGMENT_UNSUMMED) !== 0 && asksSum((kept >>> KEPT_PLAN_SHIFT) as u32)) {
    if (!segmentSumHolds((load<u32>(slot, PACKET_DATA) as usize) + ETHERNET_HEADER, length, PROTOCOL_UDP)) return 0;
  }
  followDatagram(entry, now);
  return Bare.counted(code, edge, kept, length);
}

function judgeAsFlows(slot: usize, end: usize): usize {
  const behind = judgeFlows(slot, end);
  bareBytes = flowBytes;
  return behind;
}

/**
 * Judges and counts a marked slot that needs a closer look: at its sum, at options, at numbers that are far from each other, or at a connection that has just begun. Out: as TOLD_* say;
 * 0, and nothing is changed, when it does not go this way.
 */
function judgeLong(slot: usize): u64 {
  const way = load<u32>(slot, PACKET_WAY);
  if (way === WAY_BEGINS) return judgeBegins(slot);
  if (way === WAY_SIX) {
    const bytes = judgeSix(slot);
    return bytes === 0 ? 0 : Bare.counted(code, sixEdge, sixKept, bytes);
  }
  if (!ASC_NO_ASSERT) looked++;
  if (way !== <u32>WAY_BARE) return 0;
  if ((load<u32>(slot, PACKET_SEGMENT) & SEGMENT_DATAGRAM) !== 0) return judgeDatagram(slot);
  const ip = (load<u32>(slot, PACKET_DATA) as usize) + ETHERNET_HEADER;
  const guess = guessOfBytes(slot, ip);
  const now = load<i64>(slot, PACKET_JIFFIES);
  let entry = guessedEntry(guess);
  let word = entryWord(entry);
  if (hasKeyOfHalf(entry, slot) && isHalf(entry)) return isOver(entry, now) ? 0 : judgeHalf(slot, entry, guess, word, now);
  if (!hasKeyOf(entry, slot)) return 0;
  let direction = directionOf(word, guess);
  if (!isOpenWord(word)) {
    const translated = openTranslated(slot, guess, now);
    // How connections begin that may be translated is left to others.
    if (translated === 0) return keepsTranslated(false) || isOver(entry, now) ? 0 : judgeAcknowledgement(slot, guess, word, now);
    entry = translated;
    word = entryWord(entry);
    direction = translatedDirection;
  } else if (isOver(entry, now)) return 0;
  const kept = keptPlan(slot, entry, direction, PACKET_HOST, word as u32);
  const edge = keptEdge(entry, direction);
  if (!isKept(kept) || (edge & EDGE_ACCEPTS) === 0) return 0;
  const segment = load<u32>(slot, PACKET_SEGMENT);
  const length = segment & SEGMENT_LENGTH;
  if (!isSumRight(ip, segment, (kept >>> KEPT_PLAN_SHIFT) as u32)) return 0;
  if (!followBare(entry, direction, ip, length, now)) return 0;
  return Bare.counted(code, edge, kept, length);
}

/** Packets of connections that were accepted at a hook. */
function tallyAccepted(hook: u32, packets: u32): void {
  addTo(CONTROL_OUTCOMES + (((((hook << 2) | VERDICT_ACCEPT) << 3) | CT_ESTABLISHED) << 3), packets as u64);
}

/** Part of those who call it (conntrack/follow.ts says why). */
// biome-ignore lint/complexity/noStaticOnlyClass: @inline stands at methods only, as far as the linter goes
class Bare {
  /** Counts a packet of so many bytes on its edge, marked as it is kept. Out: as judgeLong. */
  @inline
  static counted(base: usize, edge: u32, kept: u64, length: u32): u64 {
    countMany(load<u32>(base + ((edge ^ EDGE_ACCEPTS) as usize)), 1, length as u64);
    return (length | toldOfPlan((kept >>> KEPT_PLAN_SHIFT) as u32)) as u64;
  }
}
