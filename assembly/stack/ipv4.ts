/** The fate of an arriving IPv4 packet after PREROUTING: ip_route_input (net/ipv4/route.c), then ip_forward. */
import {
  FIELD_DESTINATION,
  FIELD_OUT_INTERFACE,
  FIELD_PACKET_TYPE,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  FIELD_TTL,
  PACKET_HOST,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_THROW,
  RTN_UNICAST,
  RTN_UNSPEC,
} from '../../src/abi/fields.ts';
import { DEVICE_FLAG_BARE, DEVICE_FLAG_LOOSE, DEVICE_FLAG_REDIRECTS, DEVICE_FLAG_STRICT } from '../../src/abi/host.ts';
import { PACKET_IP, PACKET_WAY, WAY_FORWARD, WAY_INPUT } from '../../src/abi/packet.ts';
import {
  STACK_FORWARDING_OFF,
  STACK_HAS_SOCKET,
  STACK_IP_OPTIONS,
  STACK_MARTIAN_DESTINATION,
  STACK_MARTIAN_SOURCE,
  STACK_MTU,
  STACK_MULTICAST,
  STACK_NO_ROUTE,
  STACK_NONE,
  STACK_NOT_HOST,
  STACK_RP_FILTER,
  STACK_SOURCE_ROUTE,
  STACK_TTL,
  STACK_UNREACHABLE,
} from '../../src/abi/reasons.ts';
import { deviceFlags, deviceMtu, forwards4, hostOut, isTold } from './host.ts';
import { checkOptions, OPTIONS_BAD, OPTIONS_SOURCE_ROUTE } from './ip-options.ts';
import { exceeds } from './mtu.ts';
import { routeDevice, routeType } from './routes.ts';
import { hasSocket } from './turn.ts';
import { dropped } from './way.ts';

export const EVERYBODY: u32 = 0xffffffff;
const ALL_SYSTEMS: u32 = 0xe0000001;
/** 224.0.0.0/24, without its last byte. */
const LINK_GROUPS: u32 = 0xe00000;
const IGMP: u32 = 2;
const LOOPBACK: u32 = 127;
const DONT_FRAGMENT: u32 = 0x40;

/** `source` and `destination` are the routes of the addresses. */
export function arrive4(slot: usize, device: u32, source: u32, destination: u32): void {
  const from = load<u32>(slot, FIELD_SOURCE * 4);
  const to = load<u32>(slot, FIELD_DESTINATION * 4);
  let reason: u32;
  let forward = false;
  let out: u32 = 0;
  if (isMulticast(to)) {
    reason = multicastInput(slot, device, source);
  } else {
    reason = martian(from, to);
    if (reason === STACK_NONE && !(to === EVERYBODY || (from === 0 && to === 0))) {
      const type = routeType(destination);
      forward = type !== <u32>RTN_LOCAL && type !== <u32>RTN_BROADCAST;
      if (forward) {
        out = routeDevice(destination);
        if (type === <u32>RTN_UNSPEC || (type === <u32>RTN_UNICAST && out === 0)) out = hostOut;
        reason = forwardable(type, out);
      }
    }
    if (reason === STACK_NONE && from !== 0) reason = validateSource(source, device, out);
  }
  // A route to nowhere is a route, whose input comes later; options are looked at in between.
  if (reason === STACK_NONE || isDeadEnd(reason)) reason = optionsReason(slot, reason);
  if (reason === STACK_NONE && forward) reason = forward4(slot, out);
  if (reason !== STACK_NONE) {
    dropped(slot, reason, forward);
    return;
  }
  store<u32>(slot, forward ? WAY_FORWARD : WAY_INPUT, PACKET_WAY);
  store<u32>(slot, out, FIELD_OUT_INTERFACE * 4);
}

export function isMulticast(address: u32): bool {
  return address >>> 28 === 14;
}

/** The addresses no route is asked about, in the kernel's order. lo is no exception: what the host sends itself over it has its route already, and what comes without one (a packet socket's) is looked at as anywhere. */
function martian(from: u32, to: u32): u32 {
  if (isMulticast(from) || from === EVERYBODY) return STACK_MARTIAN_SOURCE;
  if (to === EVERYBODY || (from === 0 && to === 0)) return STACK_NONE;
  if (from === 0) return STACK_MARTIAN_SOURCE;
  if (to === 0) return STACK_MARTIAN_DESTINATION;
  if (to >>> 24 === LOOPBACK) return STACK_MARTIAN_DESTINATION;
  return from >>> 24 === LOOPBACK ? STACK_MARTIAN_SOURCE : STACK_NONE;
}

