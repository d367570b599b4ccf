/** A packet's way through the hooks of one host. */

import { TRACKING_FLAG_CHECKSUM } from '../src/abi/conntrack.ts';
import {
  FIELD_FAMILY,
  FIELD_IN_INTERFACE,
  FIELD_LENGTH,
  FIELD_OUT_INTERFACE,
  FIELD_PROTOCOL,
  FIELD_TTL,
} from '../src/abi/fields.ts';
import {
  IMAGE_FLAG_CONNTRACK4,
  IMAGE_FLAG_CONNTRACK6,
  IMAGE_FLAG_DEFRAGMENT4,
  IMAGE_FLAG_DEFRAGMENT6,
  IMAGE_FLAG_FAMILY4,
  IMAGE_FLAG_FAMILY6,
  IMAGE_FLAG_TURNS,
} from '../src/abi/image.ts';
import {
  PACKET_CT_UNCONFIRMED,
  PACKET_INVALID,
  PACKET_STACK,
  PACKET_UNSEEN,
  PACKET_WAY,
  WAY_BROADCAST,
  WAY_FORWARD,
  WAY_FRAGMENT,
  WAY_INPUT,
  WAY_LOOPBACK,
  WAY_LOST_FORWARD,
  WAY_OUTPUT,
} from '../src/abi/packet.ts';
import { NEXT_ACCEPT, NEXT_LOST, NEXT_REJECT, NEXT_RESET } from '../src/abi/program.ts';
import { STACK_NONE, STACK_TABLE_FULL } from '../src/abi/reasons.ts';
import { beginCopy, copying, endCopy, keepPiece } from './broadcast.ts';
import { clearQueued, queued } from './classify/effects.ts';
import { forgetEdges } from './classify/known.ts';
import { runKnownWalk, runWalk, runWalkAhead } from './classify/walk.ts';
import { followed } from './conntrack/expectations';
import {
  conntrackConfirm,
  conntrackForget,
  conntrackHandshake,
  conntrackLook,
  conntrackPlain,
  conntrackReset,
  helpPacket,
} from './conntrack/index';
import { flag } from './conntrack/parameters';
import { defragment, gatherDelivered, mayBeFragment, wasCut } from './defrag/index.ts';
import { arriveFromHere } from './loopback.ts';
import { natFinish, natFollow, natMoved, natPending, natStart } from './nat/bind.ts';
import { seeAsConntrack, seeAsRules } from './packet/extension-headers.ts';
import {
  copyEnd,
  hideDevice,
  isUnrouted,
  makePlans,
  ONLY_SHIFT,
  OP_ARRIVE,
  OP_CONFIRM,
  OP_COPY,
  OP_COPY_END,
  OP_END,
  OP_FORWARD,
  OP_GATHER,
  OP_HELP,
  OP_HIDE_IN,
  OP_HIDE_OUT,
  OP_LEAVES,
  OP_NAT_DESTINATION,
  OP_NAT_SOURCE,
  OP_OPTIONS,
  OP_ROUTE_IN,
  OP_ROUTE_OUT,
  OP_TRACK_IN,
  OP_TRACK_OUT,
  OP_WALK,
  PLAN_OPERATIONS,
  planEnd,
  planOf,
  SHORT_ARRIVES,
  SHORT_FORWARDS,
  SHORT_TRACKS,
  SHORT_WALK_SHIFT,
} from './plan.ts';
import { rememberEnd, rememberRefusal } from './refusals.ts';
import { learnService } from './services.ts';
import { marksLocal } from './stack/host.ts';
import { isMarkedLocal, leaveAnew, mayLeave, optionsReason, routeAnew } from './stack/index.ts';
import { hasSocket, hasTurned, hasTurnedAway, turnStart } from './stack/turn.ts';
import { beginWhole, endWhole, meetWhole } from './whole.ts';

/** IMAGE_FLAG_* of the job. */
let flags: u32 = 0;
/** Of the packet under way: conntrack looked at it; where it is forwarded to. */
let looked: bool = false;
let out: u32 = 0;
/** Its connection, if it is a plain packet of one; what that keeps of its way is wrong, for it went on another. */
let plain: usize = 0;
let strayed: bool = false;
/** WAY_FRAGMENT if it is a fragment that is put together in front of INPUT, else 0. */
let fragment: u32 = 0;

export function setFlags(value: u32): void {
  flags = value;
}

/** Once the program is in memory. */
export function planHooks(): void {
  const turns = (flags & IMAGE_FLAG_TURNS) !== 0;
  makePlans(false, hasFamily(false), (flags & IMAGE_FLAG_CONNTRACK4) !== 0, turns);
  makePlans(true, hasFamily(true), (flags & IMAGE_FLAG_CONNTRACK6) !== 0, turns);
}

