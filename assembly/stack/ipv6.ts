/** The fate of an arriving IPv6 packet: device-bound checks of ip6_rcv_core, then routing and ip6_forward (net/ipv6/ip6_output.c). */
import {
  FIELD_DESTINATION,
  FIELD_OUT_INTERFACE,
  FIELD_PACKET_TYPE,
  FIELD_SOURCE,
  FIELD_TTL,
  PACKET_HOST,
  RTN_ANYCAST,
  RTN_LOCAL,
  RTN_THROW,
  RTN_UNICAST,
  RTN_UNSPEC,
} from '../../src/abi/fields.ts';
import { PACKET_UNSEEN, PACKET_WAY, WAY_FORWARD, WAY_INPUT, WAY_UNSEEN } from '../../src/abi/packet.ts';
import {
  STACK_FORWARDING_OFF,
  STACK_HAS_SOCKET,
  STACK_MTU,
  STACK_MULTICAST,
  STACK_NO_ROUTE,
  STACK_NONE,
  STACK_NOT_HOST,
  STACK_SOURCE_SCOPE,
  STACK_TTL,
  STACK_UNREACHABLE,
  UNSEEN_IP6_ADDRESS,
} from '../../src/abi/reasons.ts';
import { deviceMtu, everythingArrives, forwards6, hostLo, hostOut, isSolicited, isTold } from './host.ts';
import { exceeds } from './mtu.ts';
import { linkRoute, routeDevice, routeType } from './routes.ts';
import { hasSocket } from './turn.ts';
import { dropped } from './way.ts';

const MTU_MINIMUM: u32 = 1280;
const SOLICITED: u32 = 0xff020000;
/** ff02::1, most significant word first: where this is told of a device (ip -j maddr), all of its groups are. */
const ALL_NODES: usize = memory.data<u32>([0xff020000, 0, 0, 1], 16);

/** `destination` is the route of the destination. */
export function arrive6(slot: usize, device: u32, destination: u32): void {
  const from = slot + FIELD_SOURCE * 4;
  const to = slot + FIELD_DESTINATION * 4;
  const first = load<u32>(to);
  if (device !== hostLo && (isLoopback(from) || isLoopback(to) || (first & 0xff0f0000) === 0xff010000)) {
    store<u32>(slot, UNSEEN_IP6_ADDRESS, PACKET_UNSEEN);
    store<u32>(slot, WAY_UNSEEN, PACKET_WAY);
    return;
  }
  decide6(slot, device, destination);
}

/** The routing decision alone: of a packet that ip6_rcv has let in. */
export function decide6(slot: usize, device: u32, destination: u32): void {
  const to = slot + FIELD_DESTINATION * 4;
  const first = load<u32>(to);
  const type = routeType(destination);
  const multicast = first >>> 24 === 0xff;
  if (multicast ? isJoined6(to, device) : type === <u32>RTN_LOCAL || type === <u32>RTN_ANYCAST) {
    store<u32>(slot, WAY_INPUT, PACKET_WAY);
    return;
  }
  const route = isLinkLocal(to) && !everythingArrives ? linkRoute(to, device) : destination;
  const out = outDevice(to, device, route);
  const reason = multicast ? STACK_MULTICAST : forward6(slot, routeType(route), device, out);
  if (reason !== STACK_NONE) {
    dropped(slot, reason, !multicast);
    return;
  }
  store<u32>(slot, WAY_FORWARD, PACKET_WAY);
  store<u32>(slot, out, FIELD_OUT_INTERFACE * 4);
}

export function isLoopback(words: usize): bool {
  return load<u64>(words) === 0 && load<u64>(words, 8) === 0x0000000100000000;
}

/** The device has joined the group: as was told; or all nodes, all routers where the host forwards (net/ipv6/addrconf.c dev_forward_change) and nobody told all of its groups, and the solicited-node groups of the host's addresses. */
export function isJoined6(words: usize, device: u32): bool {
  if (isTold(6, words, device)) return true;
  const first = load<u32>(words);
  const last = load<u32>(words, 12);
  if (load<u32>(words, 4) !== 0) return false;
  if (load<u32>(words, 8) === 0 && last === 1) return first === 0xff010000 || first === 0xff020000;
  if (load<u32>(words, 8) === 0 && last === 2) return forwards6 && isRouterScope(first) && !isTold(6, ALL_NODES, device);
  return first === SOLICITED && load<u32>(words, 8) === 1 && last >>> 24 === 0xff && isSolicited(last & 0xffffff);
}

/** With --forward, too, link-local addresses are looked for on the device of arrival only. */
function outDevice(to: usize, device: u32, route: u32): u32 {
  const type = routeType(route);
  const found = routeDevice(route);
  if (everythingArrives && isLinkLocal(to)) return hostOut === device ? device : 0;
  return found === 0 && (type === <u32>RTN_UNSPEC || type === <u32>RTN_UNICAST) ? hostOut : found;
}

/** ff01::2, ff02::2 and ff05::2 are joined by every device of a router. */
function isRouterScope(first: u32): bool {
  return first === 0xff010000 || first === 0xff020000 || first === 0xff050000;
}

function isLinkLocal(words: usize): bool {
  return (load<u32>(words) & 0xffc00000) === 0xfe800000;
}

/** ip6_forward up to the FORWARD hook. */
function forward6(slot: usize, type: u32, device: u32, out: u32): u32 {
  if (type === <u32>RTN_THROW || (out === 0 && (type === <u32>RTN_UNSPEC || type === <u32>RTN_UNICAST))) return STACK_NO_ROUTE;
  if (type !== <u32>RTN_UNICAST && type !== <u32>RTN_UNSPEC) return STACK_UNREACHABLE;
  if (!forwards6) return STACK_FORWARDING_OFF;
  if (load<u32>(slot, FIELD_PACKET_TYPE * 4) !== <u32>PACKET_HOST) return STACK_NOT_HOST;
  if (hasSocket()) return STACK_HAS_SOCKET;
  if (load<u32>(slot, FIELD_TTL * 4) <= 1) return STACK_TTL;
  if (out !== device && isBoundToLink(slot + FIELD_SOURCE * 4)) return STACK_SOURCE_SCOPE;
  const mtu = deviceMtu(out);
  if (mtu === 0) return STACK_NONE;
  return exceeds(slot, max<u32>(mtu, MTU_MINIMUM)) ? STACK_MTU : STACK_NONE;
}

/** Sources that must not leave their link: unspecified, loopback, link-local (multicast ones never get here). */
function isBoundToLink(words: usize): bool {
  return (load<u64>(words) === 0 && load<u64>(words, 8) === 0) || isLoopback(words) || isLinkLocal(words);
}
