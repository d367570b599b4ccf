/** Plain segments and datagrams over IPv6 of connections: judged by their bytes as those over IPv4 (bare.ts), one by one; only their addresses are decoded. */
import { DIRECTION_OUTBOUND } from '../src/abi/capture.ts';
import { FIELD_DESTINATION, FIELD_FAMILY, FIELD_SOURCE, PACKET_HOST } from '../src/abi/fields.ts';
import {
  PACKET_CT_GUESS,
  PACKET_DATA,
  PACKET_DIRECTION,
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
  answeredConnection,
  directionOf,
  entryWord,
  followBare6,
  followDatagram,
  guessedEntry,
  hasShortWay,
  hasWholeKeyOf,
  isOpenWord,
  isOver,
  isSteady,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  putKey6,
  segmentSumHolds6,
} from './conntrack/index';
import { ETHERNET_HEADER } from './packet/ethernet.ts';
import { SEGMENT_DATAGRAM, SEGMENT_LENGTH, SEGMENT_UNSUMMED } from './packet/segment.ts';
import { keepsTranslated, keptOf, SHORT_TRACKS, translates } from './plan.ts';
import { recording } from './records.ts';
import { everythingArrives, leastMtu } from './stack/host.ts';

const HEADER: u32 = 40;
/** Both headers without options, of a segment and of a datagram. */
const LEAST: u32 = 60;
const DATAGRAM_LEAST: u32 = 48;
const UDP_HEADER: u32 = 8;
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
/** Packets of this direction are not marked. */
let unmarked: u32 = 0;
const NO_DIRECTION: u32 = 0xffffffff;

/** Once plans are made. */
export function sixStart(): void {
  const forwards = keptOf(true, WAY_FORWARD) !== 0 || keepsTranslated(true);
  const short = keptOf(true, WAY_INPUT) | keptOf(true, WAY_OUTPUT) | keptOf(true, WAY_FORWARD);
  sixWanted = ASC_FEATURE_SIMD && hasShortWay() && ((short & SHORT_TRACKS) !== 0 || keepsTranslated(true)) && !recording();
  // What went out behind a translation only connections tell whose it is (left.ts).
  unmarked = translates(true) && !everythingArrives ? DIRECTION_OUTBOUND : NO_DIRECTION;
  leastHops = forwards ? 2 : 0;
  most = forwards ? max<u32>(leastMtu, MTU_MINIMUM) : 0xffff;
}

/** Marks a slot that is read and not decoded (WAY_SIX), of `captured` bytes from a header of version 6 at `ip`, if it is a plain segment or a datagram. A key is in hand then. */
export function markSix(slot: usize, ip: usize, captured: u32): bool {
  if (!sixWanted || captured < DATAGRAM_LEAST || load<u32>(slot, PACKET_DIRECTION) === unmarked) return false;
  const total = (bswap(load<u16>(ip, 4)) as u32) + HEADER;
  if (total > captured || total > most || (load<u8>(ip, 7) as u32) < leastHops) return false;
  const protocol = load<u8>(ip, 6) as u32;
  const header = ip + (HEADER as usize);
  const segment =
    protocol === PROTOCOL_TCP ? segmentAt(header, total) : protocol === PROTOCOL_UDP ? datagramAt(header, total) : 0;
  if (segment === 0) return false;
  putAddress(slot + FIELD_SOURCE * 4, ip + 8);
  putAddress(slot + FIELD_DESTINATION * 4, ip + 24);
  store<u32>(slot, 6, FIELD_FAMILY * 4);
  putKey6(slot, bswap(load<u16>(header)) as u32, bswap(load<u16>(header, 2)) as u32, protocol);
  store<u32>(slot, segment, PACKET_SEGMENT);
  store<u32>(slot, WAY_SIX, PACKET_WAY);
  return true;
}

/** As PACKET_SEGMENT has it, of a packet of `total` bytes whose header of TCP or UDP is at `header`; 0: none that goes this way. */
function segmentAt(header: usize, total: u32): u32 {
  return total >= LEAST && ((load<u8>(header, 13) as u32) & FLAGS) === ACK ? total | SEGMENT_UNSUMMED : 0;
}

function datagramAt(header: usize, total: u32): u32 {
  if (total < DATAGRAM_LEAST) return 0;
  if ((bswap(load<u16>(header, 4)) as u32) - UDP_HEADER > total - DATAGRAM_LEAST) return 0;
  return total | SEGMENT_DATAGRAM | (load<u16>(header, 6) === 0 ? 0 : SEGMENT_UNSUMMED);
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
  const now = load<i64>(slot, PACKET_JIFFIES);
  const segment = load<u32>(slot, PACKET_SEGMENT);
  const isDatagram = (segment & SEGMENT_DATAGRAM) !== 0;
  const entry = isDatagram ? answeredConnection(slot, guess, now) : openConnection6(slot, guess, now);
  if (entry === 0 || !keepsEdges(entry)) return 0;
  const word = entryWord(entry);
  const direction = directionOf(word, guess);
  const edges = edgesOf(entry);
  sixKept = keptPlan(slot, edges, direction, PACKET_HOST, word as u32);
  sixEdge = keptEdge(edges, direction);
  if (!isKept(sixKept) || (sixEdge & EDGE_ACCEPTS) === 0) return 0;
  const length = segment & SEGMENT_LENGTH;
  const ip = (load<u32>(slot, PACKET_DATA) as usize) + ETHERNET_HEADER;
  if ((segment & SEGMENT_UNSUMMED) !== 0 && asksSum((sixKept >>> KEPT_PLAN_SHIFT) as u32)) {
    if (!segmentSumHolds6(ip, length, isDatagram ? PROTOCOL_UDP : PROTOCOL_TCP)) return 0;
  }
  if (!isDatagram) return followBare6(entry, direction, ip, length, now) ? length : 0;
  if (!isSteady(entry, now)) return 0;
  followDatagram(entry, now);
  return length;
}

function openConnection6(slot: usize, guess: u32, now: i64): usize {
  const entry = guessedEntry(guess);
  if (!hasWholeKeyOf(guess, slot) || !isOpenWord(entryWord(entry)) || isOver(entry, now)) return 0;
  return entry;
}
