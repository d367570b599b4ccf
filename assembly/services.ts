/** The services of this host (classify/service.ts): how packets are told to be of one, by their slots or by their bytes, and what is learnt of them as they go the usual way. */
import { DIRECTION_INBOUND, DIRECTION_OUTBOUND, DIRECTION_UNKNOWN } from '../src/abi/capture.ts';
import {
  CT_ESTABLISHED,
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_CT_STATUS,
  FIELD_DESTINATION,
  FIELD_DPORT,
  FIELD_PACKET_TYPE,
  FIELD_SOURCE,
  FIELD_SPORT,
  FIELD_TCP_FLAGS,
  PACKET_HOST,
  STATUS_ASSURED,
  STATUS_CONFIRMED,
  STATUS_ENTRY,
  STATUS_SEEN_REPLY,
} from '../src/abi/fields.ts';
import {
  PACKET_CT_ENTRY,
  PACKET_CT_UNCONFIRMED,
  PACKET_DIRECTION,
  PACKET_INTERFACE,
  PACKET_SIZE,
  WAY_INPUT,
  WAY_OUTPUT,
} from '../src/abi/packet.ts';
import {
  keepEdgesOf,
  learn,
  lessons,
  pairEdges,
  placeToLearn,
  plainPlan,
  SERVICE_ANSWER,
  SERVICE_PLAIN,
  SERVICE_SYN,
  serviceAt,
  serviceOf,
} from './classify/service.ts';
import { FLAG_ACK, FLAG_SYN } from './conntrack/index';
import { hideDevice, PLAN_SHORT, planOf, SHORT_TRACKS, SHORT_WALK_SHIFT } from './plan.ts';
import { simpleWays } from './stack/host.ts';
import { simpleEnds, takeSimpleWay, tookSimpleWay } from './stack/index.ts';
import { toldOfPlan } from './told.ts';

const ANSWERED: u32 = STATUS_ENTRY | STATUS_CONFIRMED | STATUS_SEEN_REPLY;
const OPEN: u32 = ANSWERED | STATUS_ASSURED;
/** The slot of a packet that could come next. */
const NEXT: usize = memory.data(PACKET_SIZE, 16);
/** Of an IPv4 header without options: its addresses and the ports behind it. */
const ADDRESSES: usize = 12;
const PORTS: usize = 20;

/** There are packets that can be told by their bytes. */
let wanted: bool = false;
/** The short plan of the packet whose place `placeOfBytes` told. */
export let planOfBytes: u32 = 0;

/** Once plans are made. `wants`: packets are told by their bytes at all. */
export function servicesStart(wants: bool): void {
  wanted = wants && simpleWays;
}

/** The place of the service of a packet whose slot is not decoded, with an IPv4 header without options at `ip`, which goes in direction 1 if it `answers`; 0: there is none. */
export function placeOfBytes(slot: usize, ip: usize, answers: bool): usize {
  if (lessons === 0) return 0;
  const from = bswap(load<u32>(ip, ADDRESSES));
  const to = bswap(load<u32>(ip, ADDRESSES + 4));
  const ends = simpleEnds(from, to);
  if (ends === 0) return 0;
  const leaves = from === ((ends >>> 32) as u32);
  if (load<u32>(slot, PACKET_DIRECTION) === select<u32>(DIRECTION_INBOUND, DIRECTION_OUTBOUND, leaves)) return 0;
  const ports = load<u32>(ip, PORTS);
  const port = bswap((answers ? ports : ports >>> 16) as u16) as u32;
  planOfBytes = load<u32>(planOf(false, select<u32>(WAY_OUTPUT, WAY_INPUT, leaves)), PLAN_SHORT);
  const what = serviceOf(leaves !== answers, port);
  return serviceAt(ends, load<u32>(slot, PACKET_INTERFACE), what, select(to, from, leaves));
}

