/** The helpers by number (nf_confirm in net/netfilter/nf_conntrack_proto.c). */
import { CT_RELATED, FIELD_CT_DIRECTION, FIELD_CT_STATE, FIELD_LENGTH, FIELD_OUT_INTERFACE } from '../../../src/abi/fields';
import {
  HELPER_AMANDA,
  HELPER_FTP,
  HELPER_H245,
  HELPER_IRC,
  HELPER_NETBIOS_NS,
  HELPER_NONE,
  HELPER_PPTP,
  HELPER_Q931,
  HELPER_RAS,
  HELPER_SANE,
  HELPER_SIP,
  HELPER_SNMP,
  HELPER_SNMP_TRAP,
  HELPER_TFTP,
} from '../../../src/abi/helpers';
import { PACKET_CT_ENTRY, PACKET_IP, PACKET_WAY, WAY_LOOPBACK } from '../../../src/abi/packet';
import { sumUp } from '../../nat/replace.ts';
import { seeAsConntrack, seeAsRules } from '../../packet/extension-headers.ts';
import { isUnfinished, leaveUnfinished } from '../../stack/unfinished.ts';
import { PROTOCOL_TCP } from '../entry';
import { entryHelper } from '../help';
import { adjustSequence, isShifted } from '../sequence';
import { NETBIOS_SECONDS } from '../timeout';
import { amandaHelp } from './amanda';
import { broadcastHelp } from './broadcast';
import { ftpHelp } from './ftp';
import { h245Help } from './h245';
import { ircHelp } from './irc';
import { pptpHelp } from './pptp';
import { q931Help } from './q931';
import { rasHelp } from './ras';
import { saneHelp } from './sane';
import { sipHelp } from './sip';
import { snmpHelp } from './snmp';
import { tftpHelp } from './tftp';
import { isTranslated } from './translated';

/** A packet is about to be confirmed: its connection's helper looks at it, then its numbers follow what helpers made of earlier ones. False: it is dropped. */
export function helpPacket(slot: usize): bool {
  const entry = load<u32>(slot, PACKET_CT_ENTRY) as usize;
  if (entry === 0) return true;
  const helper = entryHelper(entry);
  // Who has none, whatever was changed, is left alone: only helpers change anything.
  if (helper === HELPER_NONE) return true;
  // Errors about answers; those about what was sent are helped as they come.
  if (load<u32>(slot, FIELD_CT_STATE * 4) === CT_RELATED && load<u32>(slot, FIELD_CT_DIRECTION * 4) === 1) return true;
  const seen = seeAsConntrack(slot);
  const unfinished = isUnfinished(slot);
  const goesOn = help(helper, slot, entry);
  if (unfinished) leaveUnfinished(slot);
  seeAsRules(slot, seen);
  return goesOn;
}

function help(helper: u32, slot: usize, entry: usize): bool {
  const shifted = isShifted(entry);
  const ip = load<u32>(slot, PACKET_IP);
  const length = load<u32>(slot, FIELD_LENGTH * 4);
  if (!ask(helper, slot, entry)) return false;
  // What comes in over lo was adjusted when it left.
  if (!shifted || comesOverLoopback(slot)) return true;
  const whole = adjustSequence(slot, entry, load<u32>(slot, FIELD_CT_DIRECTION * 4));
  // The checksum of a packet whose data was replaced is made when it leaves.
  if (load<u32>(slot, PACKET_IP) !== ip || load<u32>(slot, FIELD_LENGTH * 4) !== length) sumUp(slot, PROTOCOL_TCP);
  return whole;
}

function comesOverLoopback(slot: usize): bool {
  return load<u32>(slot, PACKET_WAY) === WAY_LOOPBACK && load<u32>(slot, FIELD_OUT_INTERFACE * 4) === 0;
}

function ask(helper: u32, slot: usize, entry: usize): bool {
  switch (helper) {
    case HELPER_FTP:
      return ftpHelp(slot, entry);
    case HELPER_TFTP:
      return tftpHelp(slot, entry);
    case HELPER_IRC:
      return ircHelp(slot, entry);
    case HELPER_SANE:
      return saneHelp(slot, entry);
    case HELPER_SIP:
      return sipHelp(slot, entry);
    case HELPER_AMANDA:
      return amandaHelp(slot, entry);
    case HELPER_NETBIOS_NS:
      broadcastHelp(slot, entry, 137, NETBIOS_SECONDS);
      return true;
    case HELPER_PPTP:
      return pptpHelp(slot, entry);
    case HELPER_RAS:
      return rasHelp(slot, entry);
    case HELPER_Q931:
      return q931Help(slot, entry);
    case HELPER_H245:
      return h245Help(slot, entry);
    case HELPER_SNMP:
      broadcastHelp(slot, entry, 161, 30);
      return !isTranslated(entry) || snmpHelp(slot, entry);
    case HELPER_SNMP_TRAP:
      return !isTranslated(entry) || snmpHelp(slot, entry);
    default:
      return true;
  }
}
