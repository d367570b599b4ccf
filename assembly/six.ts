/** Plain segments over IPv6 of open connections: judged by their bytes as those over IPv4 (bare.ts), one by one; only their addresses are decoded. */
import { FIELD_DESTINATION, FIELD_FAMILY, FIELD_SOURCE, PACKET_HOST } from '../src/abi/fields.ts';
import {
  PACKET_CT_GUESS,
  PACKET_DATA,
  PACKET_JIFFIES,
  PACKET_SEGMENT,
  PACKET_WAY,
  WAY_FORWARD,
  WAY_INPUT,
  WAY_OUTPUT,
  WAY_SIX,
} from '../src/abi/packet.ts';
import { asksSum } from './begin.ts';
import { edgesOf, keepsEdges } from './classify/edges.ts';
import { EDGE_ACCEPTS, isKept, KEPT_PLAN_SHIFT, keptEdge, keptPlan } from './classify/known.ts';
import {
  directionOf,
  entryWord,
  followBare6,
  guessedEntry,
  hasShortWay,
  hasWholeKeyOf,
  isOpenWord,
  isOver,
  PROTOCOL_TCP,
  putKey6,
  segmentSumHolds6,
} from './conntrack/index';
import { ETHERNET_HEADER } from './packet/ethernet.ts';
import { keptOf, SHORT_TRACKS, translates } from './plan.ts';
import { recording } from './records.ts';
import { leastMtu } from './stack/host.ts';

const HEADER: u32 = 40;
/** Both headers without options. */
const LEAST: u32 = 60;
/** Of a TCP header's byte 13: all flags without PSH; ACK. */
const FLAGS: u32 = 0x37;
const ACK: u32 = 0x10;
/** The least MTU that links of IPv6 have. */
const MTU_MINIMUM: u32 = 1280;

/** There can be edges for such packets. */
export let sixWanted: bool = false;
/** A hop limit of less, and more bytes, may not be forwarded. */
let leastHops: u32 = 0;
let most: u32 = 0;

/** Once plans are made. */
export function sixStart(): void {
  const forwarded = keptOf(true, WAY_FORWARD);
  const short = keptOf(true, WAY_INPUT) | keptOf(true, WAY_OUTPUT) | forwarded;
  sixWanted = ASC_FEATURE_SIMD && hasShortWay() && (short & SHORT_TRACKS) !== 0 && !translates(true) && !recording();
  leastHops = forwarded !== 0 ? 2 : 0;
  most = forwarded !== 0 ? max<u32>(leastMtu, MTU_MINIMUM) : 0xffff;
}

/** Marks a slot that is read and not decoded (WAY_SIX), of `captured` bytes from a header of version 6 at `ip`, if it is a plain segment. A key is in hand then. */
export function markSix(slot: usize, ip: usize, captured: u32): bool {
  if (!sixWanted || captured < LEAST || load<u8>(ip, 6) !== <u8>PROTOCOL_TCP) return false;
  const total = (bswap(load<u16>(ip, 4)) as u32) + HEADER;
  if (total < LEAST || total > captured || total > most || (load<u8>(ip, 7) as u32) < leastHops) return false;
  const header = ip + (HEADER as usize);
  if (((load<u8>(header, 13) as u32) & FLAGS) !== ACK) return false;
  putAddress(slot + FIELD_SOURCE * 4, ip + 8);
  putAddress(slot + FIELD_DESTINATION * 4, ip + 24);
  store<u32>(slot, 6, FIELD_FAMILY * 4);
  putKey6(slot, bswap(load<u16>(header)) as u32, bswap(load<u16>(header, 2)) as u32, PROTOCOL_TCP);
  store<u32>(slot, total, PACKET_SEGMENT);
  store<u32>(slot, WAY_SIX, PACKET_WAY);
  return true;
}

function putAddress(to: usize, from: usize): void {
  store<u64>(to, rotl<u64>(bswap<u64>(load<u64>(from)), 32));
  store<u64>(to, rotl<u64>(bswap<u64>(load<u64>(from, 8)), 32), 8);
}

/** Of the slot that judgeSix judged: what was kept of its way, and the edge. */
export let sixKept: u64 = 0;
export let sixEdge: u32 = 0;

/** Judges such a slot, but counts it nowhere. Out: its bytes; 0, and nothing is changed, when it does not go this way. */
export function judgeSix(slot: usize): u32 {
  const guess = load<u32>(slot, PACKET_CT_GUESS);
  const entry = guessedEntry(guess);
  const now = load<i64>(slot, PACKET_JIFFIES);
  if (!hasWholeKeyOf(guess, slot)) return 0;
  const word = entryWord(entry);
  if (!isOpenWord(word) || isOver(entry, now) || !keepsEdges(entry)) return 0;
  const direction = directionOf(word, guess);
  const edges = edgesOf(entry);
  sixKept = keptPlan(slot, edges, direction, PACKET_HOST, word as u32);
  sixEdge = keptEdge(edges, direction);
  if (!isKept(sixKept) || (sixEdge & EDGE_ACCEPTS) === 0) return 0;
  const length = load<u32>(slot, PACKET_SEGMENT);
  const ip = (load<u32>(slot, PACKET_DATA) as usize) + ETHERNET_HEADER;
  if (asksSum((sixKept >>> KEPT_PLAN_SHIFT) as u32) && !segmentSumHolds6(ip, length)) return 0;
  return followBare6(entry, direction, ip, length, now) ? length : 0;
}
