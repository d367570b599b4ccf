/**
 * The IP header, which every checksum of IPv4 is asked with (nf_ip_checksum): its own sum is wrong where the stack wrote into its options as it arrived. In INPUT conntrack's sum of the packet as it came counts, where it
 * made one; for errors of REJECT in FORWARD, too.
 */
import { TRACKING_FLAG_CHECKSUM } from '../../src/abi/conntrack';
import { CT_UNTRACKED, FIELD_CT_STATE, FIELD_FAMILY, FIELD_IN_INTERFACE, FIELD_OUT_INTERFACE } from '../../src/abi/fields';
import { IMAGE_FLAG_CONNTRACK4 } from '../../src/abi/image';
import { PACKET_IP } from '../../src/abi/packet';
import { hostLo } from '../stack/host';
import { areWritten } from '../stack/ip-options';
import { PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP } from './entry';
import { flag } from './parameters';

const HEADER: u32 = 20;
const PROTOCOL_AT: usize = 9;
/** The first byte of an IPv4 header without options. */
const PLAIN: u32 = 0x45;

/** Rules make the kernel track IPv4. */
let tracks: bool = false;

/** `flags`: IMAGE_FLAG_* of the job. */
export function setHeaderFlags(flags: u32): void {
  tracks = (flags & IMAGE_FLAG_CONNTRACK4) !== 0;
}

/** Of a packet in INPUT, FORWARD or OUTPUT, where nothing has been written yet. `remembered`: what is asked for is whether the packet was ever right (csum_valid), as nf_send_unreach does, which forwarding does not forget. */
export function headerHolds(slot: usize, remembered: bool): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  if (load<u32>(slot, FIELD_FAMILY * 4) === 6 || load<u8>(ip) === PLAIN) return true;
  if (load<u32>(slot, FIELD_IN_INTERFACE * 4) === 0) return true;
  const counts = remembered || load<u32>(slot, FIELD_OUT_INTERFACE * 4) === 0;
  if (counts && isSummed(slot, load<u8>(ip, PROTOCOL_AT))) return true;
  return !areWritten(ip + HEADER, (((load<u8>(ip) as u32) & 15) << 2) - HEADER);
}

/** Conntrack has summed it up as it came in. */
function isSummed(slot: usize, protocol: u32): bool {
  if (!tracks || !flag(TRACKING_FLAG_CHECKSUM)) return false;
  if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP && protocol !== PROTOCOL_ICMP) return false;
  return load<u32>(slot, FIELD_CT_STATE * 4) !== <u32>CT_UNTRACKED && load<u32>(slot, FIELD_IN_INTERFACE * 4) !== hostLo;
}
