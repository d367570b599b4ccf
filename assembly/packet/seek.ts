/**
 * Where the IP header begins in records that nobody decodes, and what their link layer says of them: as link.ts tells it, of those frames that it tells no more of than a direction and, perhaps, a device.
 * Whatever else there is (labels, sessions, frames for several or for others) is not found.
 */
import {
  DIRECTION_INBOUND,
  DIRECTION_OUTBOUND,
  DIRECTION_UNKNOWN,
  LINK_ETHERNET,
  LINK_IPV4,
  LINK_IPV6,
  LINK_LOOP,
  LINK_NULL,
  LINK_RAW,
  LINK_RAW_12,
  LINK_RAW_14,
  LINK_SLL,
  LINK_SLL2,
} from '../../src/abi/capture.ts';
import { PACKET_HOST, PACKET_OUTGOING } from '../../src/abi/fields.ts';
import { NUMBER_IS_PORT } from '../../src/abi/host.ts';
import {
  PACKET_CAPTURED,
  PACKET_DATA,
  PACKET_DIRECTION,
  PACKET_FOUND,
  PACKET_FOUND_CAPTURED,
  PACKET_INTERFACE,
  PACKET_LINKTYPE,
  PACKET_SHIFT,
  PACKET_SIZE,
} from '../../src/abi/packet.ts';
import { directionOfFrame, IS_OF_OTHERS } from '../stack/frame.ts';
import { deviceOfNumber, everythingArrives, hostLo, macCount, numberCount } from '../stack/host.ts';
import { ARPHRD_LOOPBACK, ARPHRD_NETLINK } from './sll.ts';

/** The bit of a frame's first byte that says it is for several. */
const GROUP: u32 = 1;
/** EtherTypes, as they lie: IPv4, IPv6; tags of four bytes (802.1Q, 802.1ad and what came before that). */
const IPV4: u32 = 0x0008;
const IPV6: u32 = 0xdd86;
const VLAN: u32 = 0x0081;
const VLAN_SERVICE: u32 = 0xa888;
const VLAN_9100: u32 = 0x0091;
const VLAN_9200: u32 = 0x0092;
const TAG: u32 = 4;
/** Headers in front of IP. */
const ETHERNET: u32 = 14;
const SLL: u32 = 16;
const SLL2: u32 = 20;
const FAMILY: u32 = 4;
/** Nothing announced what it is. */
const ANY: u32 = 0;

/** Frames are to be looked at for more than an EtherType: MACs count; or one that was looked at had a tag, or another header than Ethernet's. */
let seeks: bool = false;

/** Whether plain frames cannot be told by their first bytes alone, as far as is known before they are looked at: then `seekFrames` comes first. */
export function hasToSeek(): bool {
  return seeks || asksMacs();
}

/** Frames of other hosts are told by their MACs, and whether a packet comes or goes. */
export function asksMacs(): bool {
  return macCount !== 0 && !everythingArrives;
}

export function seekFrames(slot: usize, end: usize): void {
  for (; slot < end; slot += PACKET_SIZE) seekFrame(slot);
}

/**
 * PACKET_FOUND and PACKET_FOUND_CAPTURED of a slot that is read and not decoded; both 0: not found. The direction and the device of the record are set as link.ts would. Reads no byte that was not captured.
 */
export function seekFrame(slot: usize): void {
  const frame: usize = load<u32>(slot, PACKET_DATA);
  const linktype = load<u32>(slot, PACKET_LINKTYPE);
  if (linktype === <u32>LINK_ETHERNET) seekEthernet(slot, frame);
  else {
    seeks = true;
    seekOther(slot, frame, linktype);
  }
}

/** The slot is as if its IP header stood behind an Ethernet header at `frame`. */
export function placeBehind(slot: usize, frame: usize): void {
  store<u32>(slot, (frame as u32) - load<u32>(slot, PACKET_DATA), PACKET_SHIFT);
  store<u32>(slot, frame as u32, PACKET_DATA);
}

/** The IP header at `offset`, announced as `type`, if there is a byte of it. */
function find(slot: usize, frame: usize, offset: u32, type: u32): void {
  const captured = load<u32>(slot, PACKET_CAPTURED);
  if (captured <= offset) {
    lose(slot);
    return;
  }
  const ip = frame + (offset as usize);
  const version = load<u8>(ip) >> 4;
  const isSo = version === 4 ? type === IPV4 || type === ANY : version === 6 && (type === IPV6 || type === ANY);
  store<u32>(slot, isSo ? (ip as u32) : 0, PACKET_FOUND);
  store<u32>(slot, isSo ? captured - offset : 0, PACKET_FOUND_CAPTURED);
}

