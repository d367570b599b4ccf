/** The packet that most packets are, told by its bytes: a frame that plain.ts decodes, with a TCP segment whose only flags are ACK and, perhaps, PSH. */
import { lenient } from '../stack/host.ts';
import { checksumGood } from './plain.ts';

const ETHERNET: u32 = 14;
/** Both headers without options. */
const HEADERS: u32 = 40;
/** EtherType 0x0800, version 4, five words of header, as they lie. */
const IPV4_PLAIN: u32 = 0x450008;
const TCP: u8 = 6;
/** Of a TCP header's byte 13: all flags without PSH; ACK. */
const FLAGS: u32 = 0x37;
const ACK: u32 = 0x10;

/** Whether the Ethernet frame of `captured` bytes is one. Such a frame decodePlain decodes. */
export function isPlainSegment(frame: usize, captured: u32): bool {
  if (!ASC_FEATURE_SIMD || captured < ETHERNET + HEADERS) return false;
  if ((load<u32>(frame, 12) & 0xffffff) !== IPV4_PLAIN) return false;
  const ip = frame + ETHERNET;
  // More fragments, the fragment offset, the protocol.
  const asked = v128.and(v128.load(ip), i8x16(0, 0, 0, 0, 0, 0, 0x3f, -1, 0, -1, 0, 0, 0, 0, 0, 0));
  if (v128.any_true(v128.xor(asked, i8x16(0, 0, 0, 0, 0, 0, 0, 0, 0, TCP, 0, 0, 0, 0, 0, 0)))) return false;
  if (((load<u8>(ip, 33) as u32) & FLAGS) !== ACK) return false;
  const total = lengthAt(ip);
  return total >= HEADERS && total <= captured - ETHERNET && (lenient || checksumGood(ip));
}

/** The total length in an IPv4 header. */
export function lengthAt(ip: usize): u32 {
  return bswap(load<u16>(ip, 2)) as u32;
}
