/** The Ethernet header a packet has at the hook in hand. */
import { FIELD_IN_INTERFACE } from '../src/abi/fields.ts';
import { PACKET_ETHERNET, PACKET_WAY, WAY_LOOPBACK } from '../src/abi/packet.ts';
import { copying } from './broadcast.ts';

/** Address of the destination and source MAC it came with; 0 where it came with none, and of what the host itself sends. */
export function arrivalMacs(slot: usize): usize {
  if (load<u32>(slot, FIELD_IN_INTERFACE * 4) === 0 || copying || load<u32>(slot, PACKET_WAY) === WAY_LOOPBACK) return 0;
  return load<u32>(slot, PACKET_ETHERNET);
}
