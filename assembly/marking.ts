/** Of slots that are read and not decoded, those are marked that can be judged by their bytes (bare.ts, flows.ts), with all that is judged by. Another thread may do it than the one that judges (pipeline.ts). */
import { DIRECTION_OUTBOUND, LINK_ETHERNET } from '../src/abi/capture.ts';
import {
  PACKET_CAPTURED,
  PACKET_DATA,
  PACKET_DIRECTION,
  PACKET_FOUND,
  PACKET_FOUND_CAPTURED,
  PACKET_LINKTYPE,
  PACKET_SEGMENT,
  PACKET_SEGMENT_HEADER,
  PACKET_SIZE,
  PACKET_WAY,
  WAY_BARE,
  WAY_FORWARD,
  WAY_INPUT,
  WAY_OUTPUT,
} from '../src/abi/packet.ts';
import { markBeginning, markBegins } from './begin.ts';
import { limit } from './capture/state.ts';
import { hasShortWay, Keys } from './conntrack/index';
import { flowsStart, flowsWanted, markFlows } from './flows.ts';
import { beginMarks, endMarks, firstUnmarked, leaveUnmarked, nextUnmarked } from './marks.ts';
import { ETHERNET_HEADER } from './packet/ethernet.ts';
import { asksMacs, hasToSeek, placeBehind, seekFrame, seekFrames } from './packet/seek.ts';
import { SEGMENT_READ, Segment, segmentInit } from './packet/segment.ts';
import { keepsTranslated, keptOf, SHORT_TRACKS, translates } from './plan.ts';
import { recording } from './records.ts';
import { servicesStart } from './services.ts';
import { markSix, sixStart, sixWanted } from './six.ts';
import { everythingArrives } from './stack/host.ts';

/** There can be edges for such packets, and nobody wants to see more of them than what is counted. */
let wanted: bool = false;
/** Packets of this direction are not marked. */
let unmarked: u32 = 0;
const NO_DIRECTION: u32 = 0xffffffff;
/** What marksBare tells: packets are marked; only those that a router may forward; none that went out. */
const MARKS_BARE: u32 = 1;
const MARKS_FORWARDS: u32 = 2;
const MARKS_INBOUND: u32 = 4;
/** Some of them may be forwarded, and Segment.plain asks for that. */
let forwards: bool = false;
/** What begins connections is marked, too: by what the engine knows that judges. */
let begins: bool = true;
const IP_HEADER: usize = 20;

/** Once plans are made. */
export function markingStart(): void {
  const forwarded = keptOf(false, WAY_FORWARD);
  const short = keptOf(false, WAY_INPUT) | keptOf(false, WAY_OUTPUT) | forwarded;
  forwards = forwarded !== 0 || keepsTranslated(false);
  segmentInit(forwards);
  flowsStart();
  sixStart();
  const tracks4 = ASC_FEATURE_SIMD && hasShortWay() && ((short & SHORT_TRACKS) !== 0 || keepsTranslated(false)) && !recording();
  wanted = tracks4 || sixWanted;
  // What went out behind a translation only connections tell whose it is (left.ts).
  unmarked = translates(false) && !everythingArrives ? DIRECTION_OUTBOUND : NO_DIRECTION;
  servicesStart(tracks4 && (short & SHORT_TRACKS) !== 0);
}

/** What an engine is told that marks packets for this one (setMarksBare): MARKS_BARE and others, or 0. */
export function marksBare(): u32 {
  if (!wanted || flowsWanted) return 0;
  return MARKS_BARE | (forwards ? MARKS_FORWARDS : 0) | (unmarked === NO_DIRECTION ? 0 : MARKS_INBOUND);
}

/** Of an engine that only reads: marks as the one that judges says. */
export function setMarksBare(marks: u32): void {
  wanted = (marks & MARKS_BARE) !== 0;
  begins = false;
  unmarked = (marks & MARKS_INBOUND) !== 0 ? DIRECTION_OUTBOUND : NO_DIRECTION;
  segmentInit((marks & MARKS_FORWARDS) !== 0);
}

/** Marks those of the slots from `slot` to before `end`, read and not decoded, that can go this way (WAY_BARE, WAY_BEGINS), with all that is judged by. Out: whether some were asked. */
export function markBare(slot: usize, end: usize): bool {
  if ((!wanted && !flowsWanted) || !beginMarks()) return false;
  const found = hasToSeek();
  if (found) seekFrames(slot, end);
  if (flowsWanted) {
    markFlows(slot, end, found);
    return true;
  }
  if (found) markFound(slot, end, limit - SEGMENT_READ);
  else markFrames(slot, end, limit - SEGMENT_READ);
  return true;
}

