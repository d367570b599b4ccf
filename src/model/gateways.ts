/** Gateways of routes: which there can be, and what `ip route` says of the others (net/ipv4/fib_semantics.c fib_check_nh, net/ipv6/route.c fib6_nh_init). */
import { formatAddress, maskAddress, prefixMask } from './address.ts';
import type { Host, Route } from './host.ts';
import type { Words } from './ruleset.ts';

/** A route with a gateway, as a file tells it. */
export interface Gatewayed {
  route: Route;
  gateway: Words;
  /** The file says that the gateway is on the link whatever addresses the device has (`onlink`). */
  onlink: boolean;
}

const UNUSABLE = { 4: 'Nexthop has invalid gateway.', 6: 'Invalid gateway address.' } as const;
const UNREACHABLE = { 4: 'Nexthop has invalid gateway.', 6: 'No route to host' } as const;

/**
 * Gives routes their gateways, once all routes are known. An own address of the host is no gateway for IPv4: the kernel hands packets to their destination itself.
 * @returns the first whose gateway cannot be, and why, in the words of `ip route` and ours; undefined when all can.
 */
export function setGateways(host: Host, gatewayed: readonly Gatewayed[]): { of: Gatewayed; why: string } | undefined {
  const beyond = new Set(gatewayed.map(({ route }) => route));
  const onLink = host.routes.filter((route) => route.type === 'unicast' && !beyond.has(route));
  for (const one of gatewayed) {
    const why = setGateway(host.routes, onLink, one);
    if (why !== undefined) return { of: one, why };
  }
  return undefined;
}

function setGateway(all: readonly Route[], onLink: readonly Route[], { route, gateway, onlink }: Gatewayed): string | undefined {
  const { family, type } = route;
  if (type !== 'unicast') return 'Gateway, device and multipath can not be specified for this route type.';
  // `ip route` needs no device where a network that is on a link says it.
  const device = route.device ?? onLink.find((one) => covers(one, family, gateway))?.device;
  if (family === 4 && onlink && route.device === undefined) return 'Nexthop device required for onlink.';
  if (device === undefined) return `${UNREACHABLE[family]} (no "dev", and it is in no network of a device)`;
  route.device = device;
  const own = all.find((one) => one.type !== 'unicast' && one.device !== undefined && covers(one, family, gateway));
  // A gateway that was declared to be on the link is asked what it is, and nothing else.
  if (isNoHost(gateway) || (own !== undefined && own.type !== 'local')) return `${UNUSABLE[family]} (no address of a host)`;
  if (own !== undefined && family === 4 && onlink) return `${UNUSABLE[4]} (an address of this host is not on a link)`;
  if (own !== undefined) return family === 6 ? 'Gateway can not be a local address.' : notThrough(own, device);
  const linked = onLink.filter((one) => one.family === family && one.device === device);
  // Of a device that no file says anything about nobody knows what is on its link.
  const reachable = onlink || linked.length === 0 || isLinkLocal(gateway) || linked.some((one) => covers(one, family, gateway));
  if (!reachable) return `${UNREACHABLE[family]} (it is in no network of ${device}: ${linked.map(networkOf).join(', ')})`;
  route.gateway = gateway;
  return undefined;
}

/** Those of 127.0.0.0/8 are no gateways, nor are those of other devices. */
const notThrough = ({ prefix, device: its }: Route, device: string): string | undefined =>
  prefix === 32 && its === device ? undefined : `${UNUSABLE[4]} (an address of this host, but not of ${device})`;

const covers = ({ family, destination, prefix }: Route, wanted: number, address: Words): boolean =>
  family === wanted &&
  maskAddress(address, prefixMask(prefix, family)).every(
    (word, i) => word === maskAddress(destination, prefixMask(prefix, family))[i],
  );

const networkOf = ({ destination, prefix }: Route): string => `${formatAddress(destination)}/${prefix}`;

/** Groups, and what names no host. */
function isNoHost(address: Words): boolean {
  const [first = 0] = address;
  if (address.every((word) => word === 0)) return true;
  // What is reserved (240.0.0.0/4) names a host where a network says so.
  return address.length === 1 ? first >>> 28 === 14 || first === 0xffff_ffff : first >>> 24 === 0xff;
}

const isLinkLocal = (address: Words): boolean => address.length === 4 && address[0]! >>> 22 === 0xfe80 >>> 6;
