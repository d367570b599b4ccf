/** What an EtherType announces: IP, or one more tag or label before it (802.1Q, 802.1ad, PPPoE session, MPLS). */
import { PACKET_ETHERTYPE, PACKET_IP, PACKET_IP_CAPTURED } from '../../src/abi/packet.ts';
import { linkTruncated, notIp } from './link.ts';

export const ETHERTYPE_IPV4: u32 = 0x0800;
export const ETHERTYPE_IPV6: u32 = 0x86dd;
const VLAN: u32 = 0x8100;
const VLAN_SERVICE: u32 = 0x88a8;
/** QinQ before it was standardised. */
const VLAN_9100: u32 = 0x9100;
const VLAN_9200: u32 = 0x9200;
const MPLS: u32 = 0x8847;
const MPLS_MULTICAST: u32 = 0x8848;
const PPPOE_SESSION: u32 = 0x8864;
const PPP_IPV4: u32 = 0x0021;
const PPP_IPV6: u32 = 0x0057;

/** Big-endian half word. */
export function be16(at: usize): u32 {
  return u32(bswap<u16>(load<u16>(at)));
}

/** What lies from `at` to `end` is of EtherType `type`. */
export function payload(slot: usize, type: u32, at: usize, end: usize): void {
  if (type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6) network(slot, type, at, end);
  else tagged(slot, type, at, end);
}

/** The IP header is found; `type` 0 when nothing announced it. */
export function network(slot: usize, type: u32, at: usize, end: usize): void {
  store<u32>(slot, type, PACKET_ETHERTYPE);
  store<u32>(slot, u32(at), PACKET_IP);
  store<u32>(slot, u32(end - at), PACKET_IP_CAPTURED);
}

function tagged(slot: usize, type: u32, at: usize, end: usize): void {
  while (type === VLAN || type === VLAN_SERVICE || type === VLAN_9100 || type === VLAN_9200) {
    if (end - at < 4) {
      linkTruncated(slot);
      return;
    }
    type = be16(at + 2);
    at += 4;
  }
  if (type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6) network(slot, type, at, end);
  else if (type === MPLS || type === MPLS_MULTICAST) mpls(slot, at, end);
  else if (type === PPPOE_SESSION) pppoe(slot, at, end);
  else notIp(slot);
}

/** RFC 3032: labels up to the bottom of the stack; what follows says what it is by its first nibble only. */
function mpls(slot: usize, at: usize, end: usize): void {
  let bottom = false;
  while (!bottom) {
    if (end - at < 4) {
      linkTruncated(slot);
      return;
    }
    bottom = (load<u8>(at + 2) & 1) !== 0;
    at += 4;
  }
  if (at === end) {
    linkTruncated(slot);
    return;
  }
  const version = load<u8>(at) >> 4;
  if (version === 4) network(slot, ETHERTYPE_IPV4, at, end);
  else if (version === 6) network(slot, ETHERTYPE_IPV6, at, end);
  else notIp(slot);
}

/** RFC 2516: version and type 1, code 0 (session data), session, length, then a PPP protocol number. */
function pppoe(slot: usize, at: usize, end: usize): void {
  if (end - at < 8) {
    linkTruncated(slot);
    return;
  }
  if (load<u8>(at) !== 0x11 || load<u8>(at + 1) !== 0) {
    notIp(slot);
    return;
  }
  const length: usize = be16(at + 4);
  if (length < 2) {
    linkTruncated(slot);
    return;
  }
  const protocol = be16(at + 6);
  const last = min<usize>(end, at + 6 + length);
  if (protocol === PPP_IPV4) network(slot, ETHERTYPE_IPV4, at + 8, last);
  else if (protocol === PPP_IPV6) network(slot, ETHERTYPE_IPV6, at + 8, last);
  else notIp(slot);
}
