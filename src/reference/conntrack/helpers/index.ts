/** The helpers by number, and what every packet of a connection with one goes through (nf_confirm in net/netfilter/nf_conntrack_proto.c). */
import { STATUS_DST_NAT, STATUS_SRC_NAT } from '../../../abi/fields.ts';
import {
  HELPER_AMANDA,
  HELPER_FTP,
  HELPER_H245,
  HELPER_IRC,
  HELPER_NETBIOS_NS,
  HELPER_PPTP,
  HELPER_Q931,
  HELPER_RAS,
  HELPER_SANE,
  HELPER_SIP,
  HELPER_SNMP,
  HELPER_SNMP_TRAP,
  HELPER_TFTP,
} from '../../../abi/helpers.ts';
import { NAT_NOTES } from '../../../model/nat.ts';
import type { Kernel } from '../../../model/profile.ts';
import type { Family, Words } from '../../../model/ruleset.ts';
import { sumUp } from '../../nat/replace.ts';
import type { Packet } from '../../packet.ts';
import type { Calls } from '../calls.ts';
import type { Connection } from '../connection.ts';
import { type ExpectationTable, isLiving } from '../expectations.ts';
import { adjustSequence } from '../sequence.ts';
import { TCP } from '../tuple.ts';
import { amanda } from './amanda.ts';
import { netbiosNs } from './broadcast.ts';
import { ftp } from './ftp.ts';
import { h245 } from './h245.ts';
import type { Help, Helper, Seen } from './helper.ts';
import { irc } from './irc.ts';
import { pptp } from './pptp.ts';
import { q931 } from './q931.ts';
import { ras } from './ras.ts';
import { sane } from './sane.ts';
import { sip } from './sip.ts';
import { snmp, snmpTrap } from './snmp.ts';
import { tftp } from './tftp.ts';

const HELPERS: ReadonlyMap<number, Helper<never>> = new Map([
  [HELPER_FTP, ftp as Helper<never>],
  [HELPER_TFTP, tftp as Helper<never>],
  [HELPER_IRC, irc as Helper<never>],
  [HELPER_SANE, sane as Helper<never>],
  [HELPER_AMANDA, amanda as Helper<never>],
  [HELPER_SIP, sip as Helper<never>],
  [HELPER_NETBIOS_NS, netbiosNs as Helper<never>],
  [HELPER_SNMP, snmp as Helper<never>],
  [HELPER_SNMP_TRAP, snmpTrap as Helper<never>],
  [HELPER_PPTP, pptp as Helper<never>],
  [HELPER_RAS, ras as Helper<never>],
  [HELPER_Q931, q931 as Helper<never>],
  [HELPER_H245, h245 as Helper<never>],
]);

/** The help of a new connection; null for HELPER_NONE. */
export function helpOf(number: number): Help | null {
  const helper = HELPERS.get(number);
  if (helper === undefined) return null;
  return { helper: helper as unknown as Helper, memory: helper.remember(), expectations: [] };
}

/** The helper of another connection, which knows nothing of the new one yet. */
export function sameHelp({ help }: Connection): Help | null {
  return help === null ? null : { helper: help.helper, memory: help.helper.remember(), expectations: [] };
}

/** Packets to both addresses are handed to the same neighbour. */
export type OnSameSide = (family: Family, one: Words, other: Words) => boolean;

/** What helpers reach beside the packet's connection. */
interface Around {
  expectations: ExpectationTable;
  calls: Calls;
  notes: Set<string>;
  kernel: Kernel;
  onSameSide: OnSameSide;
}

/** The packet is about to be confirmed: its helper looks at it, then its sequence numbers follow what helpers changed before. False: it is dropped. */
export function runHelper(packet: Packet, around: Around): boolean {
  if (packet.tracking.kind !== 'entry') return true;
  const { connection, direction, state } = packet.tracking;
  // Errors about answers; those about what was sent come through, as they do in the kernel.
  if (state === 'RELATED' && direction === 1) return true;
  const { shifts } = connection;
  const { bytes } = packet;
  if (connection.help !== null && !help(packet, connection.help, around)) return false;
  // What comes in over lo was adjusted when it left.
  if (shifts === null || packet.inInterface === 'lo') return true;
  const replaced = packet.bytes !== bytes;
  const whole = adjustSequence(packet, shifts, direction);
  // Its checksum is made when it leaves.
  if (replaced) sumUp(packet, TCP);
  return whole;
}

function help(packet: Packet, own: Help, { expectations, calls, notes, kernel, onSameSide }: Around): boolean {
  if (packet.tracking.kind !== 'entry') return true;
  const { connection, direction, state } = packet.tracking;
  const seen: Seen = {
    packet,
    connection,
    direction,
    state,
    memory: own.memory,
    translated: connection.has(STATUS_SRC_NAT | STATUS_DST_NAT),
    broadcastMask: packet.broadcastMask,
    calls,
    kernel,
    onSameSide: (one, other) => onSameSide(connection.family, one, other),
    expect: (foreseen) => expectations.expect(connection, own, foreseen, packet.now, packet.hz),
    expectations: () => own.expectations.filter((one) => isLiving(one, packet.now)),
    forget: (one) => expectations.remove(one),
    expectedAlready: (tuple) => expectations.find(connection.family, connection.zone.id, tuple, packet.now),
    isOfOther: ({ master }) =>
      master !== connection && master.help?.helper === own.helper && master.original.protocol === connection.original.protocol,
    unexpect: () => {
      const [newest] = own.expectations;
      if (newest !== undefined) expectations.remove(newest);
    },
    noteDrawn: () => notes.add(NAT_NOTES.drawn),
  };
  if (own.helper.help(seen) === 'accept') return true;
  // A connection that does not come to be expects nothing.
  if (!connection.confirmed) expectations.forget(connection);
  return false;
}
