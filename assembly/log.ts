/** Packets that reached a LOG rule, as they are in that moment. Layout: src/abi/log.ts. */
import { CONTROL_LOGS_LOST } from '../src/abi/control.ts';
import { FIELD_FAMILY, FIELD_IN_INTERFACE, FIELD_LENGTH, FIELD_MARK, FIELD_OUT_INTERFACE, FIELD_TTL } from '../src/abi/fields.ts';
import {
  LOG_BYTES,
  LOG_FAMILY,
  LOG_HEADER,
  LOG_IN,
  LOG_LENGTH,
  LOG_LINK,
  LOG_LINK_EMPTY,
  LOG_LINK_ETHERNET,
  LOG_LINK_NONE,
  LOG_MARK,
  LOG_NUMBER,
  LOG_OUT,
  LOG_REQUEST,
  LOG_SIZE,
} from '../src/abi/log.ts';
import { PACKET_IP, PACKET_IP_CAPTURED, PACKET_NUMBER, PACKET_WAY, WAY_LOOPBACK } from '../src/abi/packet.ts';
import { arrivalMacs } from './arrival.ts';
import { copying } from './broadcast.ts';
import { sum16, updateChecksum } from './packet/rewrite.ts';
import { addTo } from './tally.ts';

/** As they lie in memory. */
const TYPE_IPV4: u16 = 0x0008;
const TYPE_IPV6: u16 = 0xdd86;

let region: usize = 0;
let regionEnd: usize = 0;
let at: usize = 0;

/** A size of 0: nobody wants the records, and no rule makes any. */
export function setLogRegion(start: usize, size: u32): void {
  region = start;
  regionEnd = start + (size as usize);
  at = start;
}

/** More than half of the region is in use: the host takes the records before the next packet. */
export function logIsFull(): bool {
  return at - region > (regionEnd - region) >> 1;
}

/** Bytes of records, from the start of the region; they are gone afterwards. */
export function drainLog(): u32 {
  const bytes = (at - region) as u32;
  at = region;
  return bytes;
}

/** `request`: the number of the rule's request. */
export function logPacket(request: u32, slot: usize): void {
  const length = load<u32>(slot, FIELD_LENGTH * 4);
  const size = min<u32>(length, load<u32>(slot, PACKET_IP_CAPTURED));
  const end = (at + LOG_SIZE + size + 7) & ~7;
  if (end > regionEnd) {
    addTo(CONTROL_LOGS_LOST, 1);
    return;
  }
  store<u64>(at, load<u64>(slot, PACKET_NUMBER), LOG_NUMBER);
  store<u32>(at, request, LOG_REQUEST);
  store<u32>(at, load<u32>(slot, FIELD_IN_INTERFACE * 4), LOG_IN);
  store<u32>(at, load<u32>(slot, FIELD_OUT_INTERFACE * 4), LOG_OUT);
  store<u32>(at, load<u32>(slot, FIELD_MARK * 4), LOG_MARK);
  store<u32>(at, load<u32>(slot, FIELD_FAMILY * 4), LOG_FAMILY);
  store<u32>(at, length, LOG_LENGTH);
  store<u32>(at, size, LOG_BYTES);
  putLink(slot);
  const bytes = at + LOG_SIZE;
  memory.copy(bytes, load<u32>(slot, PACKET_IP), size);
  takeHop(bytes, load<u32>(slot, FIELD_FAMILY * 4) === 6, load<u32>(slot, FIELD_TTL * 4) as u8);
  at = end;
}

/** Of what forwarding took only the fields know. */
function takeHop(bytes: usize, six: bool, ttl: u8): void {
  const hop = bytes + (six ? 7 : 8);
  if (load<u8>(hop) === ttl) return;
  const before = sum16(bytes + 8);
  store<u8>(hop, ttl);
  if (!six) updateChecksum(bytes + 10, before, sum16(bytes + 8), 1);
}

/** Which link header the packet has at this hook. */
function putLink(slot: usize): void {
  store<u32>(at, LOG_LINK_NONE, LOG_LINK);
  if (load<u32>(slot, FIELD_IN_INTERFACE * 4) === 0) return;
  if (copying) {
    store<u32>(at, LOG_LINK_EMPTY, LOG_LINK);
    return;
  }
  const own = load<u32>(slot, PACKET_WAY) === WAY_LOOPBACK;
  const macs = arrivalMacs(slot);
  if (!own && macs === 0) return;
  store<u32>(at, LOG_LINK_ETHERNET, LOG_LINK);
  const header = at + LOG_HEADER;
  store<u64>(header, 0);
  store<u32>(header, 0, 8);
  if (!own) memory.copy(header, macs, 12);
  store<u16>(header, load<u32>(slot, FIELD_FAMILY * 4) === 6 ? TYPE_IPV6 : TYPE_IPV4, 12);
}
