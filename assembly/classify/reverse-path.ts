/** rpfilter (ipt_rpfilter.c, ip6t_rpfilter.c): whether answers would go where the packet came from. */
import {
  FIELD_DESTINATION,
  FIELD_FAMILY,
  FIELD_IN_INTERFACE,
  FIELD_SOURCE,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTN_UNSPEC,
} from '../../src/abi/fields.ts';
import { ROUTE_DEVICE, ROUTE_PREFIX, ROUTE_SIZE, ROUTE_TYPE } from '../../src/abi/host.ts';
import { copying } from '../broadcast.ts';
import { everythingArrives, hostLo, hostOut, waysBack, waysBackEnd } from '../stack/host.ts';
import { covers, route4, routeDevice, routeType } from '../stack/routes.ts';

const EVERYBODY: u32 = 0xffffffff;
/** 224.0.0.0/24, without its last byte. */
const LINK_GROUPS: u32 = 0xe00000;

/** Parameters: through any device, an own address will do, inverted. */
export function reversePath(parameters: usize, slot: usize): bool {
  const device = load<u32>(slot, FIELD_IN_INTERFACE * 4);
  const loose = load<u32>(parameters) !== 0;
  const acceptLocal = load<u32>(parameters, 4) !== 0;
  // With --forward nobody knows the ways back.
  let fine = everythingArrives || copying || device === hostLo;
  if (!fine) {
    const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
    fine = six ? back6(slot, device, loose, acceptLocal) : back4(slot, device, loose, acceptLocal);
  }
  return fine !== (load<u32>(parameters, 8) !== 0);
}

function back4(slot: usize, device: u32, loose: bool, acceptLocal: bool): bool {
  const source = load<u32>(slot, FIELD_SOURCE * 4);
  const destination = load<u32>(slot, FIELD_DESTINATION * 4);
  if (source === 0 && (destination === EVERYBODY || destination >>> 8 === LINK_GROUPS)) return true;
  const route = route4(source);
  const type = routeType(route);
  const through = routeDevice(route);
  if (type === <u32>RTN_UNSPEC) return hostOut !== 0 && (loose || hostOut === device);
  if (type !== <u32>RTN_UNICAST && !(type === <u32>RTN_LOCAL && acceptLocal)) return false;
  return loose || through === device;
}

/** The first route that covers the source decides, but one to the same network through the device goes first; an own address has no device. */
function back6(slot: usize, device: u32, loose: bool, acceptLocal: bool): bool {
  const source = slot + FIELD_SOURCE * 4;
  if ((load<u64>(source) | load<u64>(source, 8)) === 0) return true;
  const linkLocal = (load<u32>(source) & 0xffc00000) === 0xfe800000;
  let first: u32 = RTN_UNSPEC;
  let prefix: u32 = 0;
  for (let route = waysBack; route < waysBackEnd; route += ROUTE_SIZE) {
    const own = load<u32>(route, ROUTE_DEVICE) === device;
    if ((linkLocal && !own) || !covers(route, source)) continue;
    const type = load<u32>(route, ROUTE_TYPE);
    if (type >= <u32>RTN_LOCAL && type <= <u32>RTN_MULTICAST) return type === <u32>RTN_LOCAL && acceptLocal;
    if (first !== RTN_UNSPEC && load<u32>(route, ROUTE_PREFIX) !== prefix) break;
    if (type === <u32>RTN_UNICAST && own) return true;
    if (first !== RTN_UNSPEC) continue;
    first = type;
    prefix = load<u32>(route, ROUTE_PREFIX);
  }
  if (first === RTN_UNSPEC) return hostOut !== 0 && (hostOut === device || (loose && !linkLocal));
  return loose && first === <u32>RTN_UNICAST;
}
