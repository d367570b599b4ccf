/** Address types as -m addrtype sees them: IPv4 by the local table only (inet_addr_type, net/ipv4/fib_frontend.c), IPv6 by route (xt_addrtype). */
import {
  FIELD_DESTINATION,
  FIELD_DESTINATION_TYPE,
  FIELD_SOURCE,
  FIELD_SOURCE_TYPE,
  RTN_ANYCAST,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  RTN_UNSPEC,
} from '../../src/abi/fields.ts';
import { PACKET_DESTINATION_DEVICE, PACKET_SOURCE_DEVICE } from '../../src/abi/packet.ts';
import { hostOut } from './host.ts';
import { routeDevice, routeType } from './routes.ts';

/** Instead of a device: the type does not depend on one. */
const EVERY_DEVICE: u32 = 0xffffffff;

/** Fills both types and the devices they hold on. */
export function putAddressTypes(slot: usize, source: u32, destination: u32, six: bool): void {
  store<u32>(slot, typeOf(slot + FIELD_SOURCE * 4, source, six), FIELD_SOURCE_TYPE * 4);
  store<u32>(slot, typeOf(slot + FIELD_DESTINATION * 4, destination, six), FIELD_DESTINATION_TYPE * 4);
  store<u32>(slot, deviceOf(slot + FIELD_SOURCE * 4, source, six), PACKET_SOURCE_DEVICE);
  store<u32>(slot, deviceOf(slot + FIELD_DESTINATION * 4, destination, six), PACKET_DESTINATION_DEVICE);
}

/**
 * The type of the destination, or of the source, as `--limit-iface-in/out` sees it on `device`: what is LOCAL or BROADCAST on another
 * device is UNICAST. Only after putAddressTypes.
 */
export function addressTypeOnDevice(slot: usize, ofDestination: bool, device: u32): u32 {
  const type = load<u32>(slot + (ofDestination ? FIELD_DESTINATION_TYPE : FIELD_SOURCE_TYPE) * 4);
  const own = load<u32>(slot + (ofDestination ? PACKET_DESTINATION_DEVICE : PACKET_SOURCE_DEVICE));
  return own === EVERY_DEVICE || own === device ? type : RTN_UNICAST;
}

function typeOf(words: usize, route: u32, six: bool): u32 {
  const type = routeType(route);
  if (six) return typeOf6(words, type, route);
  const address = load<u32>(words);
  if (address === 0 || address === 0xffffffff) return RTN_BROADCAST;
  if (address >>> 28 === 14) return RTN_MULTICAST;
  return type >= <u32>RTN_LOCAL && type <= <u32>RTN_MULTICAST ? type : RTN_UNICAST;
}

function typeOf6(words: usize, type: u32, route: u32): u32 {
  if (load<u64>(words) === 0 && load<u64>(words, 8) === 0) return RTN_UNSPEC;
  if (load<u32>(words) >>> 24 === 0xff) return RTN_MULTICAST;
  if (type === <u32>RTN_UNICAST || type === <u32>RTN_LOCAL || type === <u32>RTN_ANYCAST) return type;
  return type === <u32>RTN_UNSPEC && hostOut !== 0 && routeDevice(route) === 0 ? RTN_UNICAST : RTN_UNREACHABLE;
}

function deviceOf(words: usize, route: u32, six: bool): u32 {
  const type = routeType(route);
  if (type < <u32>RTN_LOCAL || type > <u32>RTN_ANYCAST) return EVERY_DEVICE;
  const address = load<u32>(words);
  if (!six && (address === 0 || address === 0xffffffff || address >>> 28 === 14)) return EVERY_DEVICE;
  if (six && address >>> 24 === 0xff) return EVERY_DEVICE;
  return routeDevice(route);
}
