/** Ethernet II. A type below 0x600 is a length: LLC, which the kernel does not hand to IP. */
import {
  FIELD_MAC_HIGH,
  FIELD_MAC_LOW,
  FIELD_PACKET_TYPE,
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
} from '../../src/abi/fields.ts';
import { PACKET_ETHERNET } from '../../src/abi/packet.ts';
import { be16, ETHERTYPE_IPV4, network, payload } from './ethertype.ts';

export const ETHERNET_HEADER: usize = 14;
const GROUP_BIT: u64 = 1;
const ALL_ONES: u64 = 0xffffffffffff;

/** The header is there. */
export function ethernet(slot: usize, at: usize, end: usize): void {
  store<u32>(slot, u32(at), PACKET_ETHERNET);
  putSourceMac(slot, at + 6);
  store<u32>(slot, frameType(at), FIELD_PACKET_TYPE * 4);
  const ethertype = be16(at + 12);
  if (ethertype === ETHERTYPE_IPV4) network(slot, ETHERTYPE_IPV4, at + ETHERNET_HEADER, end);
  else payload(slot, ethertype, at + ETHERNET_HEADER, end);
}

/** PACKET_* by the destination MAC of the frame at `at`. */
export function frameType(at: usize): u32 {
  const destination = load<u64>(at) & ALL_ONES;
  if ((destination & GROUP_BIT) === 0) return PACKET_HOST;
  return destination === ALL_ONES ? PACKET_BROADCAST : PACKET_MULTICAST;
}

/** The six bytes at `at` are the source MAC. */
export function putSourceMac(slot: usize, at: usize): void {
  store<u32>(slot, 0x10000 | be16(at), FIELD_MAC_HIGH * 4);
  store<u32>(slot, bswap<u32>(load<u32>(at + 2)), FIELD_MAC_LOW * 4);
}
