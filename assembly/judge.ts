/** What becomes of decoded packets, in order: through the hooks or unseen; and the counting of it. */
import { DIRECTION_OUTBOUND } from '../src/abi/capture.ts';
import {
  CONTROL_BYTES,
  CONTROL_INVALID,
  CONTROL_OUTCOMES,
  CONTROL_STACK,
  CONTROL_UNSEEN,
  STATE_NONE,
  VERDICT_ACCEPT,
  VERDICT_DROP,
  VERDICT_REJECT,
  VERDICT_STACK,
} from '../src/abi/control.ts';
import { FIELD_CT_STATE, FIELD_FAMILY, FIELD_LENGTH } from '../src/abi/fields.ts';
import {
  PACKET_DIRECTION,
  PACKET_INVALID,
  PACKET_NUMBER,
  PACKET_SIZE,
  PACKET_STACK,
  PACKET_UNSEEN,
  PACKET_WAY,
  WAY_BARE,
  WAY_FRAGMENT,
  WAY_LOOPBACK,
  WAY_LOST_INPUT,
  WAY_UNSEEN,
} from '../src/abi/packet.ts';
import { NEXT_ACCEPT, NEXT_LOST, NEXT_REJECT, NEXT_RESET } from '../src/abi/program.ts';
import {
  STACK_FRAGMENT_DISCARDED,
  STACK_FRAGMENT_KEPT,
  STACK_IP_OPTIONS,
  STACK_SOURCE_ROUTE,
  STACK_TABLE_FULL,
  UNSEEN_ELSEWHERE,
  UNSEEN_FAMILY,
} from '../src/abi/reasons.ts';
import { RECORD_NO_VERDICT } from '../src/abi/records.ts';
import { bareBytes, decodeBare, judgeBare } from './bare.ts';
import { advance } from './clock.ts';
import { forgetLongest } from './defrag/index.ts';
import { conntrackLooked, hasFamily, hookOf, putTogether, runHooks, runShort } from './hooks.ts';
import { rememberSent, takeLeft } from './left.ts';
import { logIsFull } from './log.ts';
import { hookOfShort, PLAN_SHORT, planOf, SHORT_TRACKS } from './plan.ts';
import { closeRecord, openRecord, recording, ringIsFull } from './records.ts';
import { answeredUntil, takeAnswer } from './refusals.ts';
import { addTo, tally } from './tally.ts';

/** The slots from `slot` to before `end`. Out: the first that is not judged, because the ring of records is full first; or `end`. */
export function judgeSlots(slot: usize, end: usize): usize {
  const record = recording();
  let bytes: u64 = 0;
  for (; slot < end; slot += PACKET_SIZE) {
    if (load<u32>(slot, PACKET_WAY) >= <u32>WAY_BARE) {
      slot = judgeBare(slot, end);
      bytes += bareBytes;
      if (slot === end) break;
      if (load<u32>(slot, PACKET_WAY) >= <u32>WAY_BARE) decodeBare(slot);
    }
    if (record) {
      if (ringIsFull() || logIsFull()) break;
      openRecord();
    }
    advance(slot);
    if (load<u64>(slot, PACKET_NUMBER) <= answeredUntil) takeAnswer(slot);
    const short = load<u32>(slot, PACKET_UNSEEN) === 0 ? load<u32>(planOfSlot(slot), PLAN_SHORT) : 0;
    if (short === 0) {
      bytes += judge(slot, record);
      continue;
    }
    const length = load<u32>(slot, FIELD_LENGTH * 4) as u64;
    const next = runShort(short, slot, length);
    // As in judge(): a target may have lengthened the packet.
    bytes += load<u32>(slot, FIELD_LENGTH * 4) as u64;
    const verdict = next === NEXT_ACCEPT ? <u32>VERDICT_ACCEPT : refusal(slot, next);
    const looked = (short & SHORT_TRACKS) !== 0 && verdict !== VERDICT_STACK;
    const hook = hookOfShort(short);
    if (hook === 2 && verdict === VERDICT_ACCEPT) rememberSent(slot);
    countOutcome(slot, hook, verdict, looked);
    if (record) closeRecord(slot, verdict, hook, looked, next);
  }
  addTo(CONTROL_BYTES, bytes);
  return slot;
}

