/** Which way a packet takes through the host; the rules are those of src/model/host.ts. */
import { DIRECTION_INBOUND, DIRECTION_OUTBOUND, DIRECTION_UNKNOWN } from '../../src/abi/capture.ts';
import { CONTROL_TO_GROUPS } from '../../src/abi/control.ts';
import {
  FIELD_DESTINATION,
  FIELD_FAMILY,
  FIELD_IN_INTERFACE,
  FIELD_MAC_HIGH,
  FIELD_MARK,
  FIELD_OUT_INTERFACE,
  FIELD_PACKET_TYPE,
  FIELD_SOURCE,
  PACKET_HOST,
  RTN_BLACKHOLE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_THROW,
  RTN_UNICAST,
  RTN_UNSPEC,
} from '../../src/abi/fields.ts';
import { ROUTE_DEVICE_SHIFT } from '../../src/abi/host.ts';
import {
  PACKET_DIRECTION,
  PACKET_DOUBT,
  PACKET_INTERFACE,
  PACKET_SIZE,
  PACKET_STACK,
  PACKET_UNSEEN,
  PACKET_WAY,
  WAY_BROADCAST,
  WAY_INPUT,
  WAY_LOOPBACK,
  WAY_LOST_FORWARD,
  WAY_LOST_INPUT,
  WAY_OUTPUT,
  WAY_UNSEEN,
} from '../../src/abi/packet.ts';
import { UNSEEN_OUTGOING_COPY } from '../../src/abi/reasons.ts';
import { tally } from '../tally.ts';
import { putAddressTypes } from './address-type.ts';
import { judgeFrame } from './frame.ts';
import {
  addressTypes,
  copiesLeave,
  deviceMtu,
  everythingArrives,
  forwards4,
  hostFirst,
  hostIn,
  hostLo,
  hostOut,
  isLocalMark,
  macCount,
  recordedWays,
  simpleWays,
} from './host.ts';
import { arrive4, EVERYBODY, isJoined4, isMulticast } from './ipv4.ts';
import { arrive6, decide6, isJoined6 } from './ipv6.ts';
import { isUsual, ownUsual, route4, route6, routeDevice, routeType, search4 } from './routes.ts';

const LOOPBACK: u32 = 127;

/**
 * Sets PACKET_WAY, the interfaces and, when rules ask for them, the address types; PACKET_STACK when routing or forwarding drops the
 * packet (WAY_LOST_*), PACKET_UNSEEN for what never reaches a hook. The TTL stays as captured.
 */
export function routePacket(slot: usize): void {
  if (load<u32>(slot, PACKET_UNSEEN) !== 0) {
    store<u32>(slot, WAY_UNSEEN, PACKET_WAY);
    if (load<u32>(slot, PACKET_DOUBT) !== 0) settleDoubt(slot);
    return;
  }
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const source = routeOf(slot, FIELD_SOURCE * 4, six);
  const destination = routeOf(slot, FIELD_DESTINATION * 4, six);
  takeWay(slot, source, destination, six);
  // The addresses of an IPv6 packet are looked at before its options.
  if (load<u32>(slot, PACKET_DOUBT) !== 0 && load<u32>(slot, PACKET_UNSEEN) === 0) settleDoubt(slot);
}

/** The same for the slots from `slot` up to `end` that decodePlain took, whose frames nobody judged yet. */
export function routePlain(slot: usize, end: usize): void {
  for (; slot < end; slot += PACKET_SIZE) {
    if (macCount !== 0) if (!isTaken(slot)) continue;
    if (!simpleWays || !takeSimpleWay(slot)) routeOther(slot);
  }
}

/** By its frame. */
function isTaken(slot: usize): bool {
  judgeFrame(slot, 0);
  if (load<u32>(slot, PACKET_UNSEEN) === 0) return true;
  store<u32>(slot, WAY_UNSEEN, PACKET_WAY);
  return false;
}

