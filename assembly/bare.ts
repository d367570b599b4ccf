/**
 * The shortest way: a plain segment (packet/segment.ts) of an open connection that keeps an edge for its like (classify/known.ts) is judged by its bytes; its slot is never decoded.
 * What of it rules ask about was asked when the edge was kept. Whatever is not so is decoded after all, when its turn comes, and goes the usual way.
 */
import { LINK_ETHERNET } from '../src/abi/capture.ts';
import { TRACKING_FLAG_CHECKSUM } from '../src/abi/conntrack.ts';
import { CONTROL_OUTCOMES, VERDICT_ACCEPT } from '../src/abi/control.ts';
import { CT_ESTABLISHED } from '../src/abi/fields.ts';
import {
  PACKET_CAPTURED,
  PACKET_CT_GUESS,
  PACKET_DATA,
  PACKET_LINKTYPE,
  PACKET_SIZE,
  PACKET_TIME,
  PACKET_WAY,
  WAY_BARE,
  WAY_INPUT,
  WAY_OUTPUT,
  WAY_UNSEEN,
} from '../src/abi/packet.ts';
import { NEXT_ACCEPT } from '../src/abi/program.ts';
import { limit } from './capture/state.ts';
import { keptEdge, keptPlan } from './classify/known.ts';
import { code, count } from './classify/program.ts';
import { advanceTo } from './clock.ts';
import { SHORT_SUM } from './conntrack/checksum';
import { directionIn, entryStatus, followBare, hasShortWay, openConnection, putKeyOfSegment } from './conntrack/index';
import { flag } from './conntrack/parameters';
import { ETHERNET_HEADER, frameType } from './packet/ethernet.ts';
import { decodePlain } from './packet/index.ts';
import { isPlainSegment, lengthAt } from './packet/segment.ts';
import { PLAN_SHORT, planOf, SHORT_ARRIVES, SHORT_HOOK, SHORT_TRACKS } from './plan.ts';
import { recording } from './records.ts';
import { simpleWays } from './stack/host.ts';
import { routePlain } from './stack/index.ts';
import { addTo } from './tally.ts';

/** A short segment is summed with what lies behind it, up to here (shortSumHolds), which must be there to be read. */
const SUMMED: usize = ETHERNET_HEADER + 12 + SHORT_SUM;
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
  wanted = ASC_FEATURE_SIMD && simpleWays && hasShortWay() && (short & SHORT_TRACKS) !== 0 && !recording();
}

/** Marks those of the slots from `slot` to before `end`, read and not decoded, that can go this way (WAY_BARE). Out: whether some were asked. */
export function markBare(slot: usize, end: usize): bool {
  if (!wanted || isResting()) return false;
  for (; slot < end; slot += PACKET_SIZE) {
    const frame: usize = load<u32>(slot, PACKET_DATA);
    const bare =
      load<u32>(slot, PACKET_LINKTYPE) === <u32>LINK_ETHERNET &&
      frame + SUMMED <= limit &&
      isPlainSegment(frame, load<u32>(slot, PACKET_CAPTURED));
    store<u32>(slot, bare ? WAY_BARE : WAY_UNSEEN, PACKET_WAY);
    if (!bare) continue;
    putKeyOfSegment(slot, frame + ETHERNET_HEADER);
    marked++;
  }
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

/** The first slot from `slot` to before `end` that is marked, or `end`. */
export function nextBare(slot: usize, end: usize): usize {
  while (slot < end && load<u32>(slot, PACKET_WAY) !== <u32>WAY_BARE) slot += PACKET_SIZE;
  return slot;
}

/** A marked slot that did not go this way. */
export function decodeBare(slot: usize): void {
  missed++;
  decodePlain(slot, slot + PACKET_SIZE);
  routePlain(slot, slot + PACKET_SIZE);
}

/** Judges and counts the slots from `slot` to before `end`. Out: the first that did not go this way, as it was. */
export function judgeBare(slot: usize, end: usize): usize {
  const base = code;
  const sums = flag(TRACKING_FLAG_CHECKSUM);
  const start = slot;
  let time: u64 = 0;
  let bytes: u64 = 0;
  let left: u32 = 0;
  for (; slot < end && load<u32>(slot, PACKET_WAY) === <u32>WAY_BARE; slot += PACKET_SIZE) {
    const guess = load<u32>(slot, PACKET_CT_GUESS);
    if (guess === 0) break;
    const entry = openConnection(slot, guess);
    if (entry === 0) break;
    const direction = directionIn(entry, guess);
    const frame: usize = load<u32>(slot, PACKET_DATA);
    const plan = keptPlan(slot, entry, direction, frameType(frame), entryStatus(entry));
    if (plan === 0) break;
    const kept = keptEdge(entry, direction);
    if (kept === 0) break;
    const edge = base + (kept as usize);
    if (load<u32>(edge, 4) !== <u32>NEXT_ACCEPT) break;
    const length = lengthAt(frame + ETHERNET_HEADER);
    if (!followBare(slot, entry, direction, frame + ETHERNET_HEADER, length, sums & ((plan & SHORT_ARRIVES) !== 0))) break;
    count(load<u32>(edge), length as u64);
    bytes += length as u64;
    left += plan & SHORT_HOOK;
    time = max(time, load<u64>(slot, PACKET_TIME));
  }
  bareBytes = bytes;
  if (slot === start) return slot;
  advanceTo(time);
  const packets = ((slot - start) / PACKET_SIZE) as u32;
  if (!ASC_NO_ASSERT) judged += packets;
  tallyAccepted(0, packets - left);
  tallyAccepted(SHORT_HOOK, left);
  return slot;
}

/** Packets of connections that were accepted at a hook. */
function tallyAccepted(hook: u32, packets: u32): void {
  addTo(CONTROL_OUTCOMES + (((((hook << 2) | VERDICT_ACCEPT) << 3) | CT_ESTABLISHED) << 3), packets as u64);
}
