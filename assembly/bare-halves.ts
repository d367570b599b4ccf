/** The shortest way (bare.ts) of plain segments whose connections keep but half an entry (conntrack/half.ts): a loop of its own, for what is the same for all of them is not asked, and where they are counted lies with their edges (conntrack/pairs.ts). */
import { PACKET_HOST } from '../src/abi/fields.ts';
import {
  PACKET_CT_GUESS,
  PACKET_DATA,
  PACKET_JIFFIES,
  PACKET_SEGMENT,
  PACKET_SEGMENT_HEADER,
  PACKET_SIZE,
  PACKET_WAY,
  WAY_BARE,
} from '../src/abi/packet.ts';
import { asksSum } from './begin.ts';
import { isKept, KEPT_PLAN_SHIFT, keptPlan } from './classify/known.ts';
import {
  countedAt,
  directionThrough,
  entryWord,
  guessedEntry,
  HALF_PAIR,
  HalfFollow,
  hasKeyOfHalf,
  hasNoOptions,
  hasTimestampOnly,
  isOpenHalf,
  isOver,
  keeperOf,
  OPEN_STATUS,
  SLID_NOT,
  TIMESTAMP_ONLY_SIZE,
  toldOf,
} from './conntrack/index';
import { ETHERNET_HEADER } from './packet/ethernet.ts';
import { SEGMENT_LENGTH } from './packet/segment.ts';

/** Behind an Ethernet header and one of IPv4 without options; both headers of a segment without any. */
export const SEGMENT_HEADER: usize = ETHERNET_HEADER + 20;
export const SEGMENT_HEADERS: u32 = 40;
/** Of those that `judgeHalves` judged last: as TOLD_* say (told.ts). */
export let halvesTold: u64 = 0;

/** Judges and counts the slots from `slot` to before `end`, in which nothing is called: so what is at hand stays in registers. Out: the first that did not go this way, as it was. */
export function judgeHalves(slot: usize, end: usize): usize {
  let sum: u64 = 0;
  for (; slot < end; slot += PACKET_SIZE) {
    if (load<u32>(slot, PACKET_WAY) !== <u32>WAY_BARE) break;
    const guess = load<u32>(slot, PACKET_CT_GUESS);
    const half = guessedEntry(guess);
    if (!isOpenHalf(entryWord(half))) break;
    if (!hasKeyOfHalf(half, slot)) break;
    const now = load<i64>(slot, PACKET_JIFFIES);
    if (isOver(half, now)) break;
    const direction = directionThrough(half, guess);
    const keeper = keeperOf(load<u16>(half, HALF_PAIR) as u32);
    const kept = keptPlan(slot, keeper, direction, PACKET_HOST, OPEN_STATUS);
    if (!isKept(kept)) break;
    const counter = countedAt(keeper, direction);
    if (counter === 0) break;
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
    const slid = HalfFollow.slideTogether(half, direction, header, length - headers);
    if (slid === SLID_NOT) break;
    HalfFollow.settle(half, direction, slid, now);
    store<u64>(counter, load<u64>(counter) + 1);
    store<u64>(counter, load<u64>(counter, 8) + (length as u64), 8);
    sum += (length | toldOf(keeper, direction)) as u64;
  }
  halvesTold = sum;
  return slot;
}
