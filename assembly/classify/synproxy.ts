/** SYNPROXY (ipt_SYNPROXY.c): what it takes for itself never goes on. */
import { FIELD_FAMILY, FIELD_FRAGMENT, FIELD_L4_LENGTH, FIELD_LENGTH } from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_IP_CAPTURED, PACKET_L4_OFFSET } from '../../src/abi/packet.ts';
import { pseudoHeaderOf, sumHolds } from '../conntrack/checksum';
import { lenient } from '../stack/host.ts';

const TCP: u32 = 6;
const HEADER: u32 = 20;
const SYN: u32 = 2;
const ACK: u32 = 16;
/** Of FIN, SYN, RST and ACK. */
const DECIDING: u32 = 0x17;

/**
 * True when the packet goes on. Of a later IPv6 fragment the kernel knows no transport offset and takes the IPv6 header for TCP's (ipv6_find_hdr leaves the offset at 0).
 */
export function passesSynproxy(slot: usize): bool {
  const headless = load<u32>(slot, FIELD_FAMILY * 4) === 6 && load<u32>(slot, FIELD_FRAGMENT * 4) !== 0;
  const tcp = (load<u32>(slot, PACKET_IP) + (headless ? 0 : load<u32>(slot, PACKET_L4_OFFSET))) as usize;
  const whole = min<u32>(load<u32>(slot, FIELD_LENGTH * 4), load<u32>(slot, PACKET_IP_CAPTURED));
  const length = headless ? whole : load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (!lenient && !sumHolds(tcp, length, pseudoHeaderOf(slot, TCP, length))) return false;
  if (length < HEADER) return false;
  const header: u32 = (load<u8>(tcp, 12) >> 4) << 2;
  if (header < HEADER || header > length) return false;
  const flags = (load<u8>(tcp, 13) as u32) & DECIDING;
  return flags !== SYN && flags !== ACK;
}
