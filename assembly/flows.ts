/**
 * Where nothing tracks connections, rules mostly ask the same of all datagrams of a flow, and of all segments in the middle of one: so the way of one is kept, and the next is judged by its bytes, its slot never decoded.
 * A flow: one direction of a connection. Its key is compared as a whole; there are MOST places at most, and who has none goes the usual way: nobody is slower for flows that others make up.
 */
import { LINK_ETHERNET } from '../src/abi/capture.ts';
import { CONTROL_OUTCOMES, STATE_NONE, VERDICT_ACCEPT, VERDICT_DROP } from '../src/abi/control.ts';
import {
  PACKET_CAPTURED,
  PACKET_CT_GUESS,
  PACKET_CT_HASH,
  PACKET_CT_HIGH,
  PACKET_CT_LOW,
  PACKET_DATA,
  PACKET_FOUND,
  PACKET_FOUND_CAPTURED,
  PACKET_INTERFACE,
  PACKET_LINKTYPE,
  PACKET_SEGMENT,
  PACKET_SIZE,
  PACKET_UNSEEN,
  PACKET_WAY,
  WAY_BARE,
  WAY_FORWARD,
  WAY_INPUT,
  WAY_OUTPUT,
} from '../src/abi/packet.ts';
import { NEXT_DROP } from '../src/abi/program.ts';
import { alikeEdge } from './classify/known.ts';
import { code, counterOf } from './classify/program.ts';
import { advanceTo, latestOf } from './clock.ts';
import { conntrackCarve } from './conntrack/index';
import { decodeMarked } from './decode.ts';
import { endMarks, leaveUnmarked, missMark } from './marks.ts';
import { ETHERNET_HEADER } from './packet/ethernet.ts';
import { Plain } from './packet/plain.ts';
import { placeBehind, seekFrame } from './packet/seek.ts';
import { Segment } from './packet/segment.ts';
import { hideDevice, hookOfShort, PLAN_SHORT, planOf, SHORT_TRACKS, SHORT_WALK_SHIFT, translates } from './plan.ts';
import { recording } from './records.ts';
import { leastMtu, lenient } from './stack/host.ts';
import { addTo } from './tally.ts';

const TCP: u32 = 6;
const UDP: u32 = 17;
/** Of a TCP header's byte 13: all flags without PSH; ACK. A SYN is the only one of its flow, and a RST may be the answer to a refused packet. */
const FLAGS: u32 = 0x37;
const ACK: u32 = 0x10;
/** More fragments and the fragment offset, as they lie. */
const FRAGMENT_BITS: u32 = 0xff3f;
const HEADER: u32 = 20;
/** A UDP header, and as much more as is decoded in any case (packet/plain.ts); a TCP header. */
const UDP_LEAST: u32 = HEADER + 16;
const TCP_LEAST: u32 = HEADER + 20;

/**
 * A place: u64 both addresses, as they lie, the smaller one (of the two numbers) first; u64 their ports, in the same order, and above them the protocol and IS_FLOW, 0: nobody's; for each direction SIDE_SIZE bytes: u32 what else its
 * packets have in common (of the slot ASKED), 0: none came; u32 the address of the counter of the segment that they count on, a multiple of 16, and in its low bits their outcome; 0: they go the usual way. Two places are a set, which is as
 * large as a cache line.
 */
