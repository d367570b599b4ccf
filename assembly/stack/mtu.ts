/** Whether a packet is too long for a device it is forwarded to (net/ipv4/ip_forward.c, ip_exceeds_mtu; net/ipv6/ip6_output.c, ip6_pkt_too_big). */
import {
  FIELD_FAMILY,
  FIELD_IN_INTERFACE,
  FIELD_LENGTH,
  FIELD_OUT_INTERFACE,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  RTN_BLACKHOLE,
  RTN_UNSPEC,
} from '../../src/abi/fields.ts';
import { ROUTE_DEVICE, ROUTE_FAMILY, ROUTE_SIZE, ROUTE_TYPE } from '../../src/abi/host.ts';
import { deviceMtu, everythingArrives, hostLo, hostOut, lenient, waysBack, waysBackEnd } from './host.ts';
import { covers, route6, routeDevice, routeType, search4 } from './routes.ts';
import { isUnfinished, longestFragment } from './unfinished.ts';

/** Of a device the host model does not know. */
const USUAL: u32 = 1500;
const MOST: u32 = 65535;
const TCP: u32 = 6;
const UDP: u32 = 17;
/** No device. */
const NOWHERE: u32 = 0xffffffff;

/** A packet put together here is taken apart again on its way out: its fragments count. What devices cut themselves (GSO) fits. */
export function exceeds(slot: usize, mtu: u32): bool {
  if (load<u32>(slot, FIELD_LENGTH * 4) <= mtu) return false;
  const longest = longestFragment();
  return longest === 0 ? !isCutByDevice(slot) : longest > mtu;
}

/**
 * The packet is larger than its device takes from a wire, so the kernel has it as several (skb_is_gso), which its last device cuts: of such only the parts are measured, and parts that came in through one device are taken to
 * fit into the other. Their checksum is always left to the device; that of a capture whose checksums say nothing (lenient) is not asked.
 */
function isCutByDevice(slot: usize): bool {
  const protocol = load<u32>(slot, FIELD_PROTOCOL * 4);
  if (protocol !== TCP && protocol !== UDP) return false;
  if (load<u32>(slot, FIELD_LENGTH * 4) <= deviceMtu(load<u32>(slot, FIELD_IN_INTERFACE * 4))) return false;
  return lenient || isUnfinished(slot);
}

/** What the ways out and back take in one packet (xt_TCPMSS.c): that of its out-device, and of the device packets to its source leave by. */
export function smallestMtu(slot: usize): u32 {
  const found = wayBack(load<u32>(slot, FIELD_FAMILY * 4), slot + FIELD_SOURCE * 4);
  const back = found !== 0 ? found : load<u32>(slot, FIELD_IN_INTERFACE * 4);
  const backTakes = back === 0 || back === hostLo || back === NOWHERE ? MOST : takes(back);
  return min<u32>(min<u32>(takes(load<u32>(slot, FIELD_OUT_INTERFACE * 4)), backTakes), MOST);
}

/** The device of the way to an address; 0: nobody knows; NOWHERE: it is refused. */
function wayBack(family: u32, address: usize): u32 {
  if (!everythingArrives) {
    const route = family === 6 ? route6(address) : search4(load<u32>(address));
    return leadsTo(routeType(route), routeDevice(route));
  }
  for (let route = waysBack; route < waysBackEnd; route += ROUTE_SIZE) {
    if (load<u32>(route, ROUTE_FAMILY) !== family || !covers(route, address)) continue;
    return leadsTo(load<u32>(route, ROUTE_TYPE), load<u32>(route, ROUTE_DEVICE));
  }
  return hostOut;
}

function leadsTo(type: u32, device: u32): u32 {
  if (type === <u32>RTN_UNSPEC) return hostOut;
  return type >= <u32>RTN_BLACKHOLE ? NOWHERE : device;
}

function takes(device: u32): u32 {
  const mtu = deviceMtu(device);
  return mtu === 0 ? USUAL : mtu;
}