/** A decoded and routed packet: marks it where defragmentation has to look at it, before its way begins or in front of INPUT. */
export function deferFragment(slot: usize): void {
  if (load<u32>(slot, PACKET_UNSEEN) !== 0 || !mayBeFragment(slot)) return;
  if (gathersFirst(slot) || mayBeDelivered(slot) || wasCut(slot)) markFragment(slot);
}

function markFragment(slot: usize): void {
  store<u32>(slot, load<u32>(slot, PACKET_WAY) | WAY_FRAGMENT, PACKET_WAY);
}

/** Rules of its family bring defragmentation. */
function gathersFirst(slot: usize): bool {
  const wanted = load<u32>(slot, FIELD_FAMILY * 4) === 6 ? <u32>IMAGE_FLAG_DEFRAGMENT6 : <u32>IMAGE_FLAG_DEFRAGMENT4;
  return (flags & wanted) !== 0;
}

/** An IPv4 packet that meets INPUT, or may turn to it. */
function mayBeDelivered(slot: usize): bool {
  if (load<u32>(slot, FIELD_FAMILY * 4) === 6) return false;
  const way = load<u32>(slot, PACKET_WAY);
  return way === WAY_INPUT || way === WAY_LOOPBACK || way === WAY_BROADCAST || marksLocal;
}

/** A marked packet's turn, where that comes before its way begins: it is whole afterwards, or a fragment that waits or is thrown away (PACKET_UNSEEN). */
export function putTogether(slot: usize): void {
  const first = gathersFirst(slot);
  if (!first && !wasCut(slot)) return;
  store<u32>(slot, load<u32>(slot, PACKET_WAY) ^ WAY_FRAGMENT, PACKET_WAY);
  defragment(slot, first, hookOf(slot) === 1);
  // The last fragment of a broadcast, whose others were not seen: as it is, its copy waits for them in front of INPUT.
  if (!first && load<u32>(slot, PACKET_UNSEEN) === 0 && mayBeFragment(slot) && mayBeDelivered(slot)) markFragment(slot);
}

/** Rules of either family bring connection tracking. */
export function tracks(): bool {
  return (flags & (IMAGE_FLAG_CONNTRACK4 | IMAGE_FLAG_CONNTRACK6)) !== 0;
}

/** Whether conntrack looked at the packet; valid after runHooks. */
export function conntrackLooked(): bool {
  return looked;
}

/** Whether there are rules for a family. */
export function hasFamily(six: bool): bool {
  return (flags & (six ? IMAGE_FLAG_FAMILY6 : IMAGE_FLAG_FAMILY4)) !== 0;
}

/** NEXT_* of the whole way; a packet that the stack drops after PREROUTING is NEXT_ACCEPT here. Its connection is confirmed or forgotten. */
export function runHooks(plan: usize, slot: usize): u32 {
  looked = false;
  plain = 0;
  strayed = false;
  fragment = load<u32>(slot, PACKET_WAY) & WAY_FRAGMENT;
  store<u32>(slot, load<u32>(slot, PACKET_WAY) ^ fragment, PACKET_WAY);
  natStart();
  turnStart();
  let verdict: u32 = NEXT_ACCEPT;
  let at = plan + PLAN_OPERATIONS;
  for (let operation = load<u32>(at); operation !== OP_END; operation = load<u32>(at)) {
    if ((operation & 255) === OP_WALK) {
      verdict = walk(operation, slot);
    } else if (operation >= OP_ROUTE_IN && operation <= OP_ARRIVE) {
      at = routed(operation, at, slot);
      continue;
    } else verdict = operate(operation, slot);
    if (verdict !== NEXT_ACCEPT) {
      if (isRefusal(verdict)) refuse(slot, verdict);
      if (!copying) break;
      verdict = NEXT_ACCEPT;
      at = copyEnd(at);
      continue;
    }
    at += 4;
  }
  // Where a packet that was dropped before the routing decision would have gone is told by what it was then.
  if (verdict !== NEXT_ACCEPT && (hasTurned() || isMarkedLocal(slot)) && isUnrouted(at)) {
    const reason = load<u32>(slot, PACKET_STACK);
    routeAnew(slot);
    store<u32>(slot, 0, FIELD_OUT_INTERFACE * 4);
    // Why it was dropped stays: routing has no say in it.
    if (reason === STACK_TABLE_FULL) store<u32>(slot, reason, PACKET_STACK);
  }
  if (plain !== 0) endWhole(slot, verdict === NEXT_ACCEPT && !strayed);
  if (plain !== 0 && (strayed || verdict === NEXT_LOST)) forgetEdges(plain);
  // Packets of the next batch are routed before their way begins: they were given to nobody.
  if (hasSocket()) turnStart();
  if (verdict === NEXT_ACCEPT) rememberEnd(slot, looked);
  // Dropped by a rule or by the stack: a connection it would have opened vanishes.
  if (load<u32>(slot, PACKET_CT_UNCONFIRMED) !== 0) conntrackForget(slot);
  return verdict;
}

