/** ICMP errors about connections whose addresses are translated (net/netfilter/nf_nat_proto.c, nf_nat_icmp_reply_translation and its IPv6 twin). */
import { FIELD_CT_DIRECTION, FIELD_FAMILY } from '../../src/abi/fields';
import { PACKET_CT_ENTRY, PACKET_IP } from '../../src/abi/packet';
import { checksumOf, pseudoHeaderOf, sumHolds } from '../conntrack/checksum';
import {
  ENTRY_STATUS,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  STATUS_DST_NAT_DONE,
  STATUS_SRC_NAT_DONE,
  STATUS_TRANSLATED,
} from '../conntrack/entry';
import { innerRest, innerTransport, locateTransport } from '../conntrack/related';
import { lenient } from '../stack/host';
import { translate } from './translate';
import { tupleOf, tupleOpposite, tupleProtocol } from './tuple';

const HEADER: u32 = 8;
const REDIRECT4: u32 = 5;
const REDIRECT6: u32 = 137;
const BOTH_DONE: u32 = STATUS_SRC_NAT_DONE | STATUS_DST_NAT_DONE;

/** `present`: bytes of the packet that are there; `wanted`: the connection's translation changes it at this hook. `summed`: its checksum was found right before. False: it is dropped. */
export function translateError(slot: usize, present: u32, source: bool, wanted: bool, summed: bool): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4);
  locateTransport(ip, present, six);
  const message = innerTransport();
  const length = innerRest();
  const pseudo: u64 = six ? pseudoHeaderOf(slot, PROTOCOL_ICMPV6, length) : 0;
  if (!summed && !lenient && !sumHolds(message, length, pseudo)) return false;
  if ((load<u8>(message) as u32) === (six ? REDIRECT6 : REDIRECT4)) {
    const status = load<u32>(entry, ENTRY_STATUS);
    if ((status & BOTH_DONE) !== BOTH_DONE || (status & STATUS_TRANSLATED) !== 0) return false;
  }
  if (!wanted) return true;
  // The quoted packet went the other way: outside a source, inside a destination.
  tupleOf(entry, 1 - direction);
  if (!translate(message + HEADER, length - HEADER, six, tupleProtocol, !source)) return false;
  store<u16>(message, 0, 2);
  store<u16>(message, checksumOf(message, length, pseudo), 2);
  tupleOpposite(entry, direction);
  return translate(ip, present, six, six ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP, source);
}

/** The packet is an ICMP message of its own family (and RELATED: so an error). */
export function isError(slot: usize, protocol: u32): bool {
  return protocol === (load<u32>(slot, FIELD_FAMILY * 4) === 6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP);
}
