/**
 * The routing decision between PREROUTING and INPUT or FORWARD, and what forwarding checks before the FORWARD hook
 * (net/ipv4/route.c ip_route_input_slow, ip_forward.c; net/ipv6/ip6_input.c, ip6_output.c ip6_forward).
 */
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
  STACK_SOURCE_SCOPE,
  STACK_TTL,
  STACK_UNREACHABLE,
} from '../abi/reasons.ts';
import type { Host, Route } from '../model/host.ts';
import type { Profile } from '../model/profile.ts';
import { type DeviceSetting, deviceSysctl, sysctl } from '../model/profile.ts';
import * as ipv4 from '../packet/ipv4.ts';
import { checkOptions } from '../packet/ipv4-options.ts';
import * as ipv6 from '../packet/ipv6.ts';
import type { Packet } from './packet.ts';
import type { Routes } from './routes.ts';

/** `drop`: a STACK_* number, STACK_NONE when the packet goes on. `hook` is where it goes, or would have gone. `out`: device of a forwarded packet. */
export interface Routed {
  hook: 'INPUT' | 'FORWARD';
  drop: number;
  out: string;
}

const IPV6_MINIMUM_MTU = 1280;
const TCP = 6;
const UDP = 17;

export interface RoutingContext {
  host: Host;
  routes: Routes;
  profile: Profile;
}

const input = (drop = STACK_NONE): Routed => ({ hook: 'INPUT', drop, out: '' });
const refuse = (drop: number): Routed => ({ hook: 'FORWARD', drop, out: '' });

/** `packet.inInterface` is set. */
export function route(packet: Packet, context: RoutingContext): Routed {
  if (packet.family === 6) return route6(packet, context);
  const routed = decide4(packet, context);
  const martian =
    routed.drop === STACK_MARTIAN_SOURCE ||
    routed.drop === STACK_MARTIAN_DESTINATION ||
    routed.drop === STACK_RP_FILTER ||
    routed.drop === STACK_MULTICAST;
  if (martian) return routed;
  // Options are looked at when the route is known, before it is used.
  const fault = optionsFault(packet);
  if (fault !== STACK_NONE) return { ...routed, drop: fault };
  return routed.hook === 'FORWARD' && routed.drop === STACK_NONE ? forward4(packet, routed.out, context) : routed;
}

/** ip_rcv_options: why the packet is dropped for its IPv4 options, or STACK_NONE. */
export function optionsFault(packet: Packet): number {
  const options = checkOptions(ipv4.options(packet.bytes));
  if (options === 'malformed') return STACK_IP_OPTIONS;
  return options === 'source-route' ? STACK_SOURCE_ROUTE : STACK_NONE;
}

const isMulticast4 = (address: number): boolean => address >>> 28 === 14;
/** Only 0.0.0.0 itself: the rest of 0.0.0.0/8 are addresses like any other since 5.3. */
const isUnspecified4 = (address: number): boolean => address === 0;
const isLoopback4 = (address: number): boolean => address >>> 24 === 127;
const LIMITED_BROADCAST = 0xffffffff;

function decide4(packet: Packet, context: RoutingContext): Routed {
  const source = packet.source[0]!;
  const destination = packet.destination[0]!;
  if (isMulticast4(destination)) return multicast4(packet, source, destination, context);
  if (isMulticast4(source) || source === LIMITED_BROADCAST) return input(STACK_MARTIAN_SOURCE);
  if (destination === LIMITED_BROADCAST || (source === 0 && destination === 0)) return broadcast4(packet, source, context);
  if (isUnspecified4(source)) return input(STACK_MARTIAN_SOURCE);
  if (isUnspecified4(destination) || isLoopback4(destination)) return input(STACK_MARTIAN_DESTINATION);
  if (isLoopback4(source)) return input(STACK_MARTIAN_SOURCE);
  const local = context.routes.localTable(4, packet.destination);
  if (local?.type === 'broadcast') return broadcast4(packet, source, context);
  if (local?.type === 'local' || isMarked(packet, context, local)) return input(validateSource(packet, context));
  const found = outward(packet, context);
  if (typeof found === 'number') return refuse(found);
  if (sysctl(context.profile, 'net.ipv4.ip_forward') === 0) return refuse(STACK_FORWARDING_OFF);
  return { hook: 'FORWARD', drop: validateSource(packet, context, found), out: found };
}

/** A policy rule sends packets with a mark to a table where everything is local; the local table comes before it. */
const isMarked = ({ mark }: Packet, { host: { localMark } }: RoutingContext, local: Route | undefined): boolean =>
  local === undefined && localMark !== undefined && (mark & localMark.mask) >>> 0 === localMark.value;

/** brd_input: a source of 0.0.0.0 (a host asking for its address) is not looked at. */
function broadcast4(packet: Packet, source: number, context: RoutingContext): Routed {
  return input(source === 0 ? STACK_NONE : validateSource(packet, context));
}

/** ip_mc_validate_source and the list of joined groups. */
function multicast4(packet: Packet, source: number, destination: number, context: RoutingContext): Routed {
  if (!context.routes.joined(4, packet.destination, packet.inInterface, false)) return input(STACK_MULTICAST);
  if (isMulticast4(source) || source === LIMITED_BROADCAST || isLoopback4(source)) return input(STACK_MARTIAN_SOURCE);
  if (!isUnspecified4(source)) return input(validateSource(packet, context));
  const linkLocalGroup = destination >>> 8 === 0xe00000;
  const igmp = packet.protocol === 2;
  return input(linkLocalGroup || igmp ? STACK_NONE : STACK_MARTIAN_SOURCE);
}

