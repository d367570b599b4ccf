/** Which fragments of this host its own kernel may have made, behind POSTROUTING: what sockets send meets OUTPUT whole (src/model/host.ts). */
import { FIELD_FAMILY, FIELD_LENGTH, FIELD_OUT_INTERFACE } from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_IP_CAPTURED, PACKET_L4_OFFSET } from '../../src/abi/packet.ts';
import { be16 } from '../packet/ethertype.ts';
import { NEXT_DESTINATION, NEXT_HOP_BY_HOP, NEXT_ROUTING } from '../packet/extension-headers.ts';
import { deviceMtu } from '../stack/host.ts';
import { fragmentHeader6 } from './ipv6.ts';

/** The smallest path MTUs the kernel learns; a device may have a smaller one, but none with IPv6. */
const SMALLEST4: u32 = 552;
const SMALLEST6: u32 = 1280;

/** A decoded and routed packet is such a fragment: it is long enough, and ends where a kernel cuts; or it is the last one, and begins where others that are end. That one is so only if others wait for it (gather4, gather6). */
export function isCutHere(slot: usize): bool {
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const ip = load<u32>(slot, PACKET_IP) as usize;
  const length = load<u32>(slot, FIELD_LENGTH * 4);
  let place: u32 = 0;
  let header: u32 = 0;
  let more = false;
  if (six) {
    const at = fragmentHeader6(ip, min<u32>(length, load<u32>(slot, PACKET_IP_CAPTURED)));
    if (at === 0 || !isWhereKernelsCut(ip, at)) return false;
    const word = be16(ip + at + 2);
    place = word & ~7;
    more = (word & 1) !== 0;
    header = at + 8;
  } else {
    const word = be16(ip + 6);
    place = (word & 0x1fff) << 3;
    more = (word & 0x2000) !== 0;
    header = load<u32>(slot, PACKET_L4_OFFSET);
  }
  if (!more && place === 0) return false;
  if (more && ((length - header) & 7) !== 0) return false;
  // Data that ends at a multiple of eight leaves seven bytes of an MTU at most.
  return (more ? length : header + place) + 7 >= (six ? SMALLEST6 : smallest4(slot));
}

function smallest4(slot: usize): u32 {
  const mtu = deviceMtu(load<u32>(slot, FIELD_OUT_INTERFACE * 4));
  return mtu === 0 ? SMALLEST4 : min<u32>(mtu, SMALLEST4);
}

/** In front of the fragment header at `at` are only hop-by-hop options, routing headers, and destination options that no routing header is before (ip6_find_1stfragopt). */
function isWhereKernelsCut(ip: usize, at: u32): bool {
  let next: u32 = load<u8>(ip, 6);
  let place: u32 = 40;
  let routed = false;
  while (place < at) {
    if (next === NEXT_ROUTING) routed = true;
    else if (next !== NEXT_HOP_BY_HOP && (next !== NEXT_DESTINATION || routed)) return false;
    next = load<u8>(ip + place);
    place += ((load<u8>(ip + place, 1) as u32) + 1) << 3;
  }
  return true;
}
