/** TCPMSS and TCPOPTSTRIP (xt_TCPMSS.c, xt_TCPOPTSTRIP.c). */
import { MSS_CLAMP } from '../../src/abi/effects.ts';
import { FIELD_FAMILY, FIELD_FRAGMENT, FIELD_L4_LENGTH, FIELD_LENGTH } from '../../src/abi/fields.ts';
import { PACKET_IP, PACKET_IP_CAPTURED } from '../../src/abi/packet.ts';
import { GROWN } from '../packet/grown.ts';
import { put16, sum16, updateChecksum } from '../packet/rewrite.ts';
import { skipExtensionHeaders, skippedTo } from '../packet/skip-headers.ts';
import { smallestMtu } from '../stack/mtu.ts';

const HEADER: u32 = 20;
const LONGEST: u32 = 60;
const MSS: u32 = 2;
const MSS_SIZE: u32 = 4;
const PADDING: u32 = 1;
/** What GROWN takes, with the option; a jumbogram has no field for its length that could grow. */
const LONGEST_PACKET: u32 = 65575;

/** Of the packet in hand: where its TCP header is (from the IP header), how many bytes it has from there on, how many of them were captured, and how many are the header. */
let tcpAt: u32 = 0;
let present: u32 = 0;
let there: u32 = 0;
let headerLength: u32 = 0;

/** False when the header chain is broken. */
function findTcp(slot: usize): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const length = load<u32>(slot, FIELD_LENGTH * 4);
  const captured = min<u32>(length, load<u32>(slot, PACKET_IP_CAPTURED));
  tcpAt = ((load<u8>(ip) as u32) & 15) << 2;
  if (load<u32>(slot, FIELD_FAMILY * 4) === 6) {
    if (!skipExtensionHeaders(ip, captured)) return false;
    tcpAt = skippedTo;
  }
  present = length > tcpAt ? length - tcpAt : 0;
  there = captured > tcpAt ? captured - tcpAt : 0;
  headerLength = there < HEADER ? 0 : ((load<u8>(ip + (tcpAt as usize), 12) as u32) >>> 4) << 2;
  return true;
}

/** The capture ends within the header: what the rest of it says is not known. */
function isCut(): bool {
  return there < present && (there < HEADER || there < headerLength);
}

/** A header of at least its fixed part, all of it in the packet. */
function isWhole(): bool {
  return headerLength >= HEADER && headerLength <= present;
}

/** How long the option at `at` is; one byte where it says nothing. */
function optionLength(at: usize): u32 {
  const length: u32 = load<u8>(at, 1);
  return (load<u8>(at) as u32) <= PADDING || length === 0 ? 1 : length;
}

/** False when the packet is dropped. */
export function limitSegments(slot: usize, asked: u32): bool {
  if (!findTcp(slot)) return false;
  if (load<u32>(slot, FIELD_FRAGMENT * 4) !== 0 || isCut()) return true;
  if (!isWhole()) return false;
  let wanted = asked;
  if (asked === MSS_CLAMP) {
    const headers: u32 = (load<u32>(slot, FIELD_FAMILY * 4) === 6 ? 40 : 20) + HEADER;
    const mtu = smallestMtu(slot);
    if (mtu <= headers) return false;
    wanted = mtu - headers;
  }
  const tcp = (load<u32>(slot, PACKET_IP) as usize) + (tcpAt as usize);
  for (let at: u32 = HEADER; at + MSS_SIZE <= headerLength; at += optionLength(tcp + (at as usize))) {
    const here = tcp + (at as usize);
    if ((load<u8>(here) as u32) !== MSS || (load<u8>(here, 1) as u32) !== MSS_SIZE) continue;
    const before = sum16(here + 2);
    if (before <= wanted) return true;
    put16(here + 2, wanted);
    updateChecksum(tcp + 16, before, wanted, 1);
    return true;
  }
  if (present === headerLength && headerLength < LONGEST && tcpAt + present <= LONGEST_PACKET) addSegmentSize(slot, wanted);
  return true;
}

/** In front of all options, and no more than is taken for granted without one. There is no room in the input: the packet moves. */
function addSegmentSize(slot: usize, asked: u32): void {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const wanted = min<u32>(asked, six ? 1220 : 536);
  const length = load<u32>(slot, FIELD_LENGTH * 4);
  const options = (tcpAt + HEADER) as usize;
  const tcp = GROWN + (tcpAt as usize);
  memory.copy(GROWN, ip, options);
  memory.copy(GROWN + options + (MSS_SIZE as usize), ip + options, (length as usize) - options);
  store<u8>(GROWN + options, MSS as u8);
  store<u8>(GROWN + options, MSS_SIZE as u8, 1);
  put16(GROWN + options + 2, wanted);
  updateChecksum(tcp + 16, present, present + MSS_SIZE, 1);
  updateChecksum(tcp + 16, 0, ((MSS << 8) | MSS_SIZE) + wanted, 2);
  const before = sum16(tcp + 12);
  const after = (before + 0x1000) & 0xffff;
  put16(tcp + 12, after);
  updateChecksum(tcp + 16, before, after, 1);
  const total = GROWN + (six ? 4 : 2);
  const said = sum16(total);
  put16(total, said + MSS_SIZE);
  if (!six) updateChecksum(GROWN + 10, said, said + MSS_SIZE, 1);
  store<u32>(slot, GROWN as u32, PACKET_IP);
  store<u32>(slot, length + MSS_SIZE, PACKET_IP_CAPTURED);
  store<u32>(slot, length + MSS_SIZE, FIELD_LENGTH * 4);
  store<u32>(slot, load<u32>(slot, FIELD_L4_LENGTH * 4) + MSS_SIZE, FIELD_L4_LENGTH * 4);
}

/** `kinds`: a bit for each kind of option. False when the packet is dropped. */
export function stripOptions(slot: usize, kinds: usize): bool {
  if (!findTcp(slot)) return false;
  if (load<u32>(slot, FIELD_FRAGMENT * 4) !== 0 || isCut()) return true;
  if (!isWhole()) return false;
  const tcp = (load<u32>(slot, PACKET_IP) as usize) + (tcpAt as usize);
  let length: u32 = 0;
  for (let at: u32 = HEADER; at + 1 < headerLength; at += length) {
    const here = tcp + (at as usize);
    const kind: u32 = load<u8>(here);
    length = optionLength(here);
    if (at + length > headerLength) break;
    if (((load<u32>(kinds + ((kind >>> 5) << 2)) >>> (kind & 31)) & 1) === 0) continue;
    for (let byte: u32 = at; byte < at + length; byte++) {
      const shift: u32 = (byte & 1) === 0 ? 8 : 0;
      updateChecksum(tcp + 16, (load<u8>(tcp + (byte as usize)) as u32) << shift, PADDING << shift, 1);
    }
    memory.fill(here, PADDING as u8, length as usize);
  }
  return true;
}