function routeOther(slot: usize): void {
  const source = route4(load<u32>(slot, FIELD_SOURCE * 4));
  const destination = route4(load<u32>(slot, FIELD_DESTINATION * 4));
  takeWay(slot, source, destination, false);
}

/**
 * From this host or to it, by its usual address, where nothing can speak against it; false, and nothing is changed, for all else. Which of the two it is
 * changes from packet to packet as by chance, so it is computed with and never branched on.
 */
export function takeSimpleWay(slot: usize): bool {
  const own = ownUsual;
  const from = load<u32>(slot, FIELD_SOURCE * 4);
  const to = load<u32>(slot, FIELD_DESTINATION * 4);
  const leaves = from === own;
  const other = select(to, from, leaves);
  if (own === 0 || select(from, to, leaves) !== own || !isUsual(other)) return false;
  if (load<u32>(slot, PACKET_DIRECTION) === select<u32>(DIRECTION_INBOUND, DIRECTION_OUTBOUND, leaves)) return false;
  const route = search4(other);
  // LOCAL or BROADCAST: the two numbers differ in their lowest bit.
  if ((routeType(route) | 1) === <u32>RTN_BROADCAST) return false;
  const device = select(departureDevice(slot, route), arrivalDevice(slot, route), leaves);
  if (device === 0) return false;
  // The out-interface lies behind the in-interface; a packet has only one of them here.
  store<u64>(slot, u64(device) << select<u64>(32, 0, leaves), FIELD_IN_INTERFACE * 4);
  store<u32>(slot, select<u32>(WAY_OUTPUT, WAY_INPUT, leaves), PACKET_WAY);
  // A packet of our own has no in-device: no source MAC, no kind of packet but "for this host".
  store<u32>(slot, select(<u32>PACKET_HOST, load<u32>(slot, FIELD_PACKET_TYPE * 4), leaves), FIELD_PACKET_TYPE * 4);
  store<u64>(slot, select<u64>(0, load<u64>(slot, FIELD_MAC_HIGH * 4), leaves), FIELD_MAC_HIGH * 4);
  return true;
}

/**
 * Of a packet between this host's usual address and another one: the first, above the route of the other. By these, by which of them it comes from, and by what the capture says of device and direction takeSimpleWay decides. 0 where
 * it does not.
 */
export function simpleEnds(from: u32, to: u32): u64 {
  const own = ownUsual;
  const leaves = from === own;
  const other = select(to, from, leaves);
  if (own === 0 || select(from, to, leaves) !== own || !isUsual(other)) return 0;
  return ((own as u64) << 32) | (search4(other) as u64);
}

/** A packet with these ends, which was routed, took the way that all take from here or to here who have them, and the same record. */
export function tookSimpleWay(slot: usize, leaves: bool, ends: u64): bool {
  if ((routeType(ends as u32) | 1) === <u32>RTN_BROADCAST) return false;
  if (load<u32>(slot, PACKET_DIRECTION) === (leaves ? <u32>DIRECTION_INBOUND : <u32>DIRECTION_OUTBOUND)) return false;
  return load<u32>(slot, PACKET_WAY) === (leaves ? <u32>WAY_OUTPUT : <u32>WAY_INPUT);
}

function takeWay(slot: usize, source: u32, destination: u32, six: bool): void {
  if (leavesAsCopy(slot)) isCopy(slot);
  else if (tellsWay(slot)) arrive(slot, load<u32>(slot, PACKET_INTERFACE), source, destination, six);
  else if (everythingArrives) arrive(slot, hostIn !== 0 ? hostIn : hostFirst, source, destination, six);
  else decide(slot, source, destination, six);
  if (addressTypes) putAddressTypes(slot, source, destination, six);
}

/** Nobody said where a router's packets come in, and the capture says where this one was. */
function tellsWay(slot: usize): bool {
  return recordedWays && load<u32>(slot, PACKET_INTERFACE) !== 0;
}

/** The capture says that this packet of such a router went out, where it says so of copies. */
function leavesAsCopy(slot: usize): bool {
  return (copiesLeave || tellsWay(slot)) && load<u32>(slot, PACKET_DIRECTION) === <u32>DIRECTION_OUTBOUND;
}

