/** REJECT --reject-with tcp-reset closes the connection of the packet it answers (net/ipv4/netfilter/nf_reject_ipv4.c and its IPv6 twin; nf_conntrack_tcp_set_closing). */
import { TCP_CLOSE, TRACKING_TCP } from '../../src/abi/conntrack';
import { FIELD_FRAGMENT, FIELD_L4_LENGTH, FIELD_PROTOCOL, FIELD_TCP_FLAGS } from '../../src/abi/fields';
import { PACKET_CT_ENTRY, PACKET_JIFFIES } from '../../src/abi/packet';
import { lenient } from '../stack/host';
import { isUnfinished } from '../stack/unfinished';
import { isForOne } from '../stack/way';
import { checksumHolds } from './checksum';
import { ENTRY_TCP_STATE, ENTRY_TIMEOUT, PROTOCOL_TCP } from './entry';
import { headerHolds, isKnownRight } from './header';
import { parameter } from './parameters';
import { FLAG_RST } from './tcp-matrix';
import { TCP_HEADER_SIZE } from './tcp-options';
import { isConfirmed } from './timeout';

/** The packet has a whole TCP header, with RST. */
export function isTcpReset(slot: usize): bool {
  return isWhole(slot) && (load<u32>(slot, FIELD_TCP_FLAGS * 4) & FLAG_RST) !== 0;
}

function isWhole(slot: usize): bool {
  if (load<u32>(slot, FIELD_PROTOCOL * 4) !== PROTOCOL_TCP || load<u32>(slot, FIELD_FRAGMENT * 4) !== 0) return false;
  return load<u32>(slot, FIELD_L4_LENGTH * 4) >= TCP_HEADER_SIZE;
}

/**
 * The packet, which a rule refuses with a reset, gets one: it is a whole segment for one receiver, no reset itself. `arrived`: it came in, so its checksum must hold, whatever nf_conntrack_checksum says; this host's own packets
 * get theirs later.
 */
export function isReset(slot: usize, arrived: bool): bool {
  if (!isWhole(slot) || isTcpReset(slot) || !isForOne(slot)) return false;
  if (!arrived || lenient || isUnfinished(slot) || isKnownRight(slot, PROTOCOL_TCP)) return true;
  return checksumHolds(slot, PROTOCOL_TCP, load<u32>(slot, FIELD_L4_LENGTH * 4)) && headerHolds(slot);
}

/** A rule answers the packet with a reset. `arrived`: as above. */
export function conntrackReset(slot: usize, arrived: bool): void {
  const entry = load<u32>(slot, PACKET_CT_ENTRY) as usize;
  if (entry === 0 || !isConfirmed(entry) || !isReset(slot, arrived)) return;
  if (load<u8>(entry, ENTRY_TCP_STATE) === TCP_CLOSE) return;
  store<u8>(entry, TCP_CLOSE, ENTRY_TCP_STATE);
  store<i64>(entry, load<i64>(slot, PACKET_JIFFIES) + (parameter(TRACKING_TCP + (TCP_CLOSE << 2)) as i64), ENTRY_TIMEOUT);
}