/** A packet of a short plan began a connection, or answered a SYN; the rules let it through, and it is not confirmed yet. What a connection begins with is all that is to be learnt of its service, and it gets the edges of its plain segments. */
export function learnService(slot: usize): void {
  if (!wanted || load<u32>(slot, PACKET_CT_UNCONFIRMED) === 0) return;
  const from = load<u32>(slot, FIELD_SOURCE * 4);
  const to = load<u32>(slot, FIELD_DESTINATION * 4);
  const ends = simpleEnds(from, to);
  if (ends === 0) return;
  const leaves = from === ((ends >>> 32) as u32);
  const what = serviceOf(leaves, load<u32>(slot, FIELD_DPORT * 4));
  const device = load<u32>(slot, PACKET_INTERFACE);
  let place = serviceAt(ends, device, what, leaves ? to : from);
  if (place === 0) {
    if (load<u32>(slot, FIELD_PACKET_TYPE * 4) !== <u32>PACKET_HOST || !tookSimpleWay(slot, leaves, ends)) return;
    place = placeToLearn(ends, device, what);
    if (place === 0) return;
    learnFrom(place, slot, leaves);
    pairEdges(place, toldOfPlan(plainPlan(place, 0)), toldOfPlan(plainPlan(place, 1)));
  }
  keepEdgesOf(place, load<u32>(slot, PACKET_CT_ENTRY));
}

/** From the first SYN of a service to what it brings on: all that follows is like it, or comes from the other end. */
function learnFrom(place: usize, syn: usize, leaves: bool): void {
  memory.copy(NEXT, syn, PACKET_SIZE);
  learnKind(place, SERVICE_SYN, false, leaves);
  putNext(FLAG_ACK, 0, OPEN);
  learnKind(place, SERVICE_PLAIN, false, leaves);
  if (!turnNext()) return;
  putNext(FLAG_SYN | FLAG_ACK, 1, ANSWERED);
  learnKind(place, SERVICE_ANSWER, true, !leaves);
  putNext(FLAG_ACK, 1, OPEN);
  learnKind(place, SERVICE_PLAIN, true, !leaves);
}

/** What conntrack and rules see of the packet that comes next. */
function putNext(flags: u32, direction: u32, status: u32): void {
  store<u32>(NEXT, flags, FIELD_TCP_FLAGS * 4);
  store<u32>(NEXT, CT_ESTABLISHED, FIELD_CT_STATE * 4);
  store<u32>(NEXT, direction, FIELD_CT_DIRECTION * 4);
  store<u32>(NEXT, status, FIELD_CT_STATUS * 4);
}

/** The next packet comes from the other end, by the same device as far as the capture names one. False: it need not take the simple way. */
function turnNext(): bool {
  const from = load<u32>(NEXT, FIELD_SOURCE * 4);
  store<u32>(NEXT, load<u32>(NEXT, FIELD_DESTINATION * 4), FIELD_SOURCE * 4);
  store<u32>(NEXT, from, FIELD_DESTINATION * 4);
  store<u64>(NEXT, rotl<u64>(load<u64>(NEXT, FIELD_SPORT * 4), 32), FIELD_SPORT * 4);
  const direction = load<u32>(NEXT, PACKET_DIRECTION);
  // Inbound and outbound are 1 and 2.
  if (direction !== <u32>DIRECTION_UNKNOWN)
    store<u32>(NEXT, direction ^ (DIRECTION_INBOUND ^ DIRECTION_OUTBOUND), PACKET_DIRECTION);
  return takeSimpleWay(NEXT);
}

/** The next packet meets the rules. */
function learnKind(place: usize, kind: u32, answers: bool, leaves: bool): void {
  const plan = load<u32>(planOf(false, leaves ? WAY_OUTPUT : WAY_INPUT), PLAN_SHORT);
  if ((plan & SHORT_TRACKS) === 0) return;
  hideDevice(plan, NEXT);
  learn(place, kind, NEXT, plan >>> SHORT_WALK_SHIFT, plan, answers, leaves);
}