function lose(slot: usize): void {
  store<u32>(slot, 0, PACKET_FOUND);
  store<u32>(slot, 0, PACKET_FOUND_CAPTURED);
}

function seekEthernet(slot: usize, frame: usize): void {
  const captured = load<u32>(slot, PACKET_CAPTURED);
  if (captured < ETHERNET || ((load<u8>(frame) as u32) & GROUP) !== 0 || !isForHere(slot, frame)) {
    lose(slot);
    return;
  }
  let offset = ETHERNET;
  let type: u32 = load<u16>(frame, 12);
  while (isTag(type) && captured >= offset + TAG) {
    seeks = true;
    type = load<u16>(frame + (offset as usize), 2);
    offset += TAG;
  }
  find(slot, frame, offset, announced(type));
}

/** An EtherType of 0 is none of IP. */
function announced(type: u32): u32 {
  return type === ANY ? VLAN : type;
}

function isTag(type: u32): bool {
  return type === VLAN || type === VLAN_SERVICE || type === VLAN_9100 || type === VLAN_9200;
}

/** By its MACs, which tell its direction, where that is asked. */
function isForHere(slot: usize, frame: usize): bool {
  if (!asksMacs()) return true;
  const told = directionOfFrame(frame, load<u32>(slot, PACKET_INTERFACE), load<u32>(slot, PACKET_DIRECTION), true);
  store<u32>(slot, told & ~IS_OF_OTHERS, PACKET_DIRECTION);
  return (told & IS_OF_OTHERS) === 0;
}

function seekOther(slot: usize, frame: usize, linktype: u32): void {
  const captured = load<u32>(slot, PACKET_CAPTURED);
  if (linktype === <u32>LINK_RAW || linktype === <u32>LINK_RAW_12 || linktype === <u32>LINK_RAW_14) find(slot, frame, 0, ANY);
  else if (linktype === <u32>LINK_IPV4) find(slot, frame, 0, IPV4);
  else if (linktype === <u32>LINK_IPV6) find(slot, frame, 0, IPV6);
  else if (linktype === <u32>LINK_NULL && captured >= FAMILY)
    find(slot, frame, FAMILY, typeOfFamily(hostOrder(load<u32>(frame))));
  else if (linktype === <u32>LINK_LOOP && captured >= FAMILY) find(slot, frame, FAMILY, typeOfFamily(bswap(load<u32>(frame))));
  else if (linktype === <u32>LINK_SLL && captured >= SLL)
    seekCooked(slot, frame, SLL, load<u16>(frame, 14), bswap(load<u16>(frame)), bswap(load<u16>(frame, 2)));
  else if (linktype === <u32>LINK_SLL2 && captured >= SLL2 && putDevice(slot, load<u16>(frame), bswap(load<u32>(frame, 4))))
    seekCooked(slot, frame, SLL2, load<u16>(frame), load<u8>(frame, 10), bswap(load<u16>(frame, 8)));
  else lose(slot);
}

/** Of LINKTYPE_NULL, whose bytes are in either order (null.ts). */
function hostOrder(family: u32): u32 {
  return family > 0xffff ? bswap(family) : family;
}

/** What an address family announces. */
function typeOfFamily(family: u32): u32 {
  if (family === 2) return IPV4;
  return family === 10 || family === 24 || family === 28 || family === 30 ? IPV6 : VLAN;
}

/** The packet, of an EtherType, was captured at the device of this number; false: it is not IP, or the device is none that is known (sll.ts). */
function putDevice(slot: usize, type: u32, number: u32): bool {
  if (type !== IPV4 && type !== IPV6) return false;
  if (numberCount === 0) return true;
  const device = deviceOfNumber(number);
  if (device === 0 || device === <u32>NUMBER_IS_PORT) return false;
  store<u32>(slot, device, PACKET_INTERFACE);
  return true;
}

/** A cooked header of `size` bytes, which says the kind and the hardware's type: as sll.ts. */
function seekCooked(slot: usize, frame: usize, size: u32, protocol: u32, kind: u32, hardware: u32): void {
  if ((kind !== <u32>PACKET_HOST && kind !== <u32>PACKET_OUTGOING) || hardware === ARPHRD_NETLINK) {
    lose(slot);
    return;
  }
  const known = hardware !== ARPHRD_LOOPBACK && load<u32>(slot, PACKET_INTERFACE) !== hostLo;
  const direction: u32 = kind === <u32>PACKET_OUTGOING ? DIRECTION_OUTBOUND : DIRECTION_INBOUND;
  store<u32>(slot, known ? direction : DIRECTION_UNKNOWN, PACKET_DIRECTION);
  find(slot, frame, size, announced(protocol));
}
