/** HMARK (xt_HMARK.c): the packet mark from a hash. Parameters as abi/effects.ts lists them. */
import { FIELD_FAMILY, FIELD_MARK } from '../../src/abi/fields.ts';
import { PACKET_CT_ENTRY, PACKET_IP } from '../../src/abi/packet.ts';
import { icmpIsError } from '../conntrack/icmp';
import { entryAddress, entryPort, entryProtocol } from '../conntrack/index';
import { hashFinal } from '../nat/hash.ts';
import { sum16 } from '../packet/rewrite.ts';
import { wholeHeaders } from '../stack/host.ts';
import { headerLength, isWalked, portsOffset } from './header.ts';
import { be32, present } from './payload.ts';

const SOURCE_MASK: usize = 4;
const DESTINATION_MASK: usize = 20;
const PORT_MASK: usize = 36;
const PORT_SET: usize = 40;
const PROTOCOL_MASK: usize = 44;
const SEED: usize = 48;
const MODULUS: usize = 52;
const OFFSET: usize = 56;

const ICMP: u32 = 1;
const ICMPV6: u32 = 58;
const FRAGMENT: u32 = 44;
const ROUTING: u32 = 43;
const AUTHENTICATION: u32 = 51;
const ICMP_HEADER: u32 = 8;
const FIRST_QUESTION6: u32 = 128;

/** Of the packet in hand: one word each of source and destination, ports, whether there are any, protocol. */
let source: u32 = 0;
let destination: u32 = 0;
let ports: u32 = 0;
let ported: bool = false;
let protocol: u32 = 0;
/** Where the last walk over IPv6 headers ended, and whether it met a fragment header. */
let upperAt: u32 = 0;
let fragmented: bool = false;

/** `parameters`: where they lie. */
export function hashMark(parameters: usize, slot: usize): void {
  source = 0;
  destination = 0;
  ports = 0;
  ported = false;
  protocol = 0;
  const known = load<u32>(parameters) !== 0 ? takeConnection(parameters, slot) : takePacket(parameters, slot);
  if (!known) return;
  if (ported) swapPorts(parameters);
  const low = min<u32>(source, destination);
  const hash = hashThree(low, max<u32>(source, destination), ports, load<u32>(parameters, SEED));
  const bits = hash ^ (protocol & load<u32>(parameters, PROTOCOL_MASK));
  const scaled = ((bits as u64) * (load<u32>(parameters, MODULUS) as u64)) >> 32;
  store<u32>(slot, (scaled as u32) + load<u32>(parameters, OFFSET), FIELD_MARK * 4);
}

function swapPorts(parameters: usize): void {
  ports = (ports & load<u32>(parameters, PORT_MASK)) | load<u32>(parameters, PORT_SET);
  if ((ports & 0xffff) > ports >>> 16) ports = rotl<u32>(ports, 16);
}

/** The source of the original tuple and that of the answer. */
function takeConnection(parameters: usize, slot: usize): bool {
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  if (entry === 0) return false;
  for (let word: u32 = 0; word < 4; word++) {
    const at = (word << 2) as usize;
    source ^= entryAddress(entry, 0, true, word) & load<u32>(parameters + at, SOURCE_MASK);
    destination ^= entryAddress(entry, 1, true, word) & load<u32>(parameters + at, DESTINATION_MASK);
  }
  protocol = entryProtocol(entry);
  ported = protocol !== ICMP;
  if (ported) ports = (entryPort(entry, 0, true) << 16) | entryPort(entry, 1, true);
  return true;
}

function takePacket(parameters: usize, slot: usize): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const bytes = present(slot);
  return load<u32>(slot, FIELD_FAMILY * 4) === 6 ? takeIpv6(parameters, ip, bytes) : takeIpv4(parameters, ip, bytes);
}

/** Of an ICMP error the quoted packet, if its header is there. */
function takeIpv4(parameters: usize, outer: usize, bytes: u32): bool {
  let ip = outer;
  let present = bytes;
  if ((load<u8>(ip, 9) as u32) === ICMP) {
    const inner: u32 = (((load<u8>(ip) as u32) & 15) << 2) + ICMP_HEADER;
    const type: u32 = inner <= present ? (load<u8>(ip + ((inner - ICMP_HEADER) as usize)) as u32) : 31;
    if (icmpIsError(type)) {
      if (inner + 20 > present) return false;
      ip += inner as usize;
      present -= inner;
    }
  }
  source = be32(ip + 12) & load<u32>(parameters, SOURCE_MASK);
  destination = be32(ip + 16) & load<u32>(parameters, DESTINATION_MASK);
  protocol = load<u8>(ip, 9);
  // More fragments or an offset.
  if (protocol !== ICMP && (sum16(ip + 6) & 0x3fff) === 0) takePorts(ip, ((load<u8>(ip) as u32) & 15) << 2, present);
  return true;
}

/** A chain that cannot be walked hashes as zeros alone; that of a quoted packet leaves the mark as it is. */
function takeIpv6(parameters: usize, outer: usize, bytes: u32): bool {
  let ip = outer;
  let present = bytes;
  if (!walkUpper(ip, present)) {
    protocol = 0;
    return true;
  }
  if (protocol === ICMPV6 && !fragmented && upperAt + ICMP_HEADER <= present) {
    const type: u32 = load<u8>(ip + (upperAt as usize));
    if (type !== 0 && type < FIRST_QUESTION6) {
      const inner = upperAt + ICMP_HEADER;
      ip += inner as usize;
      present -= inner;
      if (present < 40 || load<u8>(ip) >> 4 !== 6 || !walkUpper(ip, present)) return false;
    }
  }
  for (let at: usize = 0; at < 16; at += 4) {
    source ^= be32(ip + 8 + at) & load<u32>(parameters + at, SOURCE_MASK);
    destination ^= be32(ip + 24 + at) & load<u32>(parameters + at, DESTINATION_MASK);
  }
  if (protocol !== ICMPV6 && !fragmented) takePorts(ip, upperAt, present);
  return true;
}

/** To the first header that is none of IPv6's own, or an authentication header. False: it cannot be found. */
function walkUpper(ip: usize, present: u32): bool {
  let next: u32 = load<u8>(ip, 6);
  let at: u32 = 40;
  fragmented = false;
  while (isWalked(next)) {
    if (at + 2 > present || ((next === ROUTING || next === FRAGMENT) && at + 4 > present)) return false;
    if (next === AUTHENTICATION) break;
    const header = ip + (at as usize);
    const after: u32 = load<u8>(header);
    if (next === FRAGMENT) {
      fragmented = true;
      if ((sum16(header + 2) & 0xfff8) !== 0) {
        protocol = after;
        return !isWalked(after);
      }
    }
    const length = headerLength(header, next);
    if (wholeHeaders && at + length > present) return false;
    at += length;
    next = after;
  }
  protocol = next;
  upperAt = at;
  return true;
}

/** Two ports, or an SPI, of the protocols that have them. */
function takePorts(ip: usize, offset: u32, present: u32): void {
  const at = portsOffset(protocol, offset);
  if (at === 0 || at + 4 > present) return;
  ports = be32(ip + (at as usize));
  ported = true;
}

/** jhash_3words (include/linux/jhash.h). */
function hashThree(first: u32, second: u32, third: u32, seed: u32): u32 {
  const start: u32 = seed + 0xdeadbeef + 12;
  return hashFinal(start + first, start + second, start + third);
}
