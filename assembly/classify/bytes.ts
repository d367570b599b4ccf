/** Tests that read the packet's bytes; parameters as abi/special.ts lists them. */
import { FIELD_FAMILY, FIELD_TTL } from '../../src/abi/fields.ts';
import { PACKET_IP } from '../../src/abi/packet.ts';
import { SPECIAL_PAYLOAD, SPECIAL_STRING, SPECIAL_TCPMSS, SPECIAL_U32, TEST_HIT, TEST_MISS } from '../../src/abi/special.ts';
import { setTtl } from '../packet/rewrite.ts';
import { payload } from './payload.ts';
import { stringFound } from './string.ts';
import { maximumSegment } from './tcp.ts';
import { u32Holds } from './u32.ts';

/**
 * Forwarding takes one from the TTL, of which only the fields know. The bytes are made to say so, checksum and all, while they are read; the input is as it was afterwards. An unknown code never
 * matches.
 */
export function byteTest(code: u32, parameters: usize, slot: usize): u32 {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const ttl = load<u32>(slot, FIELD_TTL * 4);
  const word: usize = load<u32>(slot, FIELD_FAMILY * 4) === 6 ? ip + 4 : ip + 8;
  const at: usize = load<u32>(slot, FIELD_FAMILY * 4) === 6 ? ip + 7 : ip + 8;
  if (load<u8>(at) === (ttl as u8)) return read(code, parameters, slot);
  const before = load<u32>(word);
  setTtl(slot, ttl);
  const result = read(code, parameters, slot);
  store<u32>(word, before);
  return result;
}

function read(code: u32, parameters: usize, slot: usize): u32 {
  switch (code) {
    case SPECIAL_PAYLOAD:
      return payload(parameters, slot);
    case SPECIAL_STRING:
      return answer(stringFound(parameters, slot));
    case SPECIAL_U32:
      return answer(u32Holds(parameters, slot));
    case SPECIAL_TCPMSS:
      return maximumSegment(parameters, slot);
    default:
      return TEST_MISS;
  }
}

function answer(holds: bool): u32 {
  return holds ? TEST_HIT : TEST_MISS;
}