/** The walk of an operation. */
function walk(operation: u32, slot: usize): u32 {
  const number = (operation >>> 8) & 255;
  const short = operation >>> ONLY_SHIFT;
  if (plain !== 0) meetWhole(number, slot);
  if (plain === 0 || short === 0) return runWalk(number, slot, lengthOf(slot));
  return runKnownWalk(number, short | (number << SHORT_WALK_SHIFT), slot, plain, lengthOf(slot));
}

function isRefusal(verdict: u32): bool {
  return verdict === NEXT_REJECT || verdict === NEXT_RESET;
}

/** A rule answered, with an ICMP error or a TCP reset. */
function refuse(slot: usize, verdict: u32): void {
  const way = load<u32>(slot, PACKET_WAY);
  const arrived = way !== WAY_OUTPUT && way !== WAY_LOOPBACK;
  const reset = verdict === NEXT_RESET;
  if (reset) conntrackReset(slot, arrived);
  // Nobody answers a broadcast.
  if (!copying) rememberRefusal(slot, reset, arrived);
}

/** The same for a plan that is short (plan.ts): straight on. */
export function runShort(short: u32, slot: usize, bytes: u64): u32 {
  hideDevice(short, slot);
  const walk = short >>> SHORT_WALK_SHIFT;
  const tracks = (short & SHORT_TRACKS) !== 0;
  const arrives = (short & SHORT_ARRIVES) !== 0;
  const forwards = (short & SHORT_FORWARDS) !== 0;
  if (forwards) hideOut(slot);
  const known = tracks ? conntrackPlain(slot, arrives) : 0;
  let verdict: u32;
  const begins = known === 0 && tracks && conntrackHandshake(slot, arrives);
  if (known !== 0 || !tracks || begins || conntrackLook(slot, arrives)) {
    if (forwards) forward(slot);
    verdict = known !== 0 ? runKnownWalk(walk, short, slot, known, bytes) : runWalkAhead(walk, slot, bytes);
  } else verdict = noRoom(slot);
  if (isRefusal(verdict)) refuse(slot, verdict);
  if (begins && verdict === NEXT_ACCEPT) learnService(slot);
  if (load<u32>(slot, PACKET_CT_UNCONFIRMED) !== 0) {
    if (verdict === NEXT_ACCEPT && !conntrackConfirm(slot)) verdict = NEXT_LOST;
    if (load<u32>(slot, PACKET_CT_UNCONFIRMED) !== 0) conntrackForget(slot);
  }
  if (known === 0 && tracks && verdict === NEXT_ACCEPT) rememberEnd(slot, arrives);
  return verdict;
}

/** What rules count of a packet: it may grow on its way. */
function lengthOf(slot: usize): u64 {
  return load<u32>(slot, FIELD_LENGTH * 4) as u64;
}

function operate(operation: u32, slot: usize): u32 {
  switch (operation & 255) {
    case OP_TRACK_IN:
      return track(slot, true);
    case OP_TRACK_OUT:
      // Over lo it is the second look: the reason stands beside the state that this one gives.
      store<u32>(slot, 0, PACKET_INVALID);
      return track(slot, false);
    case OP_NAT_DESTINATION:
      return nat(operation >>> 8, slot, false);
    case OP_NAT_SOURCE:
      return nat(operation >>> 8, slot, true);
    case OP_CONFIRM:
      return load<u32>(slot, PACKET_CT_UNCONFIRMED) === 0 || conntrackConfirm(slot) ? NEXT_ACCEPT : NEXT_LOST;
    case OP_HELP:
      return helpPacket(slot) ? NEXT_ACCEPT : NEXT_LOST;
    case OP_GATHER:
      return deliver(slot);
    case OP_OPTIONS:
      return unless(slot, optionsReason(slot, STACK_NONE));
    case OP_LEAVES:
      return !hasTurnedAway() || mayLeave(slot) ? NEXT_ACCEPT : NEXT_LOST;
    case OP_HIDE_OUT:
      hideOut(slot);
      return NEXT_ACCEPT;
    case OP_FORWARD:
      forward(slot);
      return NEXT_ACCEPT;
    case OP_HIDE_IN:
      store<u32>(slot, 0, FIELD_IN_INTERFACE * 4);
      return NEXT_ACCEPT;
    case OP_COPY:
      beginCopy(slot);
      return NEXT_ACCEPT;
    default:
      assert((operation & 255) === OP_COPY_END);
      endCopy(slot);
      return NEXT_ACCEPT;
  }
}

