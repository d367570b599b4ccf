/** IPv4: the checks of ip_rcv_core (net/ipv4/ip_input.c) in its order, then the static fields. */
import {
  FIELD_DESTINATION,
  FIELD_FRAGMENT,
  FIELD_HEADER_ERROR,
  FIELD_LENGTH,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  FIELD_TOS,
  FIELD_TTL,
} from '../../src/abi/fields.ts';
import {
  UNSEEN_IP_CHECKSUM,
  UNSEEN_IP_HEADER_LENGTH,
  UNSEEN_IP_SHORT,
  UNSEEN_IP_TOTAL_LENGTH,
  UNSEEN_IP_TRUNCATED,
  UNSEEN_IP_VERSION,
} from '../../src/abi/reasons.ts';
import { lenient } from '../stack/host.ts';
import { be16 } from './ethertype.ts';
import { doubt, unseen } from './ip.ts';
import { transport } from './transport.ts';

const HEADER: u32 = 20;

/** `captured` bytes lie at `ip`, padding of the frame included. */
export function ipv4(slot: usize, ip: usize, captured: u32): void {
  if (captured < HEADER) {
    unseen(slot, UNSEEN_IP_SHORT);
    return;
  }
  const first: u32 = load<u8>(ip);
  const header: u32 = (first & 15) << 2;
  if (first !== 0x45) {
    if (first >> 4 !== 4) {
      unseen(slot, UNSEEN_IP_VERSION);
      return;
    }
    if (header < HEADER) {
      unseen(slot, UNSEEN_IP_HEADER_LENGTH);
      return;
    }
    if (captured < header) {
      unseen(slot, UNSEEN_IP_SHORT);
      return;
    }
  }
  let total = be16(ip + 2);
  if (!lenient && !checksumGood(ip, header)) {
    doubt(slot, UNSEEN_IP_CHECKSUM);
    putHeader(slot, ip, total);
  }
  if (captured < total) {
    if (!lenient) {
      unseen(slot, UNSEEN_IP_TRUNCATED);
      return;
    }
  } else if (total < header) {
    // Segmentation offload and packets over 64 KiB have no total length.
    if (!lenient || total !== 0) {
      unseen(slot, UNSEEN_IP_TOTAL_LENGTH);
      return;
    }
    total = captured;
  }
  putHeader(slot, ip, total);
  transport(slot, ip, header, min<u32>(total, captured));
}

/** The ones' complement sum does not care for byte order, so words are taken as they lie. */
function checksumGood(ip: usize, header: u32): bool {
  const first = load<u64>(ip);
  const second = load<u64>(ip, 8);
  let sum = (first & 0xffffffff) + (first >>> 32) + (second & 0xffffffff) + (second >>> 32) + load<u32>(ip, 16);
  for (let at: u32 = HEADER; at < header; at += 4) sum += load<u32>(ip + at);
  sum = (sum & 0xffff) + ((sum >>> 16) & 0xffff) + (sum >>> 32);
  sum = (sum & 0xffff) + (sum >>> 16);
  return (sum & 0xffff) + (sum >>> 16) === 0xffff;
}

function putHeader(slot: usize, ip: usize, total: u32): void {
  store<u32>(slot, load<u8>(ip, 9), FIELD_PROTOCOL * 4);
  store<u32>(slot, be16(ip + 6) & 0x1fff, FIELD_FRAGMENT * 4);
  store<u32>(slot, total, FIELD_LENGTH * 4);
  store<u32>(slot, load<u8>(ip, 8), FIELD_TTL * 4);
  store<u32>(slot, load<u8>(ip, 1), FIELD_TOS * 4);
  store<u64>(slot, u64(bswap<u32>(load<u32>(ip, 12))), FIELD_SOURCE * 4);
  store<u64>(slot, 0, FIELD_SOURCE * 4 + 8);
  store<u64>(slot, u64(bswap<u32>(load<u32>(ip, 16))), FIELD_DESTINATION * 4);
  store<u64>(slot, 0, FIELD_DESTINATION * 4 + 8);
  // No header error, and the family behind it.
  store<u64>(slot, u64(4) << 32, FIELD_HEADER_ERROR * 4);
}
