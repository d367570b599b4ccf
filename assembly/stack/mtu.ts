/** Whether a packet is too long for a device it is forwarded to (net/ipv4/ip_forward.c, ip_exceeds_mtu; net/ipv6/ip6_output.c, ip6_pkt_too_big). */
import { FIELD_FAMILY, FIELD_IN_INTERFACE, FIELD_LENGTH, FIELD_OUT_INTERFACE, FIELD_SOURCE } from '../../src/abi/fields.ts';
import { deviceMtu, hostLo } from './host.ts';
import { route6, routeDevice, search4 } from './routes.ts';

/** Of a device the host model does not know. */
const USUAL: u32 = 1500;
const MOST: u32 = 65535;

let longest: u32 = 0;

/** The packet routed next was put together from fragments, the longest of which had so many bytes; 0: it came whole. */
export function setLongestFragment(bytes: u32): void {
  longest = bytes;
}

/** A packet put together here is taken apart again on its way out: its fragments count. */
export function exceeds(slot: usize, mtu: u32): bool {
  return load<u32>(slot, FIELD_LENGTH * 4) > mtu && (longest === 0 || longest > mtu);
}

/** What the ways out and back take in one packet (xt_TCPMSS.c): that of its out-device, and of the device packets to its source leave by. */
export function smallestMtu(slot: usize): u32 {
  const source = slot + FIELD_SOURCE * 4;
  const route = load<u32>(slot, FIELD_FAMILY * 4) === 6 ? route6(source) : search4(load<u32>(source));
  const found = routeDevice(route);
  const back = found !== 0 ? found : load<u32>(slot, FIELD_IN_INTERFACE * 4);
  const backTakes = back === 0 || back === hostLo ? MOST : takes(back);
  return min<u32>(min<u32>(takes(load<u32>(slot, FIELD_OUT_INTERFACE * 4)), backTakes), MOST);
}

function takes(device: u32): u32 {
  const mtu = deviceMtu(device);
  return mtu === 0 ? USUAL : mtu;
}