/** Where the packet is forwarded to is kept until it is. */
function hideOut(slot: usize): void {
  out = load<u32>(slot, FIELD_OUT_INTERFACE * 4);
  store<u32>(slot, 0, FIELD_OUT_INTERFACE * 4);
}

function forward(slot: usize): void {
  store<u32>(slot, out, FIELD_OUT_INTERFACE * 4);
  store<u32>(slot, load<u32>(slot, FIELD_TTL * 4) - 1, FIELD_TTL * 4);
}

function track(slot: usize, arriving: bool): u32 {
  plain = conntrackPlain(slot, arriving);
  if (plain === 0 && !conntrackLook(slot, arriving)) return noRoom(slot);
  if (plain !== 0 && fragment === 0) beginWhole(slot, plain, arriving);
  if (followed !== 0) natFollow(slot);
  looked = true;
  return NEXT_ACCEPT;
}

/** There is no room for the connection that the packet opens. */
function noRoom(slot: usize): u32 {
  return lostFor(slot, STACK_TABLE_FULL);
}

/** What becomes of a copy is not told. */
function lostFor(slot: usize, reason: u32): u32 {
  if (!copying) store<u32>(slot, reason, PACKET_STACK);
  return NEXT_LOST;
}

/** A fragment for this host: INPUT meets whole packets only. */
function deliver(slot: usize): u32 {
  if (copying) keepPiece(slot);
  return unless(slot, gatherDelivered(slot));
}

/** The packet goes on, or the stack drops it for a reason. */
function unless(slot: usize, reason: u32): u32 {
  return reason === STACK_NONE ? NEXT_ACCEPT : lostFor(slot, reason);
}

/** The rules of the nat table are asked once a connection and direction of manipulation; every packet is translated (nf_nat_core.c). */
function nat(walk: u32, slot: usize, source: bool): u32 {
  let seen = seeAsConntrack(slot);
  const protocol = load<u32>(slot, FIELD_PROTOCOL * 4);
  if (natPending(slot, source, protocol)) {
    seeAsRules(slot, seen);
    clearQueued();
    const verdict = runWalk(walk, slot, lengthOf(slot));
    if (verdict !== NEXT_ACCEPT || queued) return verdict;
    seen = seeAsConntrack(slot);
  }
  // Devices: INPUT and PREROUTING have no out-device, OUTPUT no in-device, POSTROUTING an out-device.
  const out = load<u32>(slot, FIELD_OUT_INTERFACE * 4);
  // The kernel sums a message once: as it arrives, or at the first of the nat hooks.
  const summed = source || (out === 0 && flag(TRACKING_FLAG_CHECKSUM));
  const goesOn = natFinish(slot, source, protocol, source ? out : 0, summed);
  seeAsRules(slot, seen);
  if (!goesOn) return NEXT_LOST;
  return source || out === 0 || !natMoved() || mayLeave(slot) ? NEXT_ACCEPT : NEXT_LOST;
}

/** Where a packet goes on behind operation `at`, which is OP_ARRIVE or a OP_ROUTE_*: in the plan of its new way, if its destination was translated, or rules changed where it goes. */
function routed(operation: u32, at: usize, slot: usize): usize {
  if (operation === OP_ARRIVE) return arriveFromHere(slot) ? at + 4 : planEnd(at);
  const turned = operation === OP_ROUTE_OUT ? hasTurnedAway() : hasTurned() || isMarkedLocal(slot);
  if (!natMoved() && !turned) return at + 4;
  if (operation === OP_ROUTE_OUT) {
    strayed = true;
    leaveAnew(slot);
  } else {
    routeAnew(slot);
    out = load<u32>(slot, FIELD_OUT_INTERFACE * 4);
    store<u32>(slot, 0, FIELD_OUT_INTERFACE * 4);
  }
  natStart();
  turnStart();
  at = planOf(load<u32>(slot, FIELD_FAMILY * 4) === 6, load<u32>(slot, PACKET_WAY) | fragment) + PLAN_OPERATIONS;
  while (load<u32>(at) !== operation) at += 4;
  return at + 4;
}

/** Which of INPUT, OUTPUT, FORWARD (0, 1, 2) a packet, whose hooks ran, met last or was on its way to. A packet over lo meets OUTPUT, then, without an out-interface, INPUT. */
export function hookOf(slot: usize): u32 {
  const way = load<u32>(slot, PACKET_WAY);
  if (way === WAY_INPUT) return 0;
  if (way === WAY_FORWARD) return 2;
  if (way === WAY_OUTPUT || way === WAY_BROADCAST) return 1;
  if (way === WAY_LOOPBACK) return load<u32>(slot, FIELD_OUT_INTERFACE * 4) !== 0 ? 1 : 0;
  return way === WAY_LOST_FORWARD ? 2 : 0;
}