/** What ip_rcv holds against a packet counts only if the packet comes in: neither what the host sends nor the copy of what it forwards does. */
function settleDoubt(slot: usize): void {
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const leaves =
    load<u32>(slot, PACKET_DIRECTION) === <u32>DIRECTION_OUTBOUND || isOwn(slot, routeOf(slot, FIELD_SOURCE * 4, six));
  if (leaves && (!everythingArrives || leavesAsCopy(slot))) return;
  store<u32>(slot, load<u32>(slot, PACKET_DOUBT), PACKET_UNSEEN);
  store<u32>(slot, WAY_UNSEEN, PACKET_WAY);
}

/** Sent by this host: from one of its addresses, or from none yet (DHCP, duplicate address detection) where the capture says outbound. */
function isOwn(slot: usize, source: u32): bool {
  const direction = load<u32>(slot, PACKET_DIRECTION);
  if (direction === <u32>DIRECTION_INBOUND) return false;
  return (
    routeType(source) === <u32>RTN_LOCAL || (direction === <u32>DIRECTION_OUTBOUND && isUnspecified(slot + FIELD_SOURCE * 4))
  );
}

/** The packet's addresses were translated: the types that rules ask for follow. */
export function readAddresses(slot: usize): void {
  if (!addressTypes) return;
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  putAddressTypes(slot, routeOf(slot, FIELD_SOURCE * 4, six), routeOf(slot, FIELD_DESTINATION * 4, six), six);
}

/** The host may have sent the packet itself: the capture says that it went out, or it bears an address of the host and the capture does not say that it came in. */
export function mayBeOwn(slot: usize): bool {
  const direction = load<u32>(slot, PACKET_DIRECTION);
  if (direction !== <u32>DIRECTION_UNKNOWN) return direction === <u32>DIRECTION_OUTBOUND;
  return routeType(routeOf(slot, FIELD_SOURCE * 4, load<u32>(slot, FIELD_FAMILY * 4) === 6)) === <u32>RTN_LOCAL;
}

/** An address (four words) is one of this host. */
export function isLocal(words: usize, six: bool): bool {
  return routeType(six ? route6(words) : route4(load<u32>(words))) === <u32>RTN_LOCAL;
}

/** The device by which this host's packets to an address (four words) leave, wherever they were captured. */
export function deviceTo(words: usize, six: bool): u32 {
  return routedDevice(six ? route6(words) : route4(load<u32>(words)));
}

/** A packet is an own one, whatever its addresses say: the answer to one that came in at `device`, where a router of which nothing else is known sends it back to. */
export function leaveAsAnswer(slot: usize, device: u32): void {
  store<u32>(slot, 0, PACKET_UNSEEN);
  store<u32>(slot, 0, PACKET_STACK);
  leave(slot, routeOf(slot, FIELD_DESTINATION * 4, load<u32>(slot, FIELD_FAMILY * 4) === 6));
  if (everythingArrives && load<u32>(slot, PACKET_WAY) !== <u32>WAY_LOOPBACK) store<u32>(slot, device, FIELD_OUT_INTERFACE * 4);
}

/** The MTU of the device that leaveAsAnswer would choose; 0: it is not known. */
export function mtuOfAnswer(slot: usize, device: u32): u32 {
  const route = routeOf(slot, FIELD_DESTINATION * 4, load<u32>(slot, FIELD_FAMILY * 4) === 6);
  if (routeType(route) === <u32>RTN_LOCAL) return deviceMtu(hostLo);
  return deviceMtu(everythingArrives ? device : departureDevice(slot, route));
}

