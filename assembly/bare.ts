/**
 * The shortest way: a plain segment (packet/segment.ts) of an open connection that keeps an edge for its like (classify/known.ts) is judged by its bytes; its slot is never decoded.
 * What of it rules ask about was asked when the edge was kept. Whatever is not so is decoded after all, when its turn comes, and goes the usual way.
 */
import { LINK_ETHERNET } from '../src/abi/capture.ts';
import { TRACKING_FLAG_CHECKSUM } from '../src/abi/conntrack.ts';
import { CONTROL_OUTCOMES, VERDICT_ACCEPT } from '../src/abi/control.ts';
import { CT_ESTABLISHED, PACKET_HOST } from '../src/abi/fields.ts';
import {
  PACKET_CAPTURED,
  PACKET_CT_GUESS,
  PACKET_DATA,
  PACKET_JIFFIES,
  PACKET_LINKTYPE,
  PACKET_SEGMENT,
  PACKET_SIZE,
  PACKET_TIME,
  PACKET_WAY,
  WAY_BARE,
  WAY_INPUT,
  WAY_OUTPUT,
  WAY_UNSEEN,
} from '../src/abi/packet.ts';
import { BATCH } from './capture/index.ts';
import { limit } from './capture/state.ts';
import { EDGE_ACCEPTS, isKept, KEPT_PLAN_SHIFT, keptEdge, keptPlan } from './classify/known.ts';
import { code, countMany } from './classify/program.ts';
import { advanceTo } from './clock.ts';
import {
  directionOf,
  entryWord,
  followBare,
  hasKeyOf,
  hasShortWay,
  isCollected,
  isOpenWord,
  isOver,
  putKeyOfSegment,
  segmentSumHolds,
  setClock,
  usualLife,
  waitingLife,
} from './conntrack/index';
import { flag } from './conntrack/parameters';
import { ETHERNET_HEADER } from './packet/ethernet.ts';
import { decodePlain } from './packet/index.ts';
import { SEGMENT_LENGTH, SEGMENT_READ, SUMMED_MOST, segmentAt, segmentInit } from './packet/segment.ts';
import { PLAN_SHORT, planOf, SHORT_ARRIVES, SHORT_HOOK, SHORT_TRACKS } from './plan.ts';
import { recording } from './records.ts';
import { simpleWays } from './stack/host.ts';
import { routePlain } from './stack/index.ts';
import { addTo } from './tally.ts';

/** There can be edges for such packets, and nobody wants to see more of them than what is counted. */
let wanted: bool = false;
/** Packets marked in the latest batch that had some, and how many of them did not go this way. */
let marked: u32 = 0;
let missed: u32 = 0;
/**
 * Batches that are not marked: where three of four packets do not go this way (rules ask for more than is kept, connections only begin), one; where it is so again, twice as many and one,
 * up to LONGEST_REST. A slot decoded alone costs more than one of many.
 */
const LONGEST_REST: u32 = 31;
let rest: u32 = 0;
let nextRest: u32 = 1;
/** The slots of the latest batch that were not marked, how many they are, and how many of them `nextOthers` took; the end of those it took last. */
const OTHERS: usize = memory.data(BATCH << 2, 16);
let others: u32 = 0;
let othersTaken: u32 = 0;
export let othersEnd: usize = 0;
/** Bytes of those that `judgeBare` judged last. */
export let bareBytes: u64 = 0;
/** Packets that went this way: only the debug build counts them, for tests. */
let judged: u32 = 0;

export function bareJudged(): u32 {
  return judged;
}

/** Once plans are made. */
export function bareStart(): void {
  const short = load<u32>(planOf(false, WAY_INPUT), PLAN_SHORT) | load<u32>(planOf(false, WAY_OUTPUT), PLAN_SHORT);
  segmentInit();
  wanted = ASC_FEATURE_SIMD && simpleWays && hasShortWay() && (short & SHORT_TRACKS) !== 0 && !recording();
}

/** Marks those of the slots from `slot` to before `end`, read and not decoded, that can go this way (WAY_BARE). Out: whether some were asked. */
export function markBare(slot: usize, end: usize): bool {
  if (!wanted || isResting()) return false;
  let bare: u32 = 0;
  others = 0;
  othersTaken = 0;
  for (; slot < end; slot += PACKET_SIZE) {
    const frame: usize = load<u32>(slot, PACKET_DATA);
    let segment: u32 = 0;
    if (load<u32>(slot, PACKET_LINKTYPE) === <u32>LINK_ETHERNET)
      if (frame + SEGMENT_READ <= limit) segment = segmentAt(frame, load<u32>(slot, PACKET_CAPTURED));
    if (segment === 0) {
      store<u32>(slot, WAY_UNSEEN, PACKET_WAY);
      store<u32>(OTHERS + ((others << 2) as usize), slot as u32);
      others++;
      continue;
    }
    store<u32>(slot, segment, PACKET_SEGMENT);
    store<u32>(slot, WAY_BARE, PACKET_WAY);
    putKeyOfSegment(slot, frame + ETHERNET_HEADER);
    bare++;
  }
  marked = bare;
  return true;
}

