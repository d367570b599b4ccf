/** dccp --dccp-option (xt_dccp.c). */
import { PACKET_IP } from '../../src/abi/packet.ts';
import { TEST_HIT, TEST_HOTDROP, TEST_MISS } from '../../src/abi/special.ts';
import { present, transportOffset } from './payload.ts';
import { hasOption } from './tcp.ts';

const HEADER: u32 = 12;

/** Parameters: kind, invert, the answer for a malformed header. Options begin behind what the packet's type has; a header too short for that, or longer than the packet, is malformed. */
export function dccpOption(parameters: usize, slot: usize): u32 {
  const offset = transportOffset(slot);
  const end = present(slot);
  if (offset + HEADER > end) return TEST_HOTDROP;
  const header: usize = load<u32>(slot, PACKET_IP) + offset;
  const flags: u32 = load<u8>(header, 8);
  const start = HEADER + ((flags & 1) << 2) + behindHeader((flags >>> 1) & 15);
  const length: u32 = (load<u8>(header, 4) as u32) << 2;
  if (length < start || (length > start && offset + length > end)) return load<u32>(parameters, 8);
  const found = hasOption(header + start, length - start, load<u32>(parameters));
  return found !== (load<u32>(parameters, 4) !== 0) ? TEST_HIT : TEST_MISS;
}

/** Service code, acknowledgement, both, or nothing; REQUEST is 0, RESPONSE 1, DATA 2, RESET 7. */
function behindHeader(type: u32): u32 {
  if (type === 0) return 4;
  if (type === 2) return 0;
  return type === 1 || type === 7 || type > 9 ? 12 : 8;
}
