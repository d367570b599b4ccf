/** What the static fields say of the transport header; one protocol a file where there is more to say than ports. */
import {
  FIELD_DPORT,
  FIELD_ICMP_CODE,
  FIELD_ICMP_TYPE,
  FIELD_L4_LENGTH,
  FIELD_SPORT,
  FIELD_TCP_FLAGS,
} from '../../src/abi/fields.ts';
import { PACKET_L4_OFFSET } from '../../src/abi/packet.ts';
import { be16 } from './ethertype.ts';
import { icmpCode, icmpType } from './icmp.ts';
import { tcpFlags } from './tcp.ts';

/** The transport header lies at `offset` (beyond the end: none), the packet has `present` bytes from `ip` on. */
export function transport(slot: usize, ip: usize, offset: u32, present: u32): void {
  const at = ip + offset;
  const length = present > offset ? present - offset : 0;
  store<u32>(slot, offset, PACKET_L4_OFFSET);
  store<u32>(slot, length, FIELD_L4_LENGTH * 4);
  store<u32>(slot, tcpFlags(at, length), FIELD_TCP_FLAGS * 4);
  // nf_tables reads one port of a packet that ends behind it.
  store<u32>(slot, length >= 2 ? be16(at) : 0, FIELD_SPORT * 4);
  store<u32>(slot, length >= 4 ? be16(at + 2) : 0, FIELD_DPORT * 4);
  store<u32>(slot, icmpType(at, length), FIELD_ICMP_TYPE * 4);
  store<u32>(slot, icmpCode(at, length), FIELD_ICMP_CODE * 4);
}