/** Where an arrived packet goes now that its destination is another one: PACKET_WAY, PACKET_STACK and the out-interface. */
export function routeAnew(slot: usize): void {
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const device = load<u32>(slot, FIELD_IN_INTERFACE * 4);
  const destination = markedRoute(slot, routeOf(slot, FIELD_DESTINATION * 4, six));
  store<u32>(slot, 0, PACKET_STACK);
  store<u32>(slot, 0, FIELD_OUT_INTERFACE * 4);
  if (six) decide6(slot, device, destination);
  else arrive4(slot, device, routeOf(slot, FIELD_SOURCE * 4, false), destination);
}

/** The packet's mark makes it one for this host. */
export function isMarkedLocal(slot: usize): bool {
  return isLocalMark(load<u32>(slot, FIELD_MARK * 4));
}

/** The local table is asked before the mark. */
function markedRoute(slot: usize, route: u32): u32 {
  const type = routeType(route);
  if (!isMarkedLocal(slot) || (type >= <u32>RTN_LOCAL && type <= <u32>RTN_MULTICAST)) return route;
  return <u32>RTN_LOCAL | (hostLo << ROUTE_DEVICE_SHIFT);
}

/** The same for a packet of this host behind OUTPUT; where it was captured says nothing any more. */
export function leaveAnew(slot: usize): void {
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  store<u32>(slot, 0, PACKET_INTERFACE);
  leave(slot, routeOf(slot, FIELD_DESTINATION * 4, six));
  store<u32>(slot, 0, FIELD_IN_INTERFACE * 4);
}

/** Whether there is a way for a packet of this host to another destination (ip_route_me_harder); what comes from a loopback address stays inside. */
export function mayLeave(slot: usize): bool {
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const route = routeOf(slot, FIELD_DESTINATION * 4, six);
  const type = routeType(route);
  if (type >= <u32>RTN_LOCAL && type <= <u32>RTN_MULTICAST) return true;
  const from = slot + FIELD_SOURCE * 4;
  const inside = six ? load<u64>(from) === 0 && load<u64>(from, 8) === 0x0000000100000000 : load<u32>(from) >>> 24 === LOOPBACK;
  if (inside) return false;
  return type === <u32>RTN_UNICAST || (hostOut !== 0 && (type === <u32>RTN_UNSPEC || type === <u32>RTN_THROW));
}

/** A packet that is not forwarded is dropped without a word: its route is a blackhole; with IPv4 also where the host does not forward (ip_error). */
export function isSwallowed(slot: usize): bool {
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  return (!six && !forwards4) || routeType(routeOf(slot, FIELD_DESTINATION * 4, six)) === <u32>RTN_BLACKHOLE;
}

/** Nobody resets what was sent to many: broadcasts and groups (the route's flags); with IPv6 also from an address that is none of one sender. */
export function isForOne(slot: usize): bool {
  if (load<u32>(slot, FIELD_FAMILY * 4) === 6) return isOfOne6(slot + FIELD_SOURCE * 4) && isOfOne6(slot + FIELD_DESTINATION * 4);
  const to = load<u32>(slot, FIELD_DESTINATION * 4);
  // No route says what these are. From nobody to nobody is to everybody.
  if (to === 0 || to === EVERYBODY || isMulticast(to)) return false;
  return routeType(route4(to)) !== <u32>RTN_BROADCAST;
}

/** No group, not the unspecified address, none of IPv4 in the form of IPv6. */
function isOfOne6(words: usize): bool {
  if (load<u32>(words) >>> 24 === 0xff) return false;
  return load<u64>(words) !== 0 || (load<u64>(words, 8) !== 0 && load<u32>(words, 8) !== 0xffff);
}

function isUnspecified(words: usize): bool {
  return (load<u64>(words) | load<u64>(words, 8)) === 0;
}

function routeOf(slot: usize, field: usize, six: bool): u32 {
  return six ? route6(slot + field) : route4(load<u32>(slot + field));
}

function decide(slot: usize, source: u32, destination: u32, six: bool): void {
  const direction = load<u32>(slot, PACKET_DIRECTION);
  if (isOwn(slot, source)) {
    leave(slot, destination);
  } else if (direction === <u32>DIRECTION_OUTBOUND) {
    isCopy(slot);
  } else {
    arrive(slot, arrivalDevice(slot, source), source, destination, six);
  }
}

