/** The tuple that a packet's own bytes have (nf_conntrack_core.c, nf_ct_get_tuplepr), as a key in hand: of packets that conntrack has not seen, or has refused. */
import {
  FIELD_DPORT,
  FIELD_FAMILY,
  FIELD_FRAGMENT,
  FIELD_HEADER_ERROR,
  FIELD_L4_LENGTH,
  FIELD_PROTOCOL,
  FIELD_SPORT,
} from '../../src/abi/fields';
import { PACKET_IP, PACKET_L4_OFFSET } from '../../src/abi/packet';
import { seeAsConntrack, seeAsRules } from '../packet/extension-headers.ts';
import {
  PROTOCOL_GRE,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_NO_NEXT,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  PROTOCOL_UDPLITE,
} from './entry';
import { GRE_NONE, greKey, senderOf } from './gre';
import { ICMP_HEADER_SIZE, ICMP_UNPAIRED, icmpQuestion } from './icmp';
import { icmpv6Question } from './icmpv6';
import { keyAsks, keyPacket, keyZone } from './tuple';

const PORTS_SIZE: u32 = 4;

/** False: there is none. The fields are as rules see them, before and afterwards. */
export function keyOwnTuple(slot: usize, zone: u32): bool {
  const seen = seeAsConntrack(slot);
  const found = keySeen(slot);
  seeAsRules(slot, seen);
  if (found && zone !== 0) keyZone(zone);
  return found;
}

function keySeen(slot: usize): bool {
  if (load<u32>(slot, FIELD_FRAGMENT * 4) !== 0 || load<u32>(slot, FIELD_HEADER_ERROR * 4) !== 0) return false;
  const protocol = load<u32>(slot, FIELD_PROTOCOL * 4);
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  if (six && (protocol === PROTOCOL_NO_NEXT || load<u32>(slot, PACKET_L4_OFFSET) === 0)) return false;
  return keyTransport(slot, protocol);
}

function keyTransport(slot: usize, protocol: u32): bool {
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  const header = (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize;
  switch (protocol) {
    case PROTOCOL_TCP:
    case PROTOCOL_UDP:
    case PROTOCOL_UDPLITE:
    case PROTOCOL_SCTP:
      if (present < PORTS_SIZE) return false;
      keyPacket(slot, protocol, load<u32>(slot, FIELD_SPORT * 4), load<u32>(slot, FIELD_DPORT * 4));
      return true;
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMPV6:
      if (present < ICMP_HEADER_SIZE) return false;
      keyIcmp(slot, protocol, header);
      return true;
    case PROTOCOL_GRE: {
      const key = greKey(header, present);
      if (key === GRE_NONE) return false;
      keyPacket(slot, protocol, senderOf(slot, header, present, key), key);
      return true;
    }
    default:
      keyPacket(slot, protocol, 0, 0);
      return true;
  }
}

/** What is no question and no answer is asked by nobody else, and so never found. */
function keyIcmp(slot: usize, protocol: u32, header: usize): void {
  const type = load<u8>(header) as u32;
  const code = load<u8>(header, 1) as u32;
  const identifier = bswap(load<u16>(header, 4)) as u32;
  const question = protocol === PROTOCOL_ICMP ? icmpQuestion(type) : icmpv6Question(type);
  const asks = question === type || question === ICMP_UNPAIRED;
  const kind = ((question === ICMP_UNPAIRED ? type : question) << 8) | code;
  if (asks) keyPacket(slot, protocol, identifier, kind);
  else keyPacket(slot, protocol, kind, identifier);
  keyAsks(asks);
}
