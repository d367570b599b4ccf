/** Linux cooked capture, version 1 (LINKTYPE 113): packet type, ARPHRD, address length, address, protocol; all big-endian. */
import { macAt, u16 } from './bytes.ts';
import { readEthertype } from './ethertype.ts';
import type { Link, LinkResult } from './link.ts';

const HEADER = 16;
const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;
export const ARPHRD_NETLINK = 824;
const PACKET_TYPES: readonly Link['recordedType'][] = ['host', 'broadcast', 'multicast', 'otherhost', 'outgoing'];

/** What both versions of the cooked header say about the sender. `address` is eight bytes, of which `length` count. */
export function cookedFields(
  type: number,
  hardware: number,
  length: number,
  address: Uint8Array,
): Pick<Link, 'destinationMac' | 'sourceMac' | 'loopback' | 'recordedType'> {
  const recordedType = PACKET_TYPES[type];
  return {
    destinationMac: null,
    sourceMac: hardware === ARPHRD_ETHER && length === 6 ? macAt(address, 0) : null,
    loopback: hardware === ARPHRD_LOOPBACK,
    ...(recordedType === undefined ? {} : { recordedType }),
  };
}

export function readSll(bytes: Uint8Array): LinkResult {
  if (bytes.length < HEADER) return { kind: 'unseen', reason: 'truncated' };
  // There the protocol is a netlink family.
  if (u16(bytes, 2) === ARPHRD_NETLINK) return { kind: 'unseen', reason: 'not-ip' };
  const carried = readEthertype(bytes, u16(bytes, 14), HEADER);
  if (carried.kind === 'unseen') return carried;
  return { ...carried, ...cookedFields(u16(bytes, 0), u16(bytes, 2), u16(bytes, 4), bytes.subarray(6, 14)) };
}