/** Of a packet that was forwarded: it leaves. */
function isCopy(slot: usize): void {
  store<u32>(slot, UNSEEN_OUTGOING_COPY, PACKET_UNSEEN);
  store<u32>(slot, WAY_UNSEEN, PACKET_WAY);
}

/** The record's own, else `in`, else where a route leads back to the source, else the first. */
function arrivalDevice(slot: usize, source: u32): u32 {
  const named = load<u32>(slot, PACKET_INTERFACE);
  if (named !== 0) return named;
  if (hostIn !== 0) return hostIn;
  const device = routeDevice(source);
  // The network of a broadcast address lies behind the same device.
  const type = routeType(source);
  const leadsBack = type === <u32>RTN_UNICAST || type === <u32>RTN_BROADCAST;
  if (leadsBack && device !== 0 && device !== hostLo) return device;
  return hostFirst;
}

function leave(slot: usize, destination: u32): void {
  const loops = routeType(destination) === <u32>RTN_LOCAL;
  const out = loops ? hostLo : departureDevice(slot, destination);
  const copied = !loops && isBroadcast(slot, destination, out);
  noteGroup(slot, out);
  store<u32>(slot, loops ? WAY_LOOPBACK : copied ? WAY_BROADCAST : WAY_OUTPUT, PACKET_WAY);
  store<u32>(slot, loops ? hostLo : 0, FIELD_IN_INTERFACE * 4);
  store<u32>(slot, out, FIELD_OUT_INTERFACE * 4);
  // A packet of our own has no in-device, or lo, which is not Ethernet.
  store<u32>(slot, PACKET_HOST, FIELD_PACKET_TYPE * 4);
  store<u64>(slot, 0, FIELD_MAC_HIGH * 4);
}

/** It goes to a group that the device it leaves by has joined: a copy comes back, if its sender wants one (IP_MULTICAST_LOOP). */
function noteGroup(slot: usize, out: u32): void {
  const to = slot + FIELD_DESTINATION * 4;
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  if (six ? load<u32>(to) >>> 24 !== 0xff : !isMulticast(load<u32>(to))) return;
  if (six ? isJoined6(to, out) : isJoined4(to, out)) tally(CONTROL_TO_GROUPS, six ? 1 : 0);
}

/** To everybody, or to a broadcast address of the device it leaves by. */
function isBroadcast(slot: usize, destination: u32, out: u32): bool {
  if (load<u32>(slot, FIELD_FAMILY * 4) !== 4 || out === hostLo) return false;
  if (load<u32>(slot, FIELD_DESTINATION * 4) === EVERYBODY) return true;
  return routeType(destination) === <u32>RTN_BROADCAST && routeDevice(destination) === out;
}

/** The record's own, else `out`, else the route's, else `in`, else the first. */
function departureDevice(slot: usize, destination: u32): u32 {
  const named = load<u32>(slot, PACKET_INTERFACE);
  return named !== 0 ? named : routedDevice(destination);
}

function routedDevice(destination: u32): u32 {
  if (hostOut !== 0) return hostOut;
  const device = routeDevice(destination);
  if (device !== 0) return device;
  return hostIn !== 0 ? hostIn : hostFirst;
}

function arrive(slot: usize, device: u32, source: u32, destination: u32, six: bool): void {
  store<u32>(slot, device, FIELD_IN_INTERFACE * 4);
  store<u32>(slot, 0, FIELD_OUT_INTERFACE * 4);
  if (six) arrive6(slot, device, destination);
  else arrive4(slot, device, source, destination);
}

/** PREROUTING will run, then the stack drops the packet, on its way to FORWARD or to INPUT. */
export function dropped(slot: usize, reason: u32, forward: bool): void {
  store<u32>(slot, forward ? WAY_LOST_FORWARD : WAY_LOST_INPUT, PACKET_WAY);
  store<u32>(slot, reason, PACKET_STACK);
}
