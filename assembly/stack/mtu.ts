/** Whether a packet is too long for a device it is forwarded to (net/ipv4/ip_forward.c, ip_exceeds_mtu; net/ipv6/ip6_output.c, ip6_pkt_too_big). */
import { FIELD_LENGTH } from '../../src/abi/fields.ts';

let longest: u32 = 0;

/** The packet routed next was put together from fragments, the longest of which had so many bytes; 0: it came whole. */
export function setLongestFragment(bytes: u32): void {
  longest = bytes;
}

/** A packet put together here is taken apart again on its way out: its fragments count. */
export function exceeds(slot: usize, mtu: u32): bool {
  return load<u32>(slot, FIELD_LENGTH * 4) > mtu && (longest === 0 || longest > mtu);
}
