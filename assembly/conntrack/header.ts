/**
 * The IP header, which every checksum of IPv4 is asked with (nf_ip_checksum): its own sum is wrong where the stack wrote into its options as it arrived. In INPUT conntrack's sum of the packet as it came counts, where it
 * made one; for errors of REJECT in FORWARD, too.
 */
import { TRACKING_FLAG_CHECKSUM } from '../../src/abi/conntrack';
import { CT_UNTRACKED, FIELD_CT_STATE, FIELD_FAMILY, FIELD_IN_INTERFACE, FIELD_OUT_INTERFACE } from '../../src/abi/fields';
import { IMAGE_FLAG_CONNTRACK4, IMAGE_FLAG_CONNTRACK6 } from '../../src/abi/image';
import { PACKET_INVALID, PACKET_IP } from '../../src/abi/packet';
import {
  INVALID_CHECKSUM,
  INVALID_FRAGMENT,
  INVALID_HEADER_CHAIN,
  INVALID_SHORT,
  INVALID_TCP_HEADER,
  INVALID_UDP_LENGTH,
} from '../../src/abi/reasons';
import { hostLo } from '../stack/host';
import { areWritten } from '../stack/ip-options';
import { PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP } from './entry';
import { flag } from './parameters';

const HEADER: u32 = 20;
/** The first byte of an IPv4 header without options. */
const PLAIN: u32 = 0x45;

/** Rules make the kernel track this family. */
let tracks4: bool = false;
let tracks6: bool = false;

/** `flags`: IMAGE_FLAG_* of the job. */
export function setHeaderFlags(flags: u32): void {
  tracks4 = (flags & IMAGE_FLAG_CONNTRACK4) !== 0;
  tracks6 = (flags & IMAGE_FLAG_CONNTRACK6) !== 0;
}

/** The header of a packet in INPUT, FORWARD or OUTPUT, where nothing has been written yet, adds nothing to its sum. */
export function headerHolds(slot: usize): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  if (load<u32>(slot, FIELD_FAMILY * 4) === 6 || load<u8>(ip) === PLAIN) return true;
  if (load<u32>(slot, FIELD_IN_INTERFACE * 4) === 0) return true;
  return !areWritten(ip + HEADER, (((load<u8>(ip) as u32) & 15) << 2) - HEADER);
}

/** In INPUT whoever asks takes what conntrack found; in FORWARD the packet is summed up anew (skb_forward_csum). */
export function isKnownRight(slot: usize, protocol: u32): bool {
  return load<u32>(slot, FIELD_OUT_INTERFACE * 4) === 0 && isSummed(slot, protocol);
}

/** Conntrack has summed the packet, of that protocol, up as it came in, and its checksum was right (csum_valid), whatever was done to it since. */
export function isSummed(slot: usize, protocol: u32): bool {
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  if (!(six ? tracks6 : tracks4) || !flag(TRACKING_FLAG_CHECKSUM)) return false;
  if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP && protocol !== (six ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP))
    return false;
  const device = load<u32>(slot, FIELD_IN_INTERFACE * 4);
  if (device === 0 || device === hostLo || load<u32>(slot, FIELD_CT_STATE * 4) === <u32>CT_UNTRACKED) return false;
  switch (load<u32>(slot, PACKET_INVALID)) {
    // It did not come so far.
    case INVALID_FRAGMENT:
    case INVALID_HEADER_CHAIN:
    case INVALID_SHORT:
    case INVALID_TCP_HEADER:
    case INVALID_UDP_LENGTH:
    case INVALID_CHECKSUM:
      return false;
    default:
      return true;
  }
}
