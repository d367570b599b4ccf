/** Options of a TCP header: tcp --tcp-option (xt_tcpudp.c) and tcpmss (xt_tcpmss.c). */
import { FIELD_L4_LENGTH } from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_L4_OFFSET } from '../../src/abi/packet.ts';
import { TEST_HIT, TEST_HOTDROP, TEST_MISS } from '../../src/abi/special.ts';
import { be16 } from '../packet/ethertype.ts';
import { present, transportOffset } from './payload.ts';

const TCP_HEADER: u32 = 20;
const DATA_OFFSET: usize = 12;
const MSS: u32 = 2;
const MSS_LENGTH: u32 = 4;
const NO_MSS: u32 = 0xffffffff;

/** Parameters: kind, invert. A header or an option list that is not there in full drops the packet. */
export function tcpOption(parameters: usize, slot: usize): u32 {
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (present < TCP_HEADER) return TEST_HOTDROP;
  const header = (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize;
  const length = ((load<u8>(header, DATA_OFFSET) as u32) >>> 4) << 2;
  if (length < TCP_HEADER) return TEST_HOTDROP;
  const inverted = load<u32>(parameters, 4) !== 0;
  if (length > TCP_HEADER && length > present) return TEST_HOTDROP;
  return hasOption(header + TCP_HEADER, length - TCP_HEADER, load<u32>(parameters)) !== inverted ? TEST_HIT : TEST_MISS;
}

/** Kinds 0 and 1, a kind at the very end and a length of 0 are one byte long; an end of list does not end the search. */
export function hasOption(options: usize, length: u32, kind: u32): bool {
  let at: u32 = 0;
  while (at < length) {
    const here = load<u8>(options + (at as usize)) as u32;
    if (here === kind) return true;
    if (here < 2 || at === length - 1) {
      at++;
      continue;
    }
    const size = load<u8>(options + (at as usize), 1) as u32;
    at += size === 0 ? 1 : size;
  }
  return false;
}

/** Parameters: low, high, invert. A header without the option is outside of every range. */
export function maximumSegment(parameters: usize, slot: usize): u32 {
  const offset = transportOffset(slot);
  const end = present(slot);
  if (offset + TCP_HEADER > end) return TEST_HOTDROP;
  const header = (load<u32>(slot, PACKET_IP) + offset) as usize;
  const length = ((load<u8>(header, DATA_OFFSET) as u32) >>> 4) << 2;
  if (length < TCP_HEADER || offset + length > end) return TEST_HOTDROP;
  const size = announced(header + TCP_HEADER, length - TCP_HEADER);
  const inside = size >= load<u32>(parameters) && size <= load<u32>(parameters, 4);
  return inside !== (load<u32>(parameters, 8) !== 0) ? TEST_HIT : TEST_MISS;
}

/** The first MSS option of four bytes; NO_MSS without one. Options are stepped over as hasOption does. */
function announced(options: usize, length: u32): u32 {
  let at: u32 = 0;
  while (at < length) {
    const option = options + (at as usize);
    const kind = load<u8>(option) as u32;
    const size: u32 = at + 1 < length ? load<u8>(option, 1) : 1;
    if (kind === MSS && size === MSS_LENGTH && length - at >= MSS_LENGTH) return be16(option + 2);
    at += kind < 2 || size === 0 ? 1 : size;
  }
  return NO_MSS;
}