/** A function each: two of these loops in one become one that asks again and again which of them it is. */
function markFound(slot: usize, end: usize, last: usize): void {
  Marking.all(slot, end, last, true);
}

function markFrames(slot: usize, end: usize, last: usize): void {
  Marking.all(slot, end, last, false);
}

/** Whether there is anything to mark that needs no look at what was judged before. */
export function marksAlone(): bool {
  return wanted;
}

/** Of a batch that another engine marked: those of the slots it did not mark that begin connections. */
export function markOthers(): void {
  const last = limit - SEGMENT_READ;
  for (let slot = firstUnmarked(); slot !== 0; slot = nextUnmarked()) {
    if (!markOther(slot, last, false)) leaveUnmarked(slot);
  }
}

/** Marks a slot that no plain segment or datagram of IPv4 is in, if it is one of IPv6, or begins a connection. */
function markOther(slot: usize, last: usize, found: bool): bool {
  const record: usize = load<u32>(slot, PACKET_DATA);
  if (!begins || record > last) return false;
  if (!found) {
    const isPlain = !asksMacs() && load<u32>(slot, PACKET_LINKTYPE) === <u32>LINK_ETHERNET && Segment.isPlain(record, false);
    if (isPlain) return markBegins(slot, record + ETHERNET_HEADER, load<u32>(slot, PACKET_CAPTURED) - <u32>ETHERNET_HEADER);
    seekFrame(slot);
  }
  const frame: usize = load<u32>(slot, PACKET_FOUND) - <u32>ETHERNET_HEADER;
  if (frame > last) return false;
  const ip = frame + ETHERNET_HEADER;
  const captured = load<u32>(slot, PACKET_FOUND_CAPTURED);
  const isSix = load<u8>(ip) >> 4 === 6;
  if (isSix ? !markSix(slot, ip, captured) : !Segment.isPlain(frame, true) || !markBegins(slot, ip, captured)) return false;
  placeBehind(slot, frame);
  return true;
}

/** Parts of those who call them. */
// biome-ignore lint/complexity/noStaticOnlyClass: @inline stands at methods only, as far as the linter goes
class Marking {
  /** Marks a slot with IPv4 and a plain header at `ip` that is no segment, if it is a datagram that can go this way. */
  @inline
  static datagram(slot: usize, ip: usize, captured: u32): bool {
    const datagram = Segment.datagram(ip, captured);
    if (datagram === 0) return false;
    store<u32>(slot, datagram, PACKET_SEGMENT);
    store<u32>(slot, WAY_BARE, PACKET_WAY);
    Keys.putOfDatagram(slot, ip);
    return true;
  }

  /** Marks the slots from `slot` to before `end`. */
  @inline
  static all(slot: usize, end: usize, last: usize, found: bool): void {
    const start = slot;
    while (true) {
      // Of a slot that the loop leaves: what is known of it.
      let frame: usize = 0;
      let segment: u32 = 0;
      for (; slot < end; slot += PACKET_SIZE) {
        segment = 0;
        frame = found ? load<u32>(slot, PACKET_FOUND) - <u32>ETHERNET_HEADER : load<u32>(slot, PACKET_DATA);
        if (frame > last) break;
        if (load<u32>(slot, PACKET_DIRECTION) === unmarked) break;
        if (!found) if (load<u32>(slot, PACKET_LINKTYPE) !== <u32>LINK_ETHERNET) break;
        if (!Segment.isPlain(frame, found)) break;
        const captured = found ? load<u32>(slot, PACKET_FOUND_CAPTURED) : load<u32>(slot, PACKET_CAPTURED) - <u32>ETHERNET_HEADER;
        const ip = frame + ETHERNET_HEADER;
        segment = Segment.at(ip, captured);
        if (segment === 0) {
          if (!Marking.datagram(slot, ip, captured)) break;
          if (found) placeBehind(slot, frame);
          continue;
        }
        store<u32>(slot, segment, PACKET_SEGMENT);
        if (ASC_FEATURE_SIMD) v128.store(slot, v128.load(ip, IP_HEADER), PACKET_SEGMENT_HEADER);
        Keys.putOfSegment(slot, ip);
        if (!Segment.goesOn(ip)) break;
        if (found) placeBehind(slot, frame);
        store<u32>(slot, WAY_BARE, PACKET_WAY);
      }
      if (slot === end) break;
      if (segment === 0) {
        if (!markOther(slot, last, found)) leaveUnmarked(slot);
      } else if (!begins || !markBeginning(slot, frame + ETHERNET_HEADER)) leaveUnmarked(slot);
      else if (found) placeBehind(slot, frame);
      slot += PACKET_SIZE;
    }
    endMarks(start, end);
  }
}
