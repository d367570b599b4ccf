/** Linux cooked captures, version 1 (LINKTYPE 113) and 2 (276): what `tcpdump -i any` writes. All words are big-endian. */
import { DIRECTION_INBOUND, DIRECTION_OUTBOUND, DIRECTION_UNKNOWN } from '../../src/abi/capture.ts';
import { CONTROL_UNNAMED } from '../../src/abi/control.ts';
import { FIELD_MAC_HIGH, FIELD_MAC_LOW, FIELD_PACKET_TYPE, PACKET_OUTGOING } from '../../src/abi/fields.ts';
import { NUMBER_IS_PORT } from '../../src/abi/host.ts';
import { PACKET_DIRECTION, PACKET_INTERFACE, PACKET_NUMBER, PACKET_UNSEEN } from '../../src/abi/packet.ts';
import { UNSEEN_PORT } from '../../src/abi/reasons.ts';
import { deviceOfNumber, everythingArrives, hostLo, isOwnMac, numberCount } from '../stack/host.ts';
import { control, tallyFirst, tell } from '../tally.ts';
import { putSourceMac } from './ethernet.ts';
import { be16, payload } from './ethertype.ts';
import { linkTruncated, notIp } from './link.ts';

const HEADER: usize = 16;
const HEADER_2: usize = 20;
const MAC_BITS: u64 = 0xffffffffffff;
const ARPHRD_ETHER: u32 = 1;
/** On lo every packet is both sent and received: its type says nothing about direction. */
export const ARPHRD_LOOPBACK: u32 = 772;
/** There the protocol is a netlink family. */
export const ARPHRD_NETLINK: u32 = 824;

export function sll(slot: usize, at: usize, end: usize): void {
  if (end - at < HEADER) {
    linkTruncated(slot);
    return;
  }
  cooked(slot, be16(at), be16(at + 2), be16(at + 4), at + 6);
  if (be16(at + 2) === ARPHRD_NETLINK) notIp(slot);
  else payload(slot, be16(at + 14), at + HEADER, end);
}

export function sll2(slot: usize, at: usize, end: usize): void {
  if (end - at < HEADER_2) {
    linkTruncated(slot);
    return;
  }
  if (be16(at + 8) === ARPHRD_NETLINK) notIp(slot);
  else payload(slot, be16(at), at + HEADER_2, end);
  if (numberCount !== 0 && load<u32>(slot, PACKET_UNSEEN) === 0) putDevice(slot, bswap<u32>(load<u32>(at, 4)));
  cooked(slot, load<u8>(at + 10), be16(at + 8), load<u8>(at + 11), at + 12);
}

/** The packet was captured at the device of this number. */
function putDevice(slot: usize, number: u32): void {
  const device = deviceOfNumber(number);
  if (device === <u32>NUMBER_IS_PORT) {
    store<u32>(slot, UNSEEN_PORT, PACKET_UNSEEN);
    return;
  }
  if (device !== 0) {
    store<u32>(slot, device, PACKET_INTERFACE);
    return;
  }
  tallyFirst(CONTROL_UNNAMED, load<u64>(slot, PACKET_NUMBER));
  if (load<u64>(control, CONTROL_UNNAMED) === 1) tell(CONTROL_UNNAMED + 16, number);
}

function cooked(slot: usize, type: u32, hardware: u32, addressLength: u32, address: usize): void {
  if (hardware === ARPHRD_ETHER && addressLength === 6) putSourceMac(slot, address);
  const isKnown = type <= <u32>PACKET_OUTGOING;
  if (isKnown) store<u32>(slot, type, FIELD_PACKET_TYPE * 4);
  if (hardware === ARPHRD_LOOPBACK || load<u32>(slot, PACKET_INTERFACE) === hostLo)
    store<u32>(slot, DIRECTION_UNKNOWN, PACKET_DIRECTION);
  // The kernel wrote this; epb_flags, where they say otherwise, are a program's.
  else if (isKnown) store<u32>(slot, type === <u32>PACKET_OUTGOING ? DIRECTION_OUTBOUND : DIRECTION_INBOUND, PACKET_DIRECTION);
  else judgeUnknown(slot);
}

/**
 * The header's packet type is none that a capture of the kernel's can have: taps do not get PACKET_LOOPBACK (packet_rcv), and PACKET_USER and PACKET_KERNEL are those of netlink. So another program wrote it, and the
 * type says nothing; the record's own direction and, where it has none, the source's MAC count, as with Ethernet.
 */
function judgeUnknown(slot: usize): void {
  if (everythingArrives || load<u32>(slot, PACKET_DIRECTION) !== <u32>DIRECTION_UNKNOWN) return;
  const mac = ((load<u32>(slot, FIELD_MAC_HIGH * 4) as u64) << 32) | (load<u32>(slot, FIELD_MAC_LOW * 4) as u64);
  if (isOwnMac(mac & MAC_BITS)) store<u32>(slot, DIRECTION_OUTBOUND, PACKET_DIRECTION);
}