/**
 * fib_validate_source: our own addresses cannot come from outside. With rp_filter, the larger of what `all` and the device say, the way back must be known (2) or through the same
 * device (1); a device without an address takes 2 for 1. Without, the kernel looks only when the packet leaves where it came from and a redirect may be sent. `out`: where a
 * forwarded packet goes.
 */
function validateSource(packet: Packet, { host, routes, profile }: RoutingContext, out?: string): number {
  if (routes.isLocal(4, packet.source)) return STACK_MARTIAN_SOURCE;
  if (host.forward) return STACK_NONE;
  const device = packet.inInterface;
  const both = (setting: DeviceSetting): readonly [number, number] => [
    sysctl(profile, `net.ipv4.conf.all.${setting}`),
    deviceSysctl(profile, device, setting),
  ];
  const filter = Math.max(...both('rp_filter'));
  const redirects = both('send_redirects').some((value) => value !== 0);
  if (filter === 0 && !(redirects && out === device)) return STACK_NONE;
  if (routes.localTable(4, packet.source) !== undefined) return STACK_MARTIAN_SOURCE;
  if (filter === 0) return STACK_NONE;
  const back = routes.outward(4, packet.source);
  if (back?.type !== 'unicast') return STACK_RP_FILTER;
  if (back.device === device) return STACK_NONE;
  const addresses = routes.interfaceNamed(device)?.addresses;
  const bare = addresses !== undefined && !addresses.some(({ family }) => family === 4);
  return filter === 1 || bare ? STACK_RP_FILTER : STACK_NONE;
}

/** The device a packet is forwarded to, or why there is none. */
function outward(packet: Packet, { host, routes }: RoutingContext): string | number {
  // Link-local destinations are looked for behind the device the packet came from.
  const scoped = packet.family === 6 && ipv6.isLinkLocal(packet.destination);
  if (scoped && host.forward) return host.out === packet.inInterface ? host.out : STACK_NO_ROUTE;
  if (host.forward && host.out !== undefined) return host.out;
  const found = routes.outward(packet.family, packet.destination, scoped ? packet.inInterface : undefined);
  if (found?.type === 'throw' || (found === undefined && scoped)) return STACK_NO_ROUTE;
  if (found === undefined) return host.out ?? STACK_NO_ROUTE;
  if (found.type !== 'unicast') return STACK_UNREACHABLE;
  return found.device ?? host.out ?? STACK_NO_ROUTE;
}

function forward4(packet: Packet, out: string, context: RoutingContext): Routed {
  if (packet.packetType !== 'unicast') return refuse(STACK_NOT_HOST);
  if (packet.proxied) return refuse(STACK_HAS_SOCKET);
  if (packet.ttl <= 1) return refuse(STACK_TTL);
  const mtu = context.routes.interfaceNamed(out)?.mtu;
  if (mtu !== undefined && tooBig(packet, mtu, context) && ipv4.dontFragment(packet.bytes)) return refuse(STACK_MTU);
  return { hook: 'FORWARD', drop: STACK_NONE, out };
}

/** Packets put together leave in parts as they came, and those that are several for the kernel (GSO) are cut by the device they leave by. */
function tooBig(packet: Packet, mtu: number, context: RoutingContext): boolean {
  if (packet.length <= mtu) return false;
  return packet.largestFragment !== 0 ? packet.largestFragment > mtu : !isSeveral(packet, context);
}

/**
 * skb_is_gso: no device takes a packet from a wire that is larger than its MTU. The kernel leaves the checksum of such to the device; where the capture's say nothing (lenient) all may be. How large the parts are nobody knows:
 * they fit.
 */
function isSeveral({ protocol, length, inInterface, unfinished }: Packet, { profile, routes }: RoutingContext): boolean {
  if (protocol !== TCP && protocol !== UDP) return false;
  const whole = routes.interfaceNamed(inInterface)?.mtu;
  return (whole === undefined || length > whole) && (unfinished || profile.prestack === 'lenient');
}

function route6(packet: Packet, context: RoutingContext): Routed {
  const forwarding = sysctl(context.profile, 'net.ipv6.conf.all.forwarding') !== 0;
  if (ipv6.isMulticast(packet.destination)) {
    return input(context.routes.joined(6, packet.destination, packet.inInterface, forwarding) ? STACK_NONE : STACK_MULTICAST);
  }
  const local = context.routes.localTable(6, packet.destination);
  if (local?.type === 'local' || local?.type === 'anycast' || isMarked(packet, context, local)) return input();
  const out = outward(packet, context);
  if (typeof out === 'number') return refuse(out);
  if (!forwarding) return refuse(STACK_FORWARDING_OFF);
  return forward6(packet, out, context);
}

function forward6(packet: Packet, out: string, context: RoutingContext): Routed {
  if (packet.packetType !== 'unicast') return refuse(STACK_NOT_HOST);
  if (packet.proxied) return refuse(STACK_HAS_SOCKET);
  if (packet.ttl <= 1) return refuse(STACK_TTL);
  // Back out of the device it came from the kernel thinks of a redirect and does not look at the source.
  if (out !== packet.inInterface && !mayForwardFrom(packet)) return refuse(STACK_SOURCE_SCOPE);
  const mtu = context.routes.interfaceNamed(out)?.mtu;
  if (mtu !== undefined && tooBig(packet, Math.max(mtu, IPV6_MINIMUM_MTU), context)) return refuse(STACK_MTU);
  return { hook: 'FORWARD', drop: STACK_NONE, out };
}

function mayForwardFrom(packet: Packet): boolean {
  const source = packet.source;
  return !(ipv6.isUnspecified(source) || ipv6.isMulticast(source) || ipv6.isLoopback(source) || ipv6.isLinkLocal(source));
}
