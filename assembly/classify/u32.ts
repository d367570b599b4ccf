/** u32: four bytes at computed places, masked, shifted and compared (xt_u32.c). */
import { PACKET_IP } from '../../src/abi/packet.ts';
import { U32_AND, U32_LEFT, U32_RIGHT } from '../../src/abi/special.ts';
import { be32, present } from './payload.ts';

/** Parameters: invert, number of tests, the tests. Bytes behind the packet's end fail a test. */
export function u32Holds(parameters: usize, slot: usize): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const size = present(slot);
  const invert = load<u32>(parameters) !== 0;
  let at = parameters + 8;
  for (let left = load<u32>(parameters, 4); left > 0; left--) {
    const numbers = load<u32>(at);
    const ranges = load<u32>(at, 4);
    if (!testHolds(at + 8, numbers, ranges, ip, size)) return invert;
    at += 8 + (((numbers + ranges) as usize) << 3);
  }
  return !invert;
}

function testHolds(at: usize, numbers: u32, ranges: u32, ip: usize, size: u32): bool {
  let base: u64 = 0;
  const start = load<u32>(at, 4);
  if ((start as u64) + 4 > (size as u64)) return false;
  let value = be32(ip + (start as usize));
  for (let index: u32 = 1; index < numbers; index++) {
    at += 8;
    const operator = load<u32>(at);
    const number = load<u32>(at, 4);
    if (operator === U32_AND) value &= number;
    else if (operator === U32_LEFT) value <<= number;
    else if (operator === U32_RIGHT) value >>>= number;
    else {
      base += value as u64;
      if (base + (number as u64) + 4 > (size as u64)) return false;
      value = be32(ip + ((base + (number as u64)) as usize));
    }
  }
  at += 8;
  for (; ranges > 0; ranges--) {
    if (load<u32>(at) <= value && value <= load<u32>(at, 4)) return true;
    at += 8;
  }
  return false;
}
