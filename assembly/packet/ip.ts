/** The IP header: what ip_rcv and ip6_rcv check, then the static fields. */
import { FIELD_FAMILY } from '../../src/abi/fields.ts';
import {
  PACKET_DOUBT,
  PACKET_ETHERTYPE,
  PACKET_IP,
  PACKET_IP_CAPTURED,
  PACKET_L4_OFFSET,
  PACKET_UNSEEN,
} from '../../src/abi/packet.ts';
import { UNSEEN_IP_SHORT, UNSEEN_IP_VERSION } from '../../src/abi/reasons.ts';
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from './ethertype.ts';
import { ipv4 } from './ipv4.ts';
import { ipv6, rebuiltIpv6 } from './ipv6.ts';

/** Fills the static fields of the headers, or PACKET_UNSEEN with why the kernel drops the packet before PREROUTING. */
export function decodeIp(slot: usize): void {
  store<u32>(slot, 0, PACKET_DOUBT);
  if (load<u32>(slot, PACKET_UNSEEN) !== 0) return;
  store<u32>(slot, 0, PACKET_L4_OFFSET);
  const type = load<u32>(slot, PACKET_ETHERTYPE);
  const ip: usize = load<u32>(slot, PACKET_IP);
  const captured = load<u32>(slot, PACKET_IP_CAPTURED);
  if (type === ETHERTYPE_IPV4) {
    ipv4(slot, ip, captured);
    return;
  }
  if (type === ETHERTYPE_IPV6) {
    ipv6(slot, ip, captured);
    return;
  }
  // A tun device, too, looks at nothing but the version.
  if (captured === 0) {
    unseen(slot, UNSEEN_IP_SHORT);
    return;
  }
  const version = load<u8>(ip) >> 4;
  if (version === 4) ipv4(slot, ip, captured);
  else if (version === 6) ipv6(slot, ip, captured);
  else unseen(slot, UNSEEN_IP_VERSION);
}

/** The same for a packet that was put together from fragments, with a right header; nothing is held against it any more. */
export function decodeRebuilt(slot: usize): void {
  store<u32>(slot, 0, PACKET_DOUBT);
  const ip: usize = load<u32>(slot, PACKET_IP);
  const captured = load<u32>(slot, PACKET_IP_CAPTURED);
  if (load<u32>(slot, PACKET_ETHERTYPE) === ETHERTYPE_IPV4) ipv4(slot, ip, captured);
  else rebuiltIpv6(slot, ip, captured);
}

export function unseen(slot: usize, reason: u32): void {
  store<u32>(slot, reason, PACKET_UNSEEN);
}

/** Unseen if it turns out to arrive. */
export function doubt(slot: usize, reason: u32): void {
  store<u32>(slot, reason, PACKET_DOUBT);
}

export function putFamily(slot: usize, family: u32): void {
  store<u32>(slot, family, FIELD_FAMILY * 4);
}