const SIDES: usize = 16;
const SIDE_SIZE: usize = 8;
const PLACE_SIZE: usize = 32;
const SET_SHIFT: usize = 6;
const SET_SIZE: usize = 64;
const IS_UDP: u64 = (1 as u64) << 32;
const IS_FLOW: u64 = (1 as u64) << 63;
/** Of a marked slot, in the place of the guess: the direction and the device that the record tells, and which direction of its place the packet has. */
const ASKED: usize = PACKET_CT_GUESS;
const IS_ASKED: u32 = 1;
const RECORD_SHIFT: u32 = 8;
const DEVICE_SHIFT: u32 = 12;
const DEVICES: u32 = 1 << 19;
const SIDE_SHIFT: u32 = 31;
/** Bits of a counter's address. */
const OUTCOME: u32 = 15;
/** Sets are at first, and at most, so many (powers of two). */
const LEAST_BITS: u32 = 10;
const MOST_BITS: u32 = 16;
/** There are to be twice as many as soon as one flow lost its place for so many sets (a power of two). */
const GROWS_SHIFT: u32 = 3;
const FIRST_FACTOR: u64 = ((0x9e3779b9 as u64) << 32) | 0x7f4a7c15;
const SECOND_FACTOR: u64 = ((0xd6e8feb8 as u64) << 32) | 0x6659fd93;
/**
 * Of what is told of packets that were judged: their bytes; above them how many there were of each outcome, seven bits each: 1 and 2 accepted at OUTPUT and FORWARD, 3 to 5 dropped. Those that INPUT accepted are the rest.
 * And what is told of one packet of each, beside its bytes.
 */
const TOLD_BYTES: u64 = (1 << 24) - 1;
const TOLD_SHIFT: u64 = 24;
const TOLD_BITS: u64 = 7;
const TOLD_PACKETS: u32 = 127;
const OUTCOMES: u32 = 6;
const TOLD: usize = memory.data<u64>([0, 0x1000000, 0x80000000, 0x4000000000, 0x200000000000, 0x10000000000000]);

export let flowsWanted: bool = false;
/** A TTL of less, and more bytes, may not be forwarded. */
let leastHops: u32 = 0;
let most: u32 = 0;
/** 0: not there yet. */
let sets: usize = 0;
let bits: u32 = LEAST_BITS;
/** Flows that lost their place since there are so many. */
let evicted: u32 = 0;
/** Where what was read goes; so few sets are in the second level's cache. */
const NEAR: usize = memory.data(4, 4);
const NEAR_BITS: u32 = 12;
/** A set that becomes two. */
const MOVED: usize = memory.data(64, 16);
/** Bytes of those that `judgeFlows` judged last. */
export let flowBytes: u64 = 0;
/** Packets that went this way, and those of them whose way was not kept yet: only the debug build counts them, for tests. */
let judged: u32 = 0;
let learned: u32 = 0;

export function flowsJudged(): u32 {
  return judged;
}

export function flowsLearned(): u32 {
  return learned;
}

/** Once plans are made. */
export function flowsStart(): void {
  const forwards = load<u32>(planOf(false, WAY_FORWARD), PLAN_SHORT);
  const short = load<u32>(planOf(false, WAY_INPUT), PLAN_SHORT) | load<u32>(planOf(false, WAY_OUTPUT), PLAN_SHORT) | forwards;
  flowsWanted = ASC_FEATURE_SIMD && short !== 0 && (short & SHORT_TRACKS) === 0 && !translates(false) && !recording();
  leastHops = forwards !== 0 ? 2 : 0;
  most = forwards !== 0 ? leastMtu : 0xffff;
}

/** Marks those of the slots from `slot` to before `end`, read and not decoded, that can go this way (WAY_BARE). `found`: seekFrames came before. */
export function markFlows(slot: usize, end: usize, found: bool): void {
  const start = slot;
  while (true) {
    slot = found ? Flows.mark(slot, end, true) : Flows.mark(slot, end, false);
    if (slot === end) break;
    if (!found) seekFrame(slot);
    leaveUnmarked(slot);
    slot += PACKET_SIZE;
  }
  endMarks(start, end);
}

