/** Neighbours: whom packets for an address are handed to on the link, a router or the address itself (include/net/route.h rt_nexthop, include/net/ip6_route.h rt6_nexthop). */
import { RTN_BLACKHOLE, RTN_UNICAST } from '../../src/abi/fields.ts';
import { ROUTE_DEVICE, ROUTE_FAMILY, ROUTE_GATEWAY, ROUTE_SIZE, ROUTE_TYPE } from '../../src/abi/host.ts';
import { hostOut, waysOut, waysOutEnd } from './host.ts';
import { covers } from './routes.ts';

const FIRST_GROUP: u32 = 0xe0000000;
const BEHIND_GROUPS: u32 = 0xf0000000;

/** Four words of the IPv4 neighbour that packets to `address` (four words) are handed to by a device: one at `address` or in a route. */
export function neighbour4(device: u32, address: usize): usize {
  const first = load<u32>(address);
  if ((first >= FIRST_GROUP && first < BEHIND_GROUPS) || first === 0xffffffff) return address;
  return handedTo(wayOut(4, device, address), address);
}

/** Packets to both addresses leave by one device for one neighbour (nf_conntrack_h323_main.c, callforward_do_filter). */
export function sameNeighbour(six: bool, one: usize, other: usize): bool {
  if (isSame(one, other)) return true;
  const family: u32 = six ? 6 : 4;
  const first = wayOut(family, 0, one);
  const second = wayOut(family, 0, other);
  if (!leads(first) || !leads(second) || leavesBy(first) !== leavesBy(second)) return false;
  return isSame(handedTo(first, one), handedTo(second, other));
}

/** The route (ROUTE_*) to an address by a device, 0: by any; 0 without one. */
function wayOut(family: u32, device: u32, address: usize): usize {
  for (let route = waysOut; route < waysOutEnd; route += ROUTE_SIZE) {
    if (load<u32>(route, ROUTE_FAMILY) !== family || !covers(route, address)) continue;
    const own = load<u32>(route, ROUTE_DEVICE);
    const elsewhere = device !== 0 && own !== 0 && own !== device;
    if (!elsewhere || load<u32>(route, ROUTE_TYPE) !== <u32>RTN_UNICAST) return route;
  }
  return 0;
}

function handedTo(route: usize, address: usize): usize {
  if (route === 0) return address;
  const gateway = route + ROUTE_GATEWAY;
  return (load<u64>(gateway) | load<u64>(gateway, 8)) === 0 ? address : gateway;
}

/** What no route takes leaves by --out. */
function leads(route: usize): bool {
  return route === 0 ? hostOut !== 0 : load<u32>(route, ROUTE_TYPE) < <u32>RTN_BLACKHOLE;
}

function leavesBy(route: usize): u32 {
  return route === 0 ? hostOut : load<u32>(route, ROUTE_DEVICE);
}

function isSame(one: usize, other: usize): bool {
  return load<u64>(one) === load<u64>(other) && load<u64>(one, 8) === load<u64>(other, 8);
}