/** The device has joined the group. */
export function isJoined4(words: usize, device: u32): bool {
  return load<u32>(words) === ALL_SYSTEMS || isTold(4, words, device);
}

/** ip_mc_validate_source, behind the list of joined groups. */
function multicastInput(slot: usize, device: u32, source: u32): u32 {
  const from = load<u32>(slot, FIELD_SOURCE * 4);
  const to = load<u32>(slot, FIELD_DESTINATION * 4);
  if (!isJoined4(slot + FIELD_DESTINATION * 4, device)) return STACK_MULTICAST;
  if (isMulticast(from) || from === EVERYBODY) return STACK_MARTIAN_SOURCE;
  if (from >>> 24 === LOOPBACK) return STACK_MARTIAN_SOURCE;
  if (from !== 0) return validateSource(source, device, 0);
  // A host that asks for its address speaks to groups of its own link, and of groups (IGMP).
  return to >>> 8 === LINK_GROUPS || load<u32>(slot, FIELD_PROTOCOL * 4) === IGMP ? STACK_NONE : STACK_MARTIAN_SOURCE;
}

function forwardable(type: u32, out: u32): u32 {
  if (type === <u32>RTN_THROW || (out === 0 && (type === <u32>RTN_UNSPEC || type === <u32>RTN_UNICAST))) return STACK_NO_ROUTE;
  if (type > <u32>RTN_BROADCAST && type < <u32>RTN_THROW) return STACK_UNREACHABLE;
  return forwards4 ? STACK_NONE : STACK_FORWARDING_OFF;
}

/** fib_validate_source; `out` is 0 for a packet that stays here. */
function validateSource(source: u32, device: u32, out: u32): u32 {
  const type = routeType(source);
  if (type === <u32>RTN_LOCAL) return STACK_MARTIAN_SOURCE;
  const flags = deviceFlags(device);
  const filter = flags & (DEVICE_FLAG_STRICT | DEVICE_FLAG_LOOSE);
  // Without a filter the kernel looks no further, unless the packet leaves where it came and might earn a redirect.
  if (filter === 0 && (out !== device || (flags & DEVICE_FLAG_REDIRECTS) === 0)) return STACK_NONE;
  if (type === <u32>RTN_BROADCAST) return STACK_MARTIAN_SOURCE;
  if (filter === 0) return STACK_NONE;
  if (type !== <u32>RTN_UNICAST) return STACK_RP_FILTER;
  if (routeDevice(source) === device) return STACK_NONE;
  // A device without an address is as strict as it can be: there is nobody to ask for another way back.
  return (flags & (DEVICE_FLAG_STRICT | DEVICE_FLAG_BARE)) !== 0 ? STACK_RP_FILTER : STACK_NONE;
}

function isDeadEnd(reason: u32): bool {
  return reason === STACK_NO_ROUTE || reason === STACK_UNREACHABLE || reason === STACK_FORWARDING_OFF;
}

/** ip_rcv_options: a STACK_* reason; `otherwise`: when there is nothing wrong with them. */
export function optionsReason(slot: usize, otherwise: u32): u32 {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const header = (u32(load<u8>(ip)) & 15) << 2;
  if (header === 20) return otherwise;
  const found = checkOptions(ip + 20, header - 20);
  if (found === OPTIONS_BAD) return STACK_IP_OPTIONS;
  return found === OPTIONS_SOURCE_ROUTE ? STACK_SOURCE_ROUTE : otherwise;
}

/** ip_forward up to the FORWARD hook. */
function forward4(slot: usize, out: u32): u32 {
  if (load<u32>(slot, FIELD_PACKET_TYPE * 4) !== <u32>PACKET_HOST) return STACK_NOT_HOST;
  if (hasSocket()) return STACK_HAS_SOCKET;
  if (load<u32>(slot, FIELD_TTL * 4) <= 1) return STACK_TTL;
  const mtu = deviceMtu(out);
  if (mtu === 0 || !exceeds(slot, mtu)) return STACK_NONE;
  return (load<u8>(load<u32>(slot, PACKET_IP), 6) & DONT_FRAGMENT) !== 0 ? STACK_MTU : STACK_NONE;
}