/** Of `count` marked and other slots in a row the sets are read, four a step: so that the processor has as many of a batch's misses under way as it can. */
export function flowsAhead(slots: usize, count: u32): void {
  if (!flowsWanted || sets === 0 || bits <= NEAR_BITS) return;
  const end = slots + (count as usize) * PACKET_SIZE;
  const base = sets;
  const shift = 32 - bits;
  let read: u32 = 0;
  let slot = slots;
  for (; slot + 3 * PACKET_SIZE < end; slot += 4 * PACKET_SIZE) {
    read += wordOfSet(base, load<u32>(slot, PACKET_CT_HASH) >>> shift);
    read += wordOfSet(base, load<u32>(slot, PACKET_SIZE + PACKET_CT_HASH) >>> shift);
    read += wordOfSet(base, load<u32>(slot, 2 * PACKET_SIZE + PACKET_CT_HASH) >>> shift);
    read += wordOfSet(base, load<u32>(slot, 3 * PACKET_SIZE + PACKET_CT_HASH) >>> shift);
  }
  store<u32>(NEAR, read);
}

function wordOfSet(base: usize, index: u32): u32 {
  return load<u32>(base + ((index as usize) << SET_SHIFT));
}

/** Judges and counts the slots from `slot` to before `end`. Out: the first that did not go this way, decoded if it was marked. */
export function judgeFlows(slot: usize, end: usize): usize {
  const start = slot;
  let sum: u64 = 0;
  flowBytes = 0;
  // Nothing is called in the inner loop: so what it has at hand stays in registers.
  while (true) {
    const base = sets;
    const shift = 32 - bits;
    if (base !== 0) {
      for (; slot < end; slot += PACKET_SIZE) {
        if (load<u32>(slot, PACKET_WAY) !== <u32>WAY_BARE) break;
        const low = load<u64>(slot, PACKET_CT_LOW);
        const high = load<u64>(slot, PACKET_CT_HIGH);
        const first = base + (((load<u32>(slot, PACKET_CT_HASH) >>> shift) as usize) << SET_SHIFT);
        // In which of the two a flow is, is chance, too.
        const isOther = ((load<u64>(first) ^ low) | (load<u64>(first, 8) ^ high)) !== 0;
        const place = first + select<usize>(PLACE_SIZE, 0, isOther);
        if (((load<u64>(place) ^ low) | (load<u64>(place, 8) ^ high)) !== 0) break;
        const asked = load<u32>(slot, ASKED);
        const side = load<u64>(place + ((asked >>> SIDE_SHIFT) as usize) * SIDE_SIZE, SIDES);
        if ((side as u32) !== asked) break;
        const counter = (side >>> 32) as u32;
        if (counter === 0) break;
        sum += Flows.counted(counter, load<u32>(slot, PACKET_SEGMENT));
      }
      if (slot === end) break;
    }
    const told = learn(slot);
    if (told === 0) break;
    sum += told;
    slot += PACKET_SIZE;
    if (slot === end) break;
  }
  if (slot === start) return slot;
  flowBytes = sum & TOLD_BYTES;
  advanceTo(latestOf(start, slot));
  const packets = ((slot - start) / PACKET_SIZE) as u32;
  if (!ASC_NO_ASSERT) judged += packets;
  let left = packets;
  sum >>>= TOLD_SHIFT;
  for (let outcome: u32 = 1; outcome < OUTCOMES; outcome++) {
    const number = (sum as u32) & TOLD_PACKETS;
    tallyMany(outcome, number);
    left -= number;
    sum >>>= TOLD_BITS;
  }
  tallyMany(0, left);
  return slot;
}

function tallyMany(outcome: u32, packets: u32): void {
  const verdict: u32 = outcome < 3 ? VERDICT_ACCEPT : VERDICT_DROP;
  addTo(CONTROL_OUTCOMES + ((((((outcome % 3) << 2) | verdict) << 3) | STATE_NONE) << 3), packets as u64);
}

