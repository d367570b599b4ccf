/** The routing tables: disjoint ranges, searched for the last one that starts at or before an address. */

import { RTN_LOCAL, RTN_THROW } from '../../src/abi/fields.ts';
import {
  HOST_LINK_ROUTE_COUNT,
  HOST_LINK_ROUTES,
  HOST_V4_STARTS,
  HOST_V4_TOP,
  HOST_V4_VALUES,
  HOST_V6_COUNT,
  HOST_V6_STARTS,
  HOST_V6_VALUES,
  ROUTE_DEVICE,
  ROUTE_DEVICE_SHIFT,
  ROUTE_PREFIX,
  ROUTE_SIZE,
  ROUTE_TYPE,
  ROUTE_TYPE_MASK,
  ROUTE_WORDS,
} from '../../src/abi/host.ts';

const FIRST_USUAL: u32 = 0x01000000;
const BEHIND_USUAL: u32 = 0xe0000000;
const LOOPBACK: u32 = 127;

let top: usize = 0;
let starts4: usize = 0;
let values4: usize = 0;
let starts6: usize = 0;
let values6: usize = 0;
let count6: u32 = 0;
/** The local address that was asked for last, and its route: nearly every packet of a host has it. */
let ownAddress: u32 = 0;
let ownRoute: u32 = 0;
/** The same, but 0 unless it is an address like any other. */
export let ownUsual: u32 = 0;

/** Routes (abi/host.ts) to link-local addresses, from the first to behind the last. */
let linkRoutes: usize = 0;
let linkRoutesEnd: usize = 0;

export function initRoutes(block: usize): void {
  top = block + load<u32>(block, HOST_V4_TOP);
  starts4 = block + load<u32>(block, HOST_V4_STARTS);
  values4 = block + load<u32>(block, HOST_V4_VALUES);
  starts6 = block + load<u32>(block, HOST_V6_STARTS);
  values6 = block + load<u32>(block, HOST_V6_VALUES);
  count6 = load<u32>(block, HOST_V6_COUNT);
  linkRoutes = block + load<u32>(block, HOST_LINK_ROUTES);
  linkRoutesEnd = linkRoutes + (load<u32>(block, HOST_LINK_ROUTE_COUNT) as usize) * ROUTE_SIZE;
  ownAddress = 0;
  ownRoute = search4(0);
  ownUsual = 0;
}

/** The route of an IPv4 address: routeType and routeDevice take it apart. */
export function route4(address: u32): u32 {
  if (address === ownAddress) return ownRoute;
  const route = search4(address);
  if (routeType(route) === <u32>RTN_LOCAL) {
    ownAddress = address;
    ownRoute = route;
    ownUsual = isUsual(address) ? address : 0;
  }
  return route;
}

/** Not one that the kernel looks at twice: 0.0.0.0/8, 127.0.0.0/8, multicast and beyond. */
export function isUsual(address: u32): bool {
  return address - FIRST_USUAL < BEHIND_USUAL - FIRST_USUAL && address >>> 24 !== LOOPBACK;
}

/** route4 of an address that is not the host's, most likely. */
export function search4(address: u32): u32 {
  const entry = top + ((address >>> 24) << 2);
  let low = load<u32>(entry);
  let high = load<u32>(entry, 4);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (load<u32>(starts4 + (middle << 2)) <= address) low = middle;
    else high = middle - 1;
  }
  return load<u32>(values4 + (low << 2));
}

/** The route of the IPv6 address in four words at `words`, most significant first. */
export function route6(words: usize): u32 {
  const upper = rotl<u64>(load<u64>(words), 32);
  const lower = rotl<u64>(load<u64>(words, 8), 32);
  let low: u32 = 0;
  let high = count6 - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const at = starts6 + (middle << 4);
    const start = load<u64>(at);
    if (start < upper || (start === upper && load<u64>(at, 8) <= lower)) low = middle;
    else high = middle - 1;
  }
  return load<u32>(values6 + (low << 2));
}

/** The route of a link-local address (four words), which is looked for on one device only; RTN_THROW without one. */
export function linkRoute(words: usize, device: u32): u32 {
  for (let route = linkRoutes; route < linkRoutesEnd; route += ROUTE_SIZE) {
    const by = load<u32>(route, ROUTE_DEVICE);
    if ((by === 0 || by === device) && covers(route, words)) return load<u32>(route, ROUTE_TYPE) | (by << ROUTE_DEVICE_SHIFT);
  }
  return RTN_THROW;
}

/** RTN_*, RTN_UNSPEC without a route. */
export function routeType(route: u32): u32 {
  return route & ROUTE_TYPE_MASK;
}

/** Interface id, 0 without one. */
export function routeDevice(route: u32): u32 {
  return route >>> ROUTE_DEVICE_SHIFT;
}

/** A way back (ROUTE_*) leads to the address in words at `address`. */
export function covers(route: usize, address: usize): bool {
  let left = load<u32>(route, ROUTE_PREFIX);
  for (let word: usize = 0; left > 0; word += 4) {
    const bits = min<u32>(32, left);
    const difference = load<u32>(route + word, ROUTE_WORDS) ^ load<u32>(address + word);
    if (difference >>> (32 - bits) !== 0) return false;
    left -= bits;
  }
  return true;
}
