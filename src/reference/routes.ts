/** Looking addresses up in the host model: the local table first, then the others, as the kernel's policy rules 0 and 32766 do. */
import { RTN_ANYCAST, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST, RTN_UNREACHABLE, RTN_UNSPEC } from '../abi/fields.ts';
import { prefixMask } from '../model/address.ts';
import type { Host, HostInterface, Route } from '../model/host.ts';
import type { Family, Words } from '../model/ruleset.ts';
import { sameWords } from '../packet/bytes.ts';
import * as ipv6 from '../packet/ipv6.ts';

/** ff02::1. */
const ALL_NODES: Words = [0xff020000, 0, 0, 1];
const LOCAL_TABLE: readonly Route['type'][] = ['local', 'broadcast', 'anycast', 'multicast'];

export const isOfLocalTable = ({ type }: Route): boolean => LOCAL_TABLE.includes(type);

/** The address lies in the route's prefix. */
export function covers(route: Route, address: Words): boolean {
  const mask = prefixMask(route.prefix, route.family);
  return route.destination.every((word, i) => (((word ^ address[i]!) & mask[i]!) | 0) === 0);
}

interface Ends {
  family: Family;
  source: Words;
  destination: Words;
}

export class Routes {
  readonly #host: Host;
  /** With --forward all goes out at `out`, whatever files say. */
  readonly #routes: readonly Route[];

  constructor(host: Host) {
    this.#host = host;
    this.#routes = host.forward ? [...host.routes.filter(isOfLocalTable), ...everywhere(host.out)] : host.routes;
  }

  #best(family: Family, address: Words, admit: (route: Route) => boolean): Route | undefined {
    return best(this.#routes, family, address, admit);
  }

