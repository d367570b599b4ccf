/** Tests that read the packet's bytes, and the time; parameters as abi/special.ts lists them. */
import { FIELD_FAMILY, FIELD_TTL } from '../../src/abi/fields.ts';
import { PACKET_IP } from '../../src/abi/packet.ts';
import {
  SPECIAL_BPF,
  SPECIAL_DCCP_OPTION,
  SPECIAL_EUI64,
  SPECIAL_HEADER_OPTIONS,
  SPECIAL_IPV6_HEADERS,
  SPECIAL_OSF,
  SPECIAL_PAYLOAD,
  SPECIAL_ROUTING_ADDRESSES,
  SPECIAL_SEGMENTS,
  SPECIAL_STRING,
  SPECIAL_TCPMSS,
  SPECIAL_TIME,
  SPECIAL_U32,
  TEST_HIT,
  TEST_MISS,
} from '../../src/abi/special.ts';
import { setTtl } from '../packet/rewrite.ts';
import { bpfHolds } from './bpf.ts';
import { dccpOption } from './dccp.ts';
import { eui64, headerOptions, ipv6Headers, routingAddresses, segments } from './ipv6.ts';
import { osfHolds } from './osf.ts';
import { payload } from './payload.ts';
import { stringFound } from './string.ts';
import { maximumSegment } from './tcp.ts';
import { timeHolds } from './time.ts';
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
    case SPECIAL_IPV6_HEADERS:
      return answer(ipv6Headers(parameters, slot));
    case SPECIAL_ROUTING_ADDRESSES:
      return answer(routingAddresses(parameters, slot));
    case SPECIAL_HEADER_OPTIONS:
      return answer(headerOptions(parameters, slot));
    case SPECIAL_SEGMENTS:
      return answer(segments(parameters, slot));
    case SPECIAL_EUI64:
      return answer(eui64(slot));
    case SPECIAL_BPF:
      return answer(bpfHolds(parameters, slot));
    case SPECIAL_TIME:
      return answer(timeHolds(parameters, slot));
    case SPECIAL_OSF:
      return answer(osfHolds(parameters, slot));
    case SPECIAL_DCCP_OPTION:
      return dccpOption(parameters, slot);
    default:
      return TEST_MISS;
  }
}

function answer(holds: bool): u32 {
  return holds ? TEST_HIT : TEST_MISS;
}
