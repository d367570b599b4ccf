/** IPv6 hop-by-hop options as the kernel checks them on arrival (ipv6_parse_hopopts and ip6_parse_tlv, net/ipv6/exthdrs.c). */
import { be16 } from './ethertype.ts';

const HEADER: u32 = 40;
const PAD_ONE: u32 = 0;
const PAD: u32 = 1;
const ROUTER_ALERT: u32 = 0x05;
const CALIPSO: u32 = 0x07;
const IOAM: u32 = 0x31;
const JUMBO: u32 = 0xc2;
/** net.ipv6.max_hbh_opts_number; padding does not count. */
const OPTIONS_MAXIMUM: u32 = 8;
const PADDING_MAXIMUM: u32 = 7;

/**
 * Checks the options behind the fixed header at `ip`. `present` bytes may be read, the packet is `total` long, `payload` is the
 * header's own length field. Gives the packet's length, which a jumbo option changes, or 0 when the kernel drops it.
 */
export function hopByHop(ip: usize, present: u32, total: u32, payload: u32): u32 {
  if (present < HEADER + 8) return 0;
  const end = HEADER + ((u32(load<u8>(ip, 41)) + 1) << 3);
  if (present < end) return 0;
  let at: u32 = HEADER + 2;
  let options: u32 = 0;
  let padding: u32 = 0;
  while (at < end) {
    const type: u32 = load<u8>(ip + at);
    if (type === PAD_ONE) {
      if (++padding > PADDING_MAXIMUM) return 0;
      at++;
      continue;
    }
    if (end - at < 2) return 0;
    const length = u32(load<u8>(ip + at + 1)) + 2;
    if (length > end - at) return 0;
    if (type === PAD) {
      padding += length;
      if (padding > PADDING_MAXIMUM || !isZero(ip + at + 2, length - 2)) return 0;
    } else {
      if (++options > OPTIONS_MAXIMUM) return 0;
      if (type === JUMBO) {
        const jumbo = jumboLength(ip, at, length);
        if (payload !== 0 || jumbo <= 65535 || jumbo > total - HEADER) return 0;
        total = jumbo + HEADER;
      } else if (!isAccepted(type, at, length)) {
        return 0;
      }
      padding = 0;
    }
    at += length;
  }
  return total;
}

function isZero(at: usize, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) {
    if (load<u8>(at + i) !== 0) return false;
  }
  return true;
}

/** 0 for a malformed option. */
function jumboLength(ip: usize, at: u32, length: u32): u32 {
  if (length !== 6 || (at & 3) !== 2) return 0;
  return (be16(ip + at + 2) << 16) | be16(ip + at + 4);
}

function isAccepted(type: u32, offset: u32, length: u32): bool {
  if (type === ROUTER_ALERT) return length === 4;
  // Dropped unless the label's domain was configured, which no capture tells.
  if (type === CALIPSO) return false;
  // IOAM is ignored unless switched on for the device, but must be aligned.
  if (type === IOAM) return (offset & 3) === 0;
  // The two highest bits say what to do with an unknown option; only 00 is skipped.
  return (type & 0xc0) === 0;
}