/** A slot whose flow is not known, or goes the usual way: if it is marked, it is decoded, and its way kept. Out: its bytes, and above them its outcome, if it was judged and counted; 0: it is to go the usual way. */
function learn(slot: usize): u64 {
  if (load<u32>(slot, PACKET_WAY) !== <u32>WAY_BARE) return 0;
  const length = load<u32>(slot, PACKET_SEGMENT);
  const isTcp = (load<u64>(slot, PACKET_CT_HIGH) & IS_UDP) === 0;
  const asked = load<u32>(slot, ASKED);
  decodeMarked(slot);
  const short = load<u32>(slot, PACKET_UNSEEN) === 0 ? load<u32>(planOf(false, load<u32>(slot, PACKET_WAY)), PLAN_SHORT) : 0;
  const place = short === 0 ? 0 : placeOf(slot);
  if (place === 0) {
    missMark();
    return 0;
  }
  const side = place + ((asked >>> SIDE_SHIFT) as usize) * SIDE_SIZE;
  hideDevice(short, slot);
  if (load<u32>(side, SIDES) !== asked) {
    store<u32>(side, asked, SIDES);
    store<u32>(side, counterFor(short, slot, isTcp), SIDES + 4);
    if (!ASC_NO_ASSERT) learned++;
  }
  const counter = load<u32>(side, SIDES + 4);
  if (counter !== 0) return Flows.counted(counter, length);
  missMark();
  return 0;
}

/** What is kept of a packet's way; 0: those of its flow need not go it. */
function counterFor(short: u32, slot: usize, isTcp: bool): u32 {
  const edge = alikeEdge(short >>> SHORT_WALK_SHIFT, slot, isTcp);
  if (edge === 0) return 0;
  const next = load<u32>(code + (edge as usize), 4);
  if (next > <u32>NEXT_DROP) return 0;
  const outcome = hookOfShort(short) + (next === <u32>NEXT_DROP ? 3 : 0);
  return (counterOf(load<u32>(code + (edge as usize))) as u32) | outcome;
}

/** The flow's place: one that it has, or else the first of its set, whose flow takes the second. 0: there is no memory. */
function placeOf(slot: usize): usize {
  if (sets === 0) {
    sets = conntrackCarve((1 as usize) << (MOST_BITS + SET_SHIFT));
    if (sets === 0) {
      flowsWanted = false;
      return 0;
    }
  }
  const low = load<u64>(slot, PACKET_CT_LOW);
  const high = load<u64>(slot, PACKET_CT_HIGH);
  let first = setOf(load<u32>(slot, PACKET_CT_HASH));
  if (load<u64>(first) === low && load<u64>(first, 8) === high) return first;
  if (load<u64>(first + PLACE_SIZE) === low && load<u64>(first + PLACE_SIZE, 8) === high) return first + PLACE_SIZE;
  if (load<u64>(first + PLACE_SIZE, 8) !== 0) {
    evicted++;
    if (bits === MOST_BITS) missMark();
    else if (evicted > (1 as u32) << (bits - GROWS_SHIFT)) grow();
  }
  first = makeRoom(load<u32>(slot, PACKET_CT_HASH));
  memory.fill(first, 0, PLACE_SIZE);
  store<u64>(first, low);
  store<u64>(first, high, 8);
  return first;
}

function setOf(hash: u32): usize {
  return sets + (((hash >>> (32 - bits)) as usize) << SET_SHIFT);
}

/** The first place of the set, whose flow takes the second. */
function makeRoom(hash: u32): usize {
  const first = setOf(hash);
  memory.copy(first + PLACE_SIZE, first, PLACE_SIZE);
  return first;
}

/** Twice as many sets: each becomes two. From the last one on, so that none is written over before it was read. */
function grow(): void {
  const number: u32 = 1 << bits;
  bits++;
  evicted = 0;
  for (let set = number; set-- > 0; ) {
    const from = sets + ((set as usize) << SET_SHIFT);
    memory.copy(MOVED, from, SET_SIZE);
    memory.fill(from, 0, SET_SIZE);
    // The one that came last comes last again.
    moveTo(MOVED + PLACE_SIZE);
    moveTo(MOVED);
  }
}

function moveTo(place: usize): void {
  if (load<u64>(place, 8) !== 0) memory.copy(makeRoom(Flows.hashOf(load<u64>(place), load<u64>(place, 8))), place, PLACE_SIZE);
}

