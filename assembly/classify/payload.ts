/** Bytes of the packet that have no field: SPECIAL_PAYLOAD, and what other tests of bytes share. */
import { FIELD_FAMILY, FIELD_FRAGMENT, FIELD_LENGTH } from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_IP_CAPTURED, PACKET_L4_OFFSET } from '../../src/abi/packet.ts';
import { PAYLOAD_HEADER, PAYLOAD_NETWORK, PAYLOAD_WHOLE, TEST_HIT, TEST_MISS } from '../../src/abi/special.ts';
import { be16 } from '../packet/ethertype.ts';
import { findHeader, HEADER_ABSENT, HEADER_BROKEN, headerLength } from './header.ts';

/** Bytes of the packet that lie at PACKET_IP. */
export function present(slot: usize): u32 {
  return min<u32>(load<u32>(slot, FIELD_LENGTH * 4), load<u32>(slot, PACKET_IP_CAPTURED));
}

/** Where the kernel's modules look for the transport header: ipv6_find_hdr leaves the offset at 0 for a later fragment. */
export function transportOffset(slot: usize): u32 {
  const hidden = load<u32>(slot, FIELD_FRAGMENT * 4) !== 0 && load<u32>(slot, FIELD_FAMILY * 4) === 6;
  return hidden ? 0 : load<u32>(slot, PACKET_L4_OFFSET);
}

export function be32(at: usize): u32 {
  return bswap<u32>(load<u32>(at));
}

/** Parameters: base, offset, width, mask, low, high, invert, answer when the bytes are not there. */
export function payload(parameters: usize, slot: usize): u32 {
  const base = load<u32>(parameters);
  const short = load<u32>(parameters, 28);
  const ip: usize = load<u32>(slot, PACKET_IP);
  const end = present(slot);
  let start: u32 = 0;
  if (base >= <u32>PAYLOAD_HEADER) {
    const kind = base & 255;
    start = findHeader(ip, end, kind);
    if (start === HEADER_ABSENT) return TEST_MISS;
    if (start === HEADER_BROKEN) return short;
    if ((base & PAYLOAD_WHOLE) !== 0 && start + headerLength(ip + start, kind) > end) return short;
  } else if (base !== PAYLOAD_NETWORK) start = transportOffset(slot);
  const width = load<u32>(parameters, 8);
  const at = (start as u64) + (load<u32>(parameters, 4) as u64);
  if (at + (width as u64) > (end as u64)) return short;
  if (width === 0) return TEST_HIT;
  const value = number(ip + (at as usize), width) & load<u32>(parameters, 12);
  const inside = value >= load<u32>(parameters, 16) && value <= load<u32>(parameters, 20);
  return inside !== (load<u32>(parameters, 24) !== 0) ? TEST_HIT : TEST_MISS;
}

function number(at: usize, width: u32): u32 {
  if (width === 1) return load<u8>(at) as u32;
  return width === 2 ? be16(at) : be32(at);
}
