/** What the frame around a packet says of its way: whose MACs it bears. Runs before the IP header is looked at, as the kernel's drivers do. */
import { DIRECTION_INBOUND, DIRECTION_OUTBOUND, DIRECTION_UNKNOWN } from '../../src/abi/capture.ts';
import { FIELD_PACKET_TYPE, PACKET_HOST, PACKET_OTHERHOST, PACKET_OUTGOING, RTN_LOCAL } from '../../src/abi/fields.ts';
import {
  PACKET_DIRECTION,
  PACKET_ETHERNET,
  PACKET_INTERFACE,
  PACKET_IP,
  PACKET_IP_CAPTURED,
  PACKET_UNSEEN,
} from '../../src/abi/packet.ts';
import { UNSEEN_OTHERHOST } from '../../src/abi/reasons.ts';
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from '../packet/ethertype.ts';
import { deviceMac, everythingArrives, hostLo, isOwnMac, macCount } from './host.ts';
import { route4, route6, routeType } from './routes.ts';

const MAC_BITS: u64 = 0xffffffffffff;
/** Beside a direction. */
export const IS_OF_OTHERS: u32 = 4;
/** An IPv6 address in host order. */
const WORDS: usize = memory.data(16, 8);

/** Corrects PACKET_TYPE and DIRECTION by the host's own MACs; frames for other hosts end here. `ethertype`: what the link layer announced, 0 when the packet says it itself. */
export function judgeFrame(slot: usize, ethertype: u32): void {
  if (everythingArrives) {
    if (load<u32>(slot, FIELD_PACKET_TYPE * 4) >= <u32>PACKET_OTHERHOST) store<u32>(slot, PACKET_HOST, FIELD_PACKET_TYPE * 4);
    return;
  }
  if (macCount !== 0 && load<u32>(slot, PACKET_ETHERNET) !== 0) judgeMacs(slot, ethertype);
  const type = load<u32>(slot, FIELD_PACKET_TYPE * 4);
  if (type === <u32>PACKET_OTHERHOST) store<u32>(slot, UNSEEN_OTHERHOST, PACKET_UNSEEN);
  else if (type === <u32>PACKET_OUTGOING) store<u32>(slot, PACKET_HOST, FIELD_PACKET_TYPE * 4);
}

function judgeMacs(slot: usize, ethertype: u32): void {
  const kind = load<u32>(slot, FIELD_PACKET_TYPE * 4);
  const told = directionOfFrame(
    load<u32>(slot, PACKET_ETHERNET),
    load<u32>(slot, PACKET_INTERFACE),
    load<u32>(slot, PACKET_DIRECTION),
    kind === <u32>PACKET_HOST,
  );
  const direction = told & ~IS_OF_OTHERS;
  store<u32>(slot, direction, PACKET_DIRECTION);
  if (direction === told) return;
  // Where nothing else says where it goes, what bears an address of this host leaves it, whatever its MACs are.
  if (direction === <u32>DIRECTION_UNKNOWN && isFromHere(slot, ethertype)) return;
  store<u32>(slot, PACKET_OTHERHOST, FIELD_PACKET_TYPE * 4);
}

/**
 * The direction of an Ethernet frame at `frame`, to one host if `toOne`, by the host's own MACs, where its record tells `device` and `direction`; beside it IS_OF_OTHERS, if its MACs are not those of what this host
 * receives or sends. Who was told it as the direction is told the same again.
 */
export function directionOfFrame(frame: usize, device: u32, direction: u32, toOne: bool): u32 {
  // What is sent on lo is received there, too.
  if (device === hostLo) return direction;
  if (direction === <u32>DIRECTION_UNKNOWN && isOwnMac(mac(frame + 6))) return DIRECTION_OUTBOUND;
  if (direction === <u32>DIRECTION_OUTBOUND || !toOne) return direction;
  const to = mac(frame);
  // From a MAC that is none of ours to one that is: it comes in, whatever source address it bears.
  if (direction === <u32>DIRECTION_UNKNOWN && isOwnMac(to)) direction = DIRECTION_INBOUND;
  return isOurs(device, to) ? direction : direction | IS_OF_OTHERS;
}

/** The source address, if the header is there, is one of this host. */
function isFromHere(slot: usize, ethertype: u32): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const captured = load<u32>(slot, PACKET_IP_CAPTURED);
  if (captured < 20) return false;
  const version = load<u8>(ip) >> 4;
  if (version === 4 && (ethertype === ETHERTYPE_IPV4 || ethertype === 0))
    return routeType(route4(bswap(load<u32>(ip, 12)))) === <u32>RTN_LOCAL;
  if (version !== 6 || captured < 40 || (ethertype !== ETHERTYPE_IPV6 && ethertype !== 0)) return false;
  for (let word: usize = 0; word < 16; word += 4) store<u32>(WORDS + word, bswap(load<u32>(ip + word, 8)));
  return routeType(route6(WORDS)) === <u32>RTN_LOCAL;
}

/** A frame to this unicast MAC is taken by the device; without a name any device may have been meant. */
function isOurs(device: u32, destination: u64): bool {
  if (device === 0) return isOwnMac(destination);
  const own = deviceMac(device);
  return own === 0 || (own & MAC_BITS) === destination;
}

/** The six bytes at `at` as a number. */
function mac(at: usize): u64 {
  return (u64(bswap<u32>(load<u32>(at))) << 16) | u64(bswap<u16>(load<u16>(at, 4)));
}
