/** SYNPROXY (ipt_SYNPROXY.c): what it takes for itself never goes on. */
import { FIELD_L4_LENGTH } from '../../src/abi/fields.ts';
import { PACKET_IP } from '../../src/abi/packet.ts';
import { pseudoHeaderOf, sumHolds } from '../conntrack/checksum';
import { headerHolds, isKnownRight } from '../conntrack/header';
import { lenient } from '../stack/host.ts';
import { isUnfinished } from '../stack/unfinished.ts';
import { present, transportOffset } from './payload.ts';

const TCP: u32 = 6;
const HEADER: u32 = 20;
const SYN: u32 = 2;
const ACK: u32 = 16;
/** Of FIN, SYN, RST and ACK. */
const DECIDING: u32 = 0x17;

/** True when the packet goes on. Of a later IPv6 fragment the IPv6 header is taken for TCP's. */
export function passesSynproxy(slot: usize): bool {
  const offset = transportOffset(slot);
  const tcp = (load<u32>(slot, PACKET_IP) + offset) as usize;
  const length = offset === 0 ? present(slot) : load<u32>(slot, FIELD_L4_LENGTH * 4);
  const right =
    lenient ||
    isUnfinished(slot) ||
    isKnownRight(slot, TCP) ||
    (sumHolds(tcp, length, pseudoHeaderOf(slot, TCP, length)) && headerHolds(slot));
  if (!right) return false;
  if (length < HEADER) return false;
  const header: u32 = (load<u8>(tcp, 12) >> 4) << 2;
  if (header < HEADER || header > length) return false;
  const flags = (load<u8>(tcp, 13) as u32) & DECIDING;
  return flags !== SYN && flags !== ACK;
}