  /** The route of the local table: local, broadcast, anycast. With --forward only lo's own. */
  localTable(family: Family, address: Words): Route | undefined {
    const loopbackOnly = this.#host.forward;
    return this.#best(
      family,
      address,
      (route) => LOCAL_TABLE.includes(route.type) && (!loopbackOnly || isLoopbackNet(family, route.destination)),
    );
  }

  isLocal(family: Family, address: Words): boolean {
    return this.localTable(family, address)?.type === 'local';
  }

  /** A route out of the host: unicast, or one that refuses (blackhole, unreachable, prohibit), or ends the search (throw), so that `--out` is not asked either. */
  outward(family: Family, address: Words, device?: string): Route | undefined {
    return this.#best(
      family,
      address,
      (one) => isOutward(one) && (device === undefined || one.device === undefined || one.device === device),
    );
  }

  /** Where packets from that address come in: the device of the route back, if routing finds a unicast or a broadcast one, never lo. */
  deviceFrom(family: Family, address: Words): string | undefined {
    const route = this.#found(family, address);
    const leadsBack = route?.type === 'unicast' || route?.type === 'broadcast';
    return leadsBack && route.device !== 'lo' ? route.device : undefined;
  }

  /** Where packets to that address leave: the device of the route that routing finds, if it has one. */
  deviceTo(family: Family, address: Words): string | undefined {
    return this.#found(family, address)?.device;
  }

  /** The way back to a source, also with --forward: the device; null where none leads there; undefined where nobody knows. What no route takes leaves by --out. */
  wayBack(family: Family, source: Words): string | null | undefined {
    const found = this.localTable(family, source) ?? best(this.#host.routes, family, source, isOutward);
    if (found === undefined) return this.#host.out;
    return found.type === 'unicast' || isOfLocalTable(found) ? found.device : null;
  }

  /** What routing finds, of whatever type: the local table is asked first. */
  #found(family: Family, address: Words): Route | undefined {
    return this.localTable(family, address) ?? this.#best(family, address, isOutward);
  }

  /** rt_nexthop of the route by which packets to an IPv4 address leave by a device: its gateway, else the address itself. Groups and 255.255.255.255 have none (__mkroute_output). */
  nextHop(address: Words, device: string): Words {
    const first = address[0]!;
    if (first >>> 28 === 14 || first === 0xffffffff) return address;
    const ofDevice = (route: Route): boolean => isOutward(route) && (route.device ?? device) === device;
    const route = this.localTable(4, address) ?? best(this.#host.routes, 4, address, ofDevice);
    return route?.gateway ?? address;
  }

  /** callforward_do_filter: packets to both addresses leave by the same device for the same next hop (rt_nexthop, rt6_nexthop). */
  onSameSide(family: Family, one: Words, other: Words): boolean {
    if (sameWords(one, other)) return true;
    const [first, second] = [one, other].map((address) => {
      const route = this.localTable(family, address) ?? best(this.#host.routes, family, address, isOutward);
      if (route === undefined) return this.#host.out === undefined ? undefined : { device: this.#host.out, hop: address };
      const { device, gateway: hop = address } = route;
      return LOCAL_TABLE.includes(route.type) || route.type === 'unicast' ? { device, hop } : undefined;
    });
    return first !== undefined && second !== undefined && first.device === second.device && sameWords(first.hop, second.hop);
  }

  /** ip_route_me_harder, nf_ip6_route_me_harder: an own packet with another destination takes another way, if there is one. */
  mayLeave({ family, source, destination }: Ends): boolean {
    if (this.localTable(family, destination) !== undefined) return true;
    // What comes from a loopback address stays inside.
    if (family === 4 ? source[0]! >>> 24 === 127 : ipv6.isLoopback(source)) return false;
    const found = this.outward(family, destination);
    return found === undefined ? this.#host.out !== undefined : found.type === 'unicast';
  }

  interfaceNamed(name: string): HostInterface | undefined {
    return this.#host.interfaces.find((entry) => entry.name === name);
  }

  /** The first address of a device; undefined where it has none of the family, or is not known. */
  firstAddress(device: string, family: Family): Words | undefined {
    return this.interfaceNamed(device)?.addresses.find((one) => one.family === family)?.address;
  }

  /**
   * The group is joined at the device: those that were told (`ip -j maddr`); all nodes; the solicited-node groups of the host's addresses (loopback joins none); on a router, all routers (RFC 4291 2.8), unless the
   * device's groups were told without them: with ff02::1 the list is the kernel's own, and whole.
   */
  joined(family: Family, group: Words, device: string, forwarding: boolean): boolean {
    const told = (this.#host.groups ?? []).filter((one) => one.family === family && one.device === device);
    if (told.some(({ address }) => sameWords(address, group))) return true;
    if (family === 4) return group[0] === 0xe0000001;
    const low = group[3]!;
    const scope = ipv6.multicastScope(group);
    const plain = group[0] === (0xff000000 | (scope << 16)) >>> 0 && group[1] === 0 && group[2] === 0;
    if (plain && low === 1 && (scope === 1 || scope === 2)) return true;
    const isWhole = told.some(({ address }) => sameWords(address, ALL_NODES));
    if (plain && low === 2 && (scope === 1 || scope === 2 || scope === 5)) return forwarding && !isWhole;
    if (group[0] !== 0xff020000 || group[1] !== 0 || group[2] !== 1 || low >>> 24 !== 0xff) return false;
    const devices = this.#host.interfaces.filter((entry) => entry.name !== 'lo');
    return devices.some((entry) =>
      entry.addresses.some(({ family: kind, address }) => kind === 6 && (address[3]! & 0xffffff) === (low & 0xffffff)),
    );
  }

  /** A group that is joined, so that what is sent there may come back. */
  hearsGroup(family: Family, destination: Words, device: string, forwarding: boolean): boolean {
    return this.addressType(family, destination) === RTN_MULTICAST && this.joined(family, destination, device, forwarding);
  }

  /** What leaves by this device for that address is a broadcast: to everybody, or to one of the device's own broadcast addresses (net/ipv4/route.c, __mkroute_output). */
  isBroadcast(family: Family, destination: Words, device: string): boolean {
    if (family !== 4 || device === 'lo') return false;
    if (destination[0] === 0xffffffff) return true;
    const route = this.localTable(4, destination);
    return route?.type === 'broadcast' && route.device === device;
  }

  /** The netmask of a device's network that has this broadcast address (an in_ifaddr's ifa_broadcast and ifa_mask); null when it has none. */
  broadcastMask(device: string, destination: Words): number | null {
    const addresses = this.#host.interfaces.find(({ name }) => name === device)?.addresses ?? [];
    const network = addresses.find(({ broadcast }) => broadcast !== undefined && broadcast[0] === destination[0]);
    return network === undefined || network.prefix === 0 ? null : prefixMask(network.prefix, 4)[0]!;
  }

  /** RTN_* of an address as `-m addrtype` asks for it; with `device` only what belongs to that device counts. */
  addressType(family: Family, address: Words, device?: string): number {
    return family === 4 ? this.#type4(address, device) : this.#type6(address, device);
  }

  /** __inet_dev_addr_type (net/ipv4/fib_frontend.c): the local table alone. */
  #type4(address: Words, device?: string): number {
    const value = address[0]!;
    if (value === 0 || value === 0xffffffff) return RTN_BROADCAST;
    if (value >>> 28 === 14) return RTN_MULTICAST;
    const route = this.localTable(4, address);
    if (route === undefined || (device !== undefined && route.device !== device)) return RTN_UNICAST;
    if (route.type === 'local') return RTN_LOCAL;
    return route.type === 'broadcast' ? RTN_BROADCAST : RTN_ANYCAST;
  }

  /** match_type6 of net/netfilter/xt_addrtype.c: kinds of addresses, and whether a route leads there. */
  #type6(address: Words, device?: string): number {
    if (ipv6.isMulticast(address)) return RTN_MULTICAST;
    if (ipv6.isUnspecified(address)) return RTN_UNSPEC;
    const local = this.localTable(6, address);
    if (local?.type === 'local' && (device === undefined || this.#hasAddress(device, address))) return RTN_LOCAL;
    if (local?.type === 'anycast' && device === undefined) return RTN_ANYCAST;
    if (this.#host.forward && device === undefined) return RTN_UNICAST;
    const route = this.outward(6, address, device);
    if (route === undefined) return this.#host.out === undefined || device !== undefined ? RTN_UNREACHABLE : RTN_UNICAST;
    return route.type === 'unicast' ? RTN_UNICAST : RTN_UNREACHABLE;
  }

  #hasAddress(device: string, address: Words): boolean {
    return this.interfaceNamed(device)?.addresses.some((one) => sameWords(one.address, address)) ?? false;
  }
}

const isOutward = (route: Route): boolean => !isOfLocalTable(route);

/** Longest prefix, then lowest metric, among the routes that `admit` lets in. */
function best(routes: readonly Route[], family: Family, address: Words, admit: (route: Route) => boolean): Route | undefined {
  let found: Route | undefined;
  for (const route of routes) {
    if (route.family !== family || !admit(route) || !covers(route, address)) continue;
    const better =
      found === undefined || route.prefix > found.prefix || (route.prefix === found.prefix && route.metric < found.metric);
    if (better) found = route;
  }
  return found;
}

/** Default routes of both families. */
function everywhere(device: string | undefined): Route[] {
  if (device === undefined) return [];
  const of = (family: Family, destination: Words): Route => ({
    family,
    destination,
    prefix: 0,
    type: 'unicast',
    device,
    metric: 0,
  });
  return [of(4, [0]), of(6, [0, 0, 0, 0])];
}

function isLoopbackNet(family: Family, address: Words): boolean {
  return family === 4 ? address[0]! >>> 24 === 127 : ipv6.isLoopback(address);
}
