/** Which tracker looks at a connection's packet (nf_conntrack_core.c, nf_conntrack_handle_packet). */
import { INVALID_NONE } from '../../src/abi/reasons';
import {
  PROTOCOL_GRE,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  PROTOCOL_UDPLITE,
} from './entry';
import { account, accounting, beginAccount } from './extension';
import { genericPacket } from './generic';
import { grePacket } from './gre';
import { icmpPacket } from './icmp';
import { icmpv6Packet } from './icmpv6';
import { sctpPacket } from './sctp';
import { TCP_KILL, tcpPacket } from './tcp';
import { udplitePacket, udpPacket } from './udp';

/** The tracker of a protocol. Out: INVALID_NONE, INVALID_*, TCP_REPEAT or TCP_KILL. */
export function tracker(slot: usize, entry: usize, protocol: u32, direction: u32, now: i64): u32 {
  if (accounting) beginAccount(slot, direction);
  if (protocol === PROTOCOL_TCP) {
    const result = tcpPacket(entry, direction, now);
    if (accounting && result === TCP_KILL) account(entry);
    return result;
  }
  if (protocol === PROTOCOL_UDP) udpPacket(entry, now);
  else if (protocol === PROTOCOL_ICMP) icmpPacket(entry, now);
  else if (protocol === PROTOCOL_ICMPV6) icmpv6Packet(entry, now);
  else if (protocol === PROTOCOL_SCTP) return sctpPacket(entry, direction, now);
  else if (protocol === PROTOCOL_UDPLITE) udplitePacket(entry, now);
  else if (protocol === PROTOCOL_GRE) grePacket(entry, now);
  else genericPacket(entry, now);
  return INVALID_NONE;
}