function planOfSlot(slot: usize): usize {
  return planOf(load<u32>(slot, FIELD_FAMILY * 4) === 6, load<u32>(slot, PACKET_WAY));
}

function countOutcome(slot: usize, hook: u32, verdict: u32, looked: bool): void {
  let state: u32 = STATE_NONE;
  if (looked) {
    state = load<u32>(slot, FIELD_CT_STATE * 4);
    const reason = load<u32>(slot, PACKET_INVALID);
    if (reason !== 0) tally(CONTROL_INVALID, reason);
  }
  tally(CONTROL_OUTCOMES, (((hook << 2) | verdict) << 3) | state);
}

/** A packet that has no short plan. Out: its IP bytes, if it entered netfilter. */
function judge(slot: usize, record: bool): u64 {
  if (load<u32>(slot, PACKET_UNSEEN) === 0 && !hasFamily(load<u32>(slot, FIELD_FAMILY * 4) === 6)) {
    store<u32>(slot, UNSEEN_FAMILY, PACKET_UNSEEN);
    store<u32>(slot, WAY_UNSEEN, PACKET_WAY);
  }
  const fragment = (load<u32>(slot, PACKET_WAY) & WAY_FRAGMENT) !== 0;
  if (fragment) putTogether(slot);
  if (load<u32>(slot, PACKET_DIRECTION) === <u32>DIRECTION_OUTBOUND) takeLeft(slot);
  const unseen = load<u32>(slot, PACKET_UNSEEN);
  if (unseen !== 0) {
    if (fragment) forgetLongest();
    if (unseen === UNSEEN_ELSEWHERE) return 0;
    tally(CONTROL_UNSEEN, unseen);
    if (record) closeRecord(slot, RECORD_NO_VERDICT, 0, false, NEXT_ACCEPT);
    return 0;
  }
  const next = runHooks(planOfSlot(slot), slot);
  if (fragment) forgetLongest();
  const hook = hookOf(slot);
  const verdict = verdictOf(slot, next);
  if (hook === 2 && verdict === VERDICT_ACCEPT) rememberSent(slot);
  countOutcome(slot, hook, verdict, conntrackLooked());
  if (record) closeRecord(slot, verdict, hook, conntrackLooked(), next);
  return load<u32>(slot, FIELD_LENGTH * 4) as u64;
}

/** A packet that the rules let go on to a dead end is the stack's. */
function verdictOf(slot: usize, next: u32): u32 {
  if (next !== NEXT_ACCEPT) return refusal(slot, next);
  return load<u32>(slot, PACKET_WAY) < <u32>WAY_LOST_INPUT ? VERDICT_ACCEPT : lost(slot);
}

function lost(slot: usize): u32 {
  tally(CONTROL_STACK, load<u32>(slot, PACKET_STACK));
  return VERDICT_STACK;
}

/** The stack ended the packet's way where routing let it go on. */
function isStacks(slot: usize): bool {
  const reason = load<u32>(slot, PACKET_STACK);
  if (reason === STACK_TABLE_FULL || reason === STACK_FRAGMENT_KEPT || reason === STACK_FRAGMENT_DISCARDED) return true;
  // No route says so of what goes over lo.
  const looped = load<u32>(slot, PACKET_WAY) === <u32>WAY_LOOPBACK;
  return looped && (reason === STACK_IP_OPTIONS || reason === STACK_SOURCE_ROUTE);
}

function refusal(slot: usize, next: u32): u32 {
  if (next === NEXT_LOST && isStacks(slot)) return lost(slot);
  return next === NEXT_REJECT || next === NEXT_RESET ? VERDICT_REJECT : VERDICT_DROP;
}
