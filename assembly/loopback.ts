/** What leaves over lo comes in there again, as does the copy of an own broadcast. */
import {
  FIELD_FAMILY,
  FIELD_IN_INTERFACE,
  FIELD_LENGTH,
  FIELD_OUT_INTERFACE,
  FIELD_PACKET_TYPE,
  PACKET_BROADCAST,
} from '../src/abi/fields.ts';
import { PACKET_IP, PACKET_IP_CAPTURED } from '../src/abi/packet.ts';
import { copying } from './broadcast.ts';
import { be16 } from './packet/ethertype.ts';
import { hopByHop } from './packet/hop-by-hop.ts';

const NEXT_HEADER_AT: usize = 6;

/** False: it is discarded before PREROUTING (ip6_rcv), for options that its sender was free to send. */
export function arriveFromHere(slot: usize): bool {
  if (!isTaken(slot)) return false;
  if (copying) store<u32>(slot, PACKET_BROADCAST, FIELD_PACKET_TYPE * 4);
  store<u32>(slot, load<u32>(slot, FIELD_OUT_INTERFACE * 4), FIELD_IN_INTERFACE * 4);
  store<u32>(slot, 0, FIELD_OUT_INTERFACE * 4);
  return true;
}

function isTaken(slot: usize): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  if (load<u32>(slot, FIELD_FAMILY * 4) !== 6 || load<u8>(ip, NEXT_HEADER_AT) !== 0) return true;
  const length = load<u32>(slot, FIELD_LENGTH * 4);
  return hopByHop(ip, min<u32>(length, load<u32>(slot, PACKET_IP_CAPTURED)), length, be16(ip + 4)) !== 0;
}
