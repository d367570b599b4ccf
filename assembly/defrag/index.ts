/**
 * Defragmentation: where conntrack is registered, fragments become whole packets before any table sees them (priority -400); where it is not, those of IPv4 for this host
 * before INPUT does, and what the host's own kernel cut before OUTPUT, which met it whole.
 */
import { CONTROL_LOOPED_PARTS, CONTROL_OWN_PARTS } from '../../src/abi/control.ts';
import { FIELD_FAMILY } from '../../src/abi/fields.ts';
import {
  PACKET_CT_GUESS,
  PACKET_ETHERTYPE,
  PACKET_IP,
  PACKET_UNSEEN,
  PACKET_WAY,
  WAY_BROADCAST,
  WAY_FRAGMENT,
  WAY_LOOPBACK,
  WAY_OUTPUT,
  WAY_UNSEEN,
} from '../../src/abi/packet.ts';
import {
  STACK_FRAGMENT_DISCARDED,
  STACK_FRAGMENT_KEPT,
  STACK_NONE,
  UNSEEN_FRAGMENT_DISCARDED,
  UNSEEN_FRAGMENT_KEPT,
} from '../../src/abi/reasons.ts';
import { conntrackCarve } from '../conntrack/index';
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from '../packet/ethertype.ts';
import { decodeRebuilt } from '../packet/index.ts';
import { routePacket, setLongestFragment } from '../stack/index.ts';
import { addTo } from '../tally.ts';
import { DISCARDED, KEPT, PASSES, REBUILT } from './answer.ts';
import { pieces } from './fragment.ts';
import { gather4, isFragment4, longest } from './ipv4.ts';
import { gather6, longest6, mayBeFragment6 } from './ipv6.ts';
import { queuesInit } from './queue.ts';
import { regionInit } from './region.ts';
import { isCutHere } from './sent.ts';
import { ARRIVING, CUT, DELIVERED, LEAVING } from './users.ts';

/** The largest packet, and what vectors may read behind it. */
const BUFFER_SIZE: usize = (40 + 65535 + 33 + 127) & ~127;

/** The packet rebuilt last lies here: it is judged before the next one is. */
let buffer: usize = 0;

function isReady(): bool {
  return buffer !== 0 || defragInit();
}

/** For the first fragment of a job: most have none. False without memory. */
function defragInit(): bool {
  queuesInit();
  if (!regionInit()) return false;
  buffer = conntrackCarve(BUFFER_SIZE);
  return buffer !== 0;
}

/** Whether defragmentation has to look at a decoded packet. */
export function mayBeFragment(slot: usize): bool {
  return load<u32>(slot, FIELD_FAMILY * 4) === 6 ? mayBeFragment6(slot) : isFragment4(slot);
}

/**
 * A packet for which mayBeFragment holds enters PREROUTING or OUTPUT (`leaves`), where rules put fragments together (`asked`), or its kernel cut it later. It goes on as it is; or PACKET_UNSEEN says that it is kept or thrown away;
 * or it was the last fragment that was missing: then the slot has headers and way of the whole packet, time and device of this fragment.
 */
export function defragment(slot: usize, asked: bool, leaves: bool): void {
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const user = !asked ? CUT : leaves ? LEAVING : ARRIVING;
  const answer = !isReady() ? DISCARDED : six ? gather6(slot, user, buffer) : gather4(slot, user, buffer);
  if (leavesWire(slot)) countOwn(answer);
  if (answer === PASSES) return;
  if (answer !== REBUILT) {
    assert(answer === KEPT || answer === DISCARDED);
    store<u32>(slot, answer === KEPT ? UNSEEN_FRAGMENT_KEPT : UNSEEN_FRAGMENT_DISCARDED, PACKET_UNSEEN);
    store<u32>(slot, WAY_UNSEEN, PACKET_WAY);
    return;
  }
  if (six && asked && load<u32>(slot, PACKET_WAY) === <u32>WAY_LOOPBACK) addTo(CONTROL_LOOPED_PARTS, 1);
  // What was said of the fragment itself: unseen, stack.
  store<u64>(slot, 0, PACKET_UNSEEN);
  store<u32>(slot, 0, PACKET_CT_GUESS);
  setLongestFragment(six ? longest6 : longest);
  decodeBuffer(slot, six);
  routePacket(slot);
}

/** A packet of this host that does not go to itself. */
export function leavesWire(slot: usize): bool {
  const way = load<u32>(slot, PACKET_WAY) & ~WAY_FRAGMENT;
  return way === WAY_OUTPUT || way === WAY_BROADCAST;
}

/** What this host's kernel cut behind POSTROUTING, and no rule puts together: a socket's datagram, which rules met whole. Over lo everything fits. */
export function wasCut(slot: usize): bool {
  return leavesWire(slot) && isCutHere(slot);
}

/** Every datagram that this host sends was whole once. */
function countOwn(answer: u32): void {
  if (answer === KEPT) addTo(CONTROL_OWN_PARTS, 1);
  if (answer === REBUILT) addTo(CONTROL_OWN_PARTS, 1 - (pieces as u64));
}

/** The way of the packet in hand is over: those that are routed next came whole. */
export function forgetLongest(): void {
  setLongestFragment(0);
}

/** The whole packet's headers. */
function decodeBuffer(slot: usize, six: bool): void {
  store<u32>(slot, buffer as u32, PACKET_IP);
  store<u32>(slot, six ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4, PACKET_ETHERTYPE);
  decodeRebuilt(slot);
}

/**
 * An IPv4 fragment has met PREROUTING, and is for this host. STACK_NONE: it was the last that was missing, and the slot has headers and mark of the whole packet, time and device of
 * this fragment; or why it goes no further.
 */
export function gatherDelivered(slot: usize): u32 {
  const answer = isReady() ? gather4(slot, DELIVERED, buffer) : DISCARDED;
  if (answer !== REBUILT) return answer === KEPT ? STACK_FRAGMENT_KEPT : STACK_FRAGMENT_DISCARDED;
  decodeBuffer(slot, false);
  return STACK_NONE;
}