/** Parts of those who call them (conntrack/follow.ts says why). */
// biome-ignore lint/complexity/noStaticOnlyClass: @inline stands at methods only, as far as the linter goes
class Flows {
  /** Marks packets up to the first that cannot go this way. Out: its slot, or `end`. */
  @inline
  static mark(slot: usize, end: usize, found: bool): usize {
    for (; slot < end; slot += PACKET_SIZE) {
      if (!found) if (load<u32>(slot, PACKET_LINKTYPE) !== <u32>LINK_ETHERNET) break;
      const present = found
        ? load<u32>(slot, PACKET_FOUND_CAPTURED)
        : load<u32>(slot, PACKET_CAPTURED) - (ETHERNET_HEADER as u32);
      if ((present as i32) < <i32>UDP_LEAST) break;
      const frame: usize = found ? load<u32>(slot, PACKET_FOUND) - <u32>ETHERNET_HEADER : load<u32>(slot, PACKET_DATA);
      if (!Segment.isPlain(frame, found)) break;
      const ip = frame + ETHERNET_HEADER;
      const middle = load<u32>(ip, 6);
      if ((middle & FRAGMENT_BITS) !== 0) break;
      if (((middle >>> 16) & 0xff) < leastHops) break;
      const total = bswap(load<u16>(ip, 2)) as u32;
      if (total > present) break;
      if (total > most) break;
      let protocol: u64 = 0;
      if (middle >>> 24 === TCP) {
        if (total < TCP_LEAST) break;
        if (((load<u8>(ip, 33) as u32) & FLAGS) !== ACK) break;
      } else {
        if (middle >>> 24 !== UDP) break;
        if (total < UDP_LEAST) break;
        protocol = IS_UDP;
      }
      if (!lenient) if (!Plain.checksumGood(ip)) break;
      const device = load<u32>(slot, PACKET_INTERFACE);
      if (device >= DEVICES) break;
      const both = load<u64>(ip, 12);
      const ports = load<u32>(ip, 20);
      // Which way a packet goes is chance: nothing is branched on.
      const swapped = (both as u32) > ((both >>> 32) as u32);
      const low = select(rotl<u64>(both, 32), both, swapped);
      const high = (select(rotl<u32>(ports, 16), ports, swapped) as u64) | protocol | IS_FLOW;
      // The direction lies behind the device.
      const record = ((load<u64>(slot, PACKET_INTERFACE) >>> 32) as u32) << RECORD_SHIFT;
      const asked = IS_ASKED | record | (device << DEVICE_SHIFT) | ((swapped as u32) << SIDE_SHIFT);
      if (found) placeBehind(slot, frame);
      store<u32>(slot, total, PACKET_SEGMENT);
      store<u32>(slot, WAY_BARE, PACKET_WAY);
      store<u64>(slot, low, PACKET_CT_LOW);
      store<u64>(slot, high, PACKET_CT_HIGH);
      // The hash lies behind.
      store<u32>(slot, asked, ASKED);
      store<u32>(slot, Flows.hashOf(low, high), PACKET_CT_HASH);
    }
    return slot;
  }

  @inline
  static hashOf(low: u64, high: u64): u32 {
    const mixed = (low * FIRST_FACTOR) ^ high;
    return (((mixed ^ (mixed >>> 32)) * SECOND_FACTOR) >>> 32) as u32;
  }

  /** Counts a packet of so many bytes at `counter`, in whose low bits its outcome is. Out: what is told of it. */
  @inline
  static counted(counter: u32, length: u32): u64 {
    const at = (counter & ~OUTCOME) as usize;
    store<u64>(at, load<u64>(at) + 1);
    store<u64>(at, load<u64>(at, 8) + (length as u64), 8);
    return load<u64>(TOLD + (((counter & OUTCOME) << 3) as usize)) + (length as u64);
  }
}
