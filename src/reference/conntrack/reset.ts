/** What REJECT --reject-with tcp-reset does to the connection it resets (net/ipv4/netfilter/nf_reject_ipv4.c nf_send_reset, and its IPv6 twin). */

import { RTN_BROADCAST, RTN_MULTICAST } from '../../abi/fields.ts';
import { HELPER_NONE } from '../../abi/helpers.ts';
import { headerHolds, isKnownRight } from '../../packet/header-sum.ts';
import * as ipv6 from '../../packet/ipv6.ts';
import * as tcp from '../../packet/tcp.ts';
import type { EvaluateContext } from '../../packet/view.ts';
import type { Packet } from '../packet.ts';
import { ConnectionTable } from './table.ts';
import { setClosing } from './tcp-timeout.ts';
import { checksumFails, type TrackerContext } from './tracker.ts';
import { TCP } from './tuple.ts';
import { NO_ZONE } from './zone.ts';

/** A whole TCP header with RST. */
export const isTcpReset = ({ protocol, fragmentOffset, upper }: Packet): boolean =>
  protocol === TCP && fragmentOffset === 0 && tcp.hasHeader(upper) && (tcp.flags(upper) & tcp.RST) !== 0;

/** Whether somebody can answer in the place of its receiver: of IPv4 routing decides (rt_flags), of IPv6 the addresses themselves. */
export function isToOne({ family, source, destination }: Packet, addressType: EvaluateContext['addressType']): boolean {
  if (family === 6) return [source, destination].every(ipv6.isUnicast);
  const type = addressType(4, destination);
  return type !== RTN_BROADCAST && type !== RTN_MULTICAST;
}

/**
 * A rule refuses the packet with a reset; true: it gets one, and its connection is closing. Only what can be answered is reset: TCP, to one receiver, no fragment, no RST itself, and
 * with a right checksum.
 */
export function answerWithReset(
  packet: Packet,
  refusing: Pick<EvaluateContext, 'profile' | 'addressType' | 'hook'>,
  offTheWire: boolean,
): boolean {
  const { profile, addressType } = refusing;
  const header = packet.upper;
  if (packet.protocol !== TCP || packet.fragmentOffset !== 0 || !tcp.hasHeader(header)) return false;
  if (isTcpReset(packet) || !isToOne(packet, addressType)) return false;
  // Here the checksum is verified whatever nf_conntrack_checksum says.
  const context: TrackerContext = {
    profile: { ...profile, sysctls: { ...profile.sysctls, nf_conntrack_checksum: 1 } },
    table: new ConnectionTable(() => undefined),
    zone: NO_ZONE,
    sourceKey: () => 0,
    helper: HELPER_NONE,
    verify: offTheWire,
  };
  if (!packet.unfinished && !isKnownRight(packet, refusing)) {
    if (checksumFails(packet, context, TCP)) return false;
    if (offTheWire && profile.prestack !== 'lenient' && !headerHolds(packet, refusing)) return false;
  }
  if (packet.tracking.kind === 'entry') setClosing(packet.tracking.connection, packet.now, context);
  return true;
}
