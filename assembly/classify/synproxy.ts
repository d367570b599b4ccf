/** SYNPROXY (ipt_SYNPROXY.c): what it takes for itself never goes on. */
import { TRACKING_FLAG_CHECKSUM } from '../../src/abi/conntrack.ts';
import {
  CT_UNTRACKED,
  FIELD_CT_STATE,
  FIELD_FAMILY,
  FIELD_IN_INTERFACE,
  FIELD_L4_LENGTH,
  FIELD_OUT_INTERFACE,
} from '../../src/abi/fields.ts';
import { PACKET_IP } from '../../src/abi/packet.ts';
import { pseudoHeaderOf, sumHolds } from '../conntrack/checksum';
import { flag } from '../conntrack/parameters';
import { hostLo, lenient } from '../stack/host.ts';
import { areWritten } from '../stack/ip-options.ts';
import { present, transportOffset } from './payload.ts';

const TCP: u32 = 6;
const HEADER: u32 = 20;
/** The first byte of an IPv4 header without options. */
const PLAIN: u32 = 0x45;
const SYN: u32 = 2;
const ACK: u32 = 16;
/** Of FIN, SYN, RST and ACK. */
const DECIDING: u32 = 0x17;

/** True when the packet goes on. Of a later IPv6 fragment the IPv6 header is taken for TCP's. */
export function passesSynproxy(slot: usize): bool {
  const offset = transportOffset(slot);
  const tcp = (load<u32>(slot, PACKET_IP) + offset) as usize;
  const length = offset === 0 ? present(slot) : load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (!lenient && !(sumHolds(tcp, length, pseudoHeaderOf(slot, TCP, length)) && headerHolds(slot))) return false;
  if (length < HEADER) return false;
  const header: u32 = (load<u8>(tcp, 12) >> 4) << 2;
  if (header < HEADER || header > length) return false;
  const flags = (load<u8>(tcp, 13) as u32) & DECIDING;
  return flags !== SYN && flags !== ACK;
}

/** The IP header is summed up, too, and its own sum is wrong where the stack wrote into its options. In INPUT conntrack's sum of the packet as it came counts, where it made one. */
function headerHolds(slot: usize): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  if (load<u32>(slot, FIELD_FAMILY * 4) === 6 || load<u8>(ip) === PLAIN) return true;
  const delivered = load<u32>(slot, FIELD_OUT_INTERFACE * 4) === 0;
  const tracked = load<u32>(slot, FIELD_CT_STATE * 4) !== <u32>CT_UNTRACKED;
  const arrived = load<u32>(slot, FIELD_IN_INTERFACE * 4) !== hostLo;
  if (delivered && tracked && arrived && flag(TRACKING_FLAG_CHECKSUM)) return true;
  return !areWritten(ip + HEADER, (((load<u8>(ip) as u32) & 15) << 2) - HEADER);
}
