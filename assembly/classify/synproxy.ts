/** SYNPROXY (ipt_SYNPROXY.c): what it takes for itself never goes on. */
import { FIELD_L4_LENGTH, FIELD_TCP_FLAGS } from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_L4_OFFSET } from '../../src/abi/packet.ts';
import { checksumHolds } from '../conntrack/checksum';
import { lenient } from '../stack/host.ts';

const TCP: u32 = 6;
const HEADER: u32 = 20;
const SYN: u32 = 2;
const ACK: u32 = 16;
/** Of FIN, SYN, RST and ACK. */
const DECIDING: u32 = 0x17;

/** True when the packet goes on. */
export function passesSynproxy(slot: usize): bool {
  const length = load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (!lenient && !checksumHolds(slot, TCP, length)) return false;
  if (length < HEADER) return false;
  const tcp = (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize;
  const header: u32 = (load<u8>(tcp, 12) >> 4) << 2;
  if (header < HEADER || header > length) return false;
  const flags = load<u32>(slot, FIELD_TCP_FLAGS * 4) & DECIDING;
  return flags !== SYN && flags !== ACK;
}