/** Before a batch is marked. */
function isResting(): bool {
  if (missed > marked - (marked >>> 2)) {
    rest = nextRest;
    nextRest = min((nextRest << 1) | 1, LONGEST_REST);
  } else if (marked !== 0) {
    nextRest = 1;
  }
  marked = 0;
  missed = 0;
  if (rest === 0) return false;
  rest--;
  return true;
}

/** The first of the next slots in a row that were not marked; they end at `othersEnd`. 0: there are no more. */
export function nextOthers(): usize {
  if (othersTaken === others) return 0;
  const first = otherAt(othersTaken++);
  othersEnd = first + PACKET_SIZE;
  for (; othersTaken < others && otherAt(othersTaken) === othersEnd; othersTaken++) othersEnd += PACKET_SIZE;
  return first;
}

function otherAt(index: u32): usize {
  return load<u32>(OTHERS + ((index as usize) << 2));
}

/** A marked slot that did not go this way. */
export function decodeBare(slot: usize): void {
  missed++;
  decodePlain(slot, slot + PACKET_SIZE);
  routePlain(slot, slot + PACKET_SIZE);
}

/** Judges and counts the slots from `slot` to before `end`. Out: the first that did not go this way, as it was. */
export function judgeBare(slot: usize, end: usize): usize {
  // Of marked edges.
  const base = code - EDGE_ACCEPTS;
  const usual = usualLife();
  const waiting = waitingLife();
  const start = slot;
  let time: u64 = 0;
  let bytes: u64 = 0;
  let left: u32 = 0;
  bareBytes = 0;
  // Time never goes back.
  if (isCollected(load<i64>(end - PACKET_SIZE, PACKET_JIFFIES))) return slot;
  while (slot < end) {
    if (load<u32>(slot, PACKET_WAY) !== <u32>WAY_BARE) break;
    const guess = load<u32>(slot, PACKET_CT_GUESS);
    // Where nothing was guessed there are zeros, which are no connection.
    const entry = (guess & ~1) as usize;
    if (!hasKeyOf(entry, slot)) break;
    const word = entryWord(entry);
    if (!isOpenWord(word)) break;
    const now = load<i64>(slot, PACKET_JIFFIES);
    if (isOver(entry, now)) break;
    const direction = directionOf(word, guess);
    const kept = keptPlan(slot, entry, direction, PACKET_HOST, word as u32);
    if (!isKept(kept)) break;
    const plan = (kept >>> KEPT_PLAN_SHIFT) as u32;
    const edge = keptEdge(entry, direction);
    if ((edge & EDGE_ACCEPTS) === 0) break;
    const ip = (load<u32>(slot, PACKET_DATA) as usize) + ETHERNET_HEADER;
    const segment = load<u32>(slot, PACKET_SEGMENT);
    const length = segment & SEGMENT_LENGTH;
    if (segment !== length) if (!isSumRight(ip, length, plan)) break;
    if (!followBare(entry, direction, word, ip, length, now, usual, waiting)) break;
    countMany(load<u32>(base + (edge as usize)), 1, length as u64);
    bytes += length as u64;
    left += plan & SHORT_HOOK;
    time = max(time, load<u64>(slot, PACKET_TIME));
    slot += PACKET_SIZE;
  }
  if (slot === start) return slot;
  bareBytes = bytes;
  advanceTo(time);
  setClock(load<i64>(slot - PACKET_SIZE, PACKET_JIFFIES));
  const packets = ((slot - start) / PACKET_SIZE) as u32;
  if (!ASC_NO_ASSERT) judged += packets;
  tallyAccepted(0, packets - left);
  tallyAccepted(SHORT_HOOK, left);
  return slot;
}

/** A segment that is not told to have the right sum, which goes through `plan`: it has it, or nobody asks. */
function isSumRight(ip: usize, length: u32, plan: u32): bool {
  if (!flag(TRACKING_FLAG_CHECKSUM) || (plan & SHORT_ARRIVES) === 0) return true;
  return length > SUMMED_MOST && segmentSumHolds(ip, length);
}

/** Packets of connections that were accepted at a hook. */
function tallyAccepted(hook: u32, packets: u32): void {
  addTo(CONTROL_OUTCOMES + (((((hook << 2) | VERDICT_ACCEPT) << 3) | CT_ESTABLISHED) << 3), packets as u64);
}
