/** Other text in the data of a packet (net/netfilter/nf_nat_helper.c). There is no room in the input: the packet moves to one of its own. */
import { FIELD_FAMILY, FIELD_L4_LENGTH, FIELD_LENGTH } from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_IP_CAPTURED, PACKET_L4_OFFSET } from '../../src/abi/packet.ts';
import { checksumOf, pseudoHeaderOf } from '../conntrack/checksum.ts';
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../conntrack/entry.ts';
import { GROWN } from '../packet/grown.ts';
import { put16 } from '../packet/rewrite.ts';

const LONGEST: u32 = 65535;
const IPV6_HEADER: u32 = 40;

/**
 * `size` bytes at `text` take the place of `length` bytes, `at` bytes behind the begin of the transport header. Lengths and checksums follow. False: the packet would be too long, and stays as it is.
 */
export function replaceData(slot: usize, protocol: u32, at: u32, length: u32, text: usize, size: u32): bool {
  const total = load<u32>(slot, FIELD_LENGTH * 4) + size - length;
  if (total > LONGEST) return false;
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  const before = load<u32>(slot, FIELD_L4_LENGTH * 4);
  const from = GROWN + ((offset + at) as usize);
  if ((load<u32>(slot, PACKET_IP) as usize) !== GROWN) memory.copy(GROWN, load<u32>(slot, PACKET_IP), (offset + before) as usize);
  memory.copy(from + (size as usize), from + (length as usize), (before - at - length) as usize);
  memory.copy(from, text, size as usize);
  store<u32>(slot, GROWN as u32, PACKET_IP);
  store<u32>(slot, offset + before + size - length, PACKET_IP_CAPTURED);
  store<u32>(slot, total, FIELD_LENGTH * 4);
  store<u32>(slot, before + size - length, FIELD_L4_LENGTH * 4);
  if (load<u32>(slot, FIELD_FAMILY * 4) === 6) put16(GROWN + 4, total - IPV6_HEADER);
  else putIpv4Length(total);
  if (protocol === PROTOCOL_UDP) put16(GROWN + ((offset + 4) as usize), total - offset);
  sumUp(slot, protocol);
  return true;
}

function putIpv4Length(total: u32): void {
  put16(GROWN + 2, total);
  store<u16>(GROWN, 0, 10);
  store<u16>(GROWN, checksumOf(GROWN, ((load<u8>(GROWN) as u32) & 15) << 2, 0), 10);
}

/** The checksum anew, over all that is there, whatever it was before; UDP without one stays so. */
export function sumUp(slot: usize, protocol: u32): void {
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  const header = (load<u32>(slot, PACKET_IP) + offset) as usize;
  const field = header + (protocol === PROTOCOL_TCP ? 16 : 6);
  if (protocol === PROTOCOL_UDP && load<u16>(field) === 0) return;
  store<u16>(field, 0);
  const pseudo = pseudoHeaderOf(slot, protocol, load<u32>(slot, FIELD_LENGTH * 4) - offset);
  const sum = checksumOf(header, load<u32>(slot, FIELD_L4_LENGTH * 4), pseudo);
  store<u16>(field, sum === 0 ? 0xffff : sum);
}
