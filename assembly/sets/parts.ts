/** What a packet has for the parts of a set's elements: the kadt functions of net/netfilter/ipset, ip_set_getport.c. */
import {
  FIELD_DESTINATION,
  FIELD_FAMILY,
  FIELD_IN_INTERFACE,
  FIELD_LENGTH,
  FIELD_MARK,
  FIELD_OUT_INTERFACE,
  FIELD_SOURCE,
} from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_IP_CAPTURED } from '../../src/abi/packet.ts';
import {
  PART_IFACE,
  PART_IP,
  PART_MAC,
  PART_MARK,
  PART_NET,
  PART_WORDS,
  SET_FAMILY,
  SET_FEATURES,
  SET_HAS_BARE_PORTS,
  SET_HAS_NO_ZERO,
  SET_MARK_MASK,
  SET_MASK,
  SET_PARTS,
} from '../../src/abi/sets.ts';
import { arrivalMacs } from '../arrival.ts';
import { be16 } from '../packet/ethertype.ts';
import { skipExtensionHeaders, skippedKind, skippedTo } from '../packet/skip-headers.ts';

const ICMP: u32 = 1;
const TCP: u32 = 6;
const UDP: u32 = 17;
const FRAGMENT: u32 = 44;
const ICMPV6: u32 = 58;
const SCTP: u32 = 132;
const UDPLITE: u32 = 136;

/** The packet's key: KEY_WORDS words. */
export const KEY: usize = memory.data(60, 8);

/** Fills KEY for the set at `set`; `sources`: which sides are the source's. False where the packet has no such parts, or the set is not for it. */
export function takeKey(set: usize, sides: u32, sources: u32, slot: usize): bool {
  const parts = load<u32>(set, SET_PARTS);
  const family = load<u32>(set, SET_FAMILY);
  if (sides < parts >>> 12 || (family !== 0 && family !== load<u32>(slot, FIELD_FAMILY * 4))) return false;
  memory.fill(KEY, 0, 60);
  for (let index: u32 = 0; index < parts >>> 12; index++) {
    const to = KEY + ((index * PART_WORDS) << 2);
    const source = ((sources >>> index) & 1) !== 0;
    if (!takePart((parts >>> (4 * index)) & 15, set, source, slot, to)) return false;
  }
  return true;
}

function takePart(kind: u32, set: usize, source: bool, slot: usize, to: usize): bool {
  if (kind === PART_IP || kind === PART_NET) return takeAddress(set, source, slot, to);
  if (kind === PART_IFACE) return takeInterface(source, slot, to);
  if (kind === PART_MAC) return takeMac(source, slot, to);
  if (kind === PART_MARK) {
    store<u32>(to, load<u32>(slot, FIELD_MARK * 4) & load<u32>(set, SET_MARK_MASK));
    return true;
  }
  return takePort((load<u32>(set, SET_FEATURES) & SET_HAS_BARE_PORTS) !== 0, source, slot, to);
}

/** The device it came in at, or the one it goes out by. */
function takeInterface(source: bool, slot: usize, to: usize): bool {
  const id = load<u32>(slot + (source ? FIELD_IN_INTERFACE : FIELD_OUT_INTERFACE) * 4);
  store<u32>(to, id);
  store<u32>(to, id, 4);
  return id !== 0;
}

function takeAddress(set: usize, source: bool, slot: usize, to: usize): bool {
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const from = slot + (source ? FIELD_SOURCE : FIELD_DESTINATION) * 4;
  const size: usize = six ? 16 : 4;
  let any: u32 = 0;
  for (let at: usize = 0; at < size; at += 4) {
    const word = load<u32>(from + at) & load<u32>(set + at, SET_MASK);
    store<u32>(to + at, word);
    any |= word;
  }
  store<u32>(to, six ? 128 : 32, 16);
  return any !== 0 || (load<u32>(set, SET_FEATURES) & SET_HAS_NO_ZERO) === 0;
}

function takeMac(source: bool, slot: usize, to: usize): bool {
  const macs = arrivalMacs(slot);
  if (macs === 0) return false;
  const mac = macs + (source ? 6 : 0);
  const high = be16(mac);
  const low = bswap<u32>(load<u32>(mac, 2));
  store<u32>(to, high);
  store<u32>(to, low, 4);
  return (high | low) !== 0;
}

/** Port and protocol; of ICMP type and code; of what has no ports 0. */
function takePort(bare: bool, source: bool, slot: usize, to: usize): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const present = min<u32>(load<u32>(slot, FIELD_LENGTH * 4), load<u32>(slot, PACKET_IP_CAPTURED));
  let protocol: u32 = load<u8>(ip, 9);
  let at: u32 = ((load<u8>(ip) as u32) & 15) << 2;
  if (load<u32>(slot, FIELD_FAMILY * 4) === 6) {
    // It stops at the header of a later fragment.
    if (!skipExtensionHeaders(ip, present) || skippedKind === FRAGMENT) return false;
    protocol = skippedKind;
    at = skippedTo;
  } else if (protocol === 0) return false;
  if (bare && protocol !== TCP && protocol !== UDP) return false;
  const header = headerOf(protocol);
  if (!bare) store<u32>(to, protocol, 16);
  if (load<u32>(slot, FIELD_FAMILY * 4) !== 6 && (be16(ip + 6) & 0x1fff) !== 0) return header === 0 || protocol === ICMPV6;
  if (header === 0) return true;
  if (at + header > present) return false;
  const typed = protocol === ICMP || protocol === ICMPV6;
  store<u32>(to, be16(ip + (at as usize) + (typed || source ? 0 : 2)));
  return true;
}

/** Bytes that must be there of a header with ports, or with type and code; 0 for the others. */
function headerOf(protocol: u32): u32 {
  if (protocol === TCP) return 20;
  if (protocol === SCTP) return 12;
  return protocol === UDP || protocol === UDPLITE || protocol === ICMP || protocol === ICMPV6 ? 8 : 0;
}
