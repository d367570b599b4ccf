/** What a host answers to a packet that a rule refuses, or that the stack does not forward, as far as it can be foretold: the reset of nf_send_reset, the error of icmp_send (nf_reject_ipv4.c, nf_reject_ipv6.c, ipv4/icmp.c, ipv6/icmp.c). */
import { ERROR_MOST4, ERROR_MOST6, LEARNT_LEAST4 } from '../src/abi/answers.ts';
import {
  FIELD_CT_DIRECTION,
  FIELD_FAMILY,
  FIELD_IN_INTERFACE,
  FIELD_LENGTH,
  FIELD_PROTOCOL,
  FIELD_TCP_FLAGS,
} from '../src/abi/fields.ts';
import { PACKET_CT_ENTRY, PACKET_IP, PACKET_IP_CAPTURED, PACKET_L4_OFFSET, PACKET_STACK } from '../src/abi/packet.ts';
import {
  STACK_IP_OPTIONS,
  STACK_MTU,
  STACK_NO_ROUTE,
  STACK_SOURCE_SCOPE,
  STACK_TTL,
  STACK_UNREACHABLE,
} from '../src/abi/reasons.ts';
import { isReset as getsReset } from './conntrack/index';
import { asItCame, asSent, movesDestination } from './nat/answer.ts';
import { isReported, isTold } from './reported.ts';
import { answerable, drawnBytes, faultAt, isSwallowed, NO_FAULT, writeIntoOptions } from './stack/index.ts';

/**
 * u8 each: the type of the error, 0: it is a reset; the destination of the refused packet is translated, so that it is kept as it came; the error's code and one, 0: any; of a parameter problem of IPv4 the place in the header that it names,
 * 0: of anything else. u32 each: family; length of the refused packet, and how much of it is kept. u64: a bit for each byte of its IPv4 options that this host has filled in.
 */
const TYPE: usize = 0;
const TRANSLATED: usize = 1;
const CODE: usize = 2;
const POINTER: usize = 3;
const FAMILY: usize = 4;
const LENGTH: usize = 8;
const PRESENT: usize = 12;
const DRAWN: usize = 16;
/** The refused packet from its IP header on: what an error may quote; of a packet that is reset the IP header. */
const BYTES: usize = 24;
const QUOTED_MOST: u32 = ERROR_MOST6 - 48;
/** The TCP header of the reset. */
const HEADER: usize = BYTES + 40;
export const ANSWER_SIZE: usize = BYTES + QUOTED_MOST;

const IP_HEADER: u32 = 20;
const ICMP: u32 = 1;
const TCP: u32 = 6;
const UDP: u32 = 17;
const ICMPV6: u32 = 58;
const FIN: u32 = 1;
const SYN: u32 = 2;
const RST: u32 = 4;
const ACK: u32 = 16;
const TCP_HEADER: u32 = 20;
const ICMP_HEADER: u32 = 8;
const UNREACHABLE4: u32 = 3;
const FRAGMENTATION_NEEDED4: u32 = 4;
const TIME_EXCEEDED4: u32 = 11;
const UNREACHABLE6: u32 = 1;
const TOO_BIG6: u32 = 2;
const TIME_EXCEEDED6: u32 = 3;
const PARAMETER_PROBLEM6: u32 = 4;
/** Code 0, and one. */
const PARAMETER_PROBLEM4: u32 = 12 | (1 << 8);
/** With their codes: what is said of a protocol that nobody knows. */
const PROTOCOL_UNREACHABLE4: u32 = UNREACHABLE4 | ((2 + 1) << 8);
const UNKNOWN_HEADER6: u32 = PARAMETER_PROBLEM6 | ((1 + 1) << 8);
/** Of what answers are like: types of errors (a code and one << 8, where it must be that), and these. */
const RESET: u32 = 0;
export const NO_ANSWER: u32 = 255;

/** What REJECT answers a packet with; NO_ANSWER: with nothing. `arrived`: it came in, so that its checksum counts. */
export function answerOfRule(slot: usize, reset: bool, arrived: bool): u32 {
  if (reset) return getsReset(slot, arrived) ? RESET : NO_ANSWER;
  if (!isReported(slot, arrived)) return NO_ANSWER;
  return load<u32>(slot, FIELD_FAMILY * 4) === 6 ? UNREACHABLE6 : UNREACHABLE4;
}

/** What the stack answers a packet with that it does not forward (PACKET_STACK): ip_forward and ip_error, ip6_forward and ip6_pkt_discard. */
export function answerOfStack(slot: usize): u32 {
  const reason = load<u32>(slot, PACKET_STACK);
  // Options are looked at before the route is taken, wherever it leads.
  if (reason === STACK_IP_OPTIONS) return isTold(slot) ? PARAMETER_PROBLEM4 : NO_ANSWER;
  const type = errorAbout(reason, load<u32>(slot, FIELD_FAMILY * 4) === 6);
  return type !== NO_ANSWER && isTold(slot) && !isSwallowed(slot) ? type : NO_ANSWER;
}

/** What the stack answers a packet with that INPUT let through, if it knows its protocol not (ip_protocol_deliver_rcu, ip6_protocol_deliver_rcu): the packet still has its connection then, which others have left behind. */
export function answerOfDelivery(slot: usize): u32 {
  const protocol = load<u32>(slot, FIELD_PROTOCOL * 4);
  if (protocol === TCP || protocol === UDP || protocol === ICMP || protocol === ICMPV6 || !isTold(slot)) return NO_ANSWER;
  return load<u32>(slot, FIELD_FAMILY * 4) === 6 ? UNKNOWN_HEADER6 : PROTOCOL_UNREACHABLE4;
}

function errorAbout(reason: u32, six: bool): u32 {
  switch (reason) {
    case STACK_NO_ROUTE:
    case STACK_UNREACHABLE:
      return six ? UNREACHABLE6 : UNREACHABLE4;
    case STACK_MTU:
      return six ? TOO_BIG6 : UNREACHABLE4;
    case STACK_TTL:
      return six ? TIME_EXCEEDED6 : TIME_EXCEEDED4;
    case STACK_SOURCE_SCOPE:
      return UNREACHABLE6;
    default:
      return NO_ANSWER;
  }
}

/** Notes at `at` what the answer to the packet is like: `type` is one of the above. False: it cannot be foretold. */
export function expectAnswer(slot: usize, at: usize, type: u32): bool {
  const reset = type === RESET;
  const ip: usize = load<u32>(slot, PACKET_IP);
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const length = load<u32>(slot, FIELD_LENGTH * 4);
  const present = min<u32>(length, load<u32>(slot, PACKET_IP_CAPTURED));
  const kept = reset ? (six ? 40 : 20) : min<u32>(present, QUOTED_MOST);
  store<u8>(at, type as u8, TYPE);
  store<u8>(at, 0, TRANSLATED);
  store<u8>(at, (type >>> 8) as u8, CODE);
  store<u32>(at, six ? 6 : 4, FAMILY);
  store<u32>(at, length, LENGTH);
  store<u32>(at, kept, PRESENT);
  store<u8>(at, 0, POINTER);
  store<u64>(at, 0, DRAWN);
  memory.copy(at + BYTES, ip, kept);
  if (!reset && !six && !foretellOptions(slot, at, type)) return false;
  const transport = load<u32>(slot, PACKET_L4_OFFSET);
  if (reset) putReset(at + HEADER, ip + transport, length - transport, load<u32>(slot, FIELD_TCP_FLAGS * 4));
  const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4);
  if (!movesDestination(load<u32>(slot, PACKET_CT_ENTRY), direction)) return true;
  store<u8>(at, 1, TRANSLATED);
  return asItCame(load<u32>(slot, PACKET_CT_ENTRY), direction, at + BYTES, reset ? at + HEADER : 0, kept, six);
}

/** Of an error about a packet with IPv4 options, which the stack has written into when it came in. False: none is sent that could be foretold. */
function foretellOptions(slot: usize, at: usize, type: u32): bool {
  const length = (((load<u8>(at, BYTES) as u32) & 15) << 2) - IP_HEADER;
  if (length === 0 || load<u32>(slot, FIELD_IN_INTERFACE * 4) === 0) return true;
  writeIntoOptions(at + BYTES + IP_HEADER, length);
  store<u64>(at, drawnBytes, DRAWN);
  if (type === PARAMETER_PROBLEM4) store<u8>(at, (IP_HEADER + faultAt) as u8, POINTER);
  return answerable && (type === PARAMETER_PROBLEM4) === (faultAt !== NO_FAULT);
}

/** The packet in hand, an answer that is noted at `at`, is as OUTPUT had it afterwards. */
export function takeBackTranslation(slot: usize, at: usize): void {
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  const refused = 1 - load<u32>(slot, FIELD_CT_DIRECTION * 4);
  if (load<u8>(at, TRANSLATED) !== 0 && movesDestination(entry, refused)) asSent(slot, entry, load<u8>(at, TYPE) === RESET);
}

/** nf_reject_ip_tcphdr_put, but for the checksum. `length`: of the refused segment. */
function putReset(at: usize, segment: usize, length: u32, flags: u32): void {
  store<u16>(at, load<u16>(segment, 2));
  store<u16>(at, load<u16>(segment), 2);
  store<u64>(at, 0, 4);
  let answer = RST;
  if ((flags & ACK) !== 0) {
    store<u32>(at, load<u32>(segment, 8), 4);
  } else {
    const counted = (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0);
    const header = ((load<u8>(segment, 12) as u32) >>> 4) << 2;
    store<u32>(at, bswap(bswap(load<u32>(segment, 4)) + counted + length - header), 8);
    answer |= ACK;
  }
  store<u8>(at, 0x50, 12);
  store<u8>(at, answer, 13);
  // No window, no checksum, no urgent data.
  store<u16>(at, 0, 14);
  store<u32>(at, 0, 16);
}

/** A packet of the capture is the answer that is noted at `at`. `mtu`: of the device it would leave by, 0: nobody knows. */
export function isAnswer(slot: usize, at: usize, mtu: u32): bool {
  if (load<u32>(slot, FIELD_FAMILY * 4) !== load<u32>(at, FAMILY)) return false;
  return load<u8>(at, TYPE) === RESET ? isReset(slot, at) : isError(slot, at, mtu);
}

/** Where the message begins if the packet is a whole one of this protocol, with nothing between it and the IP header but IPv4's options; else 0. */
function messageOffset(ip: usize, six: bool, protocol: u32): u32 {
  if (six) return (load<u8>(ip, 6) as u32) === protocol ? 40 : 0;
  // More fragments and the fragment offset, as they lie.
  if ((load<u8>(ip, 9) as u32) !== protocol || (load<u16>(ip, 6) & 0xff3f) !== 0) return 0;
  return ((load<u8>(ip) as u32) & 15) << 2;
}

/** TTL and TOS are what rules made of them, and the checksum may be left to the device. */
function isReset(slot: usize, at: usize): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const six = load<u32>(at, FAMILY) === 6;
  const offset = messageOffset(ip, six, TCP);
  const length = load<u32>(slot, FIELD_LENGTH * 4);
  if (offset === 0 || length !== offset + TCP_HEADER || load<u32>(slot, PACKET_IP_CAPTURED) < length) return false;
  const from: usize = six ? 8 : 12;
  const size: usize = six ? 16 : 4;
  const refused = at + BYTES + from;
  if (memory.compare(ip + from, refused + size, size) !== 0 || memory.compare(ip + from + size, refused, size) !== 0)
    return false;
  // No identification, and not to be fragmented, as they lie.
  if (!six && load<u32>(ip, 4) !== 0x400000) return false;
  const segment = ip + offset;
  return memory.compare(segment, at + HEADER, 16) === 0 && load<u16>(segment, 18) === 0;
}

/** The error that quotes the refused packet, of which TTL, header checksum and options may have changed. */
function isError(slot: usize, at: usize, mtu: u32): bool {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const six = load<u32>(at, FAMILY) === 6;
  const offset = messageOffset(ip, six, six ? ICMPV6 : ICMP);
  if (offset === 0) return false;
  const begin = offset + ICMP_HEADER;
  const length = load<u32>(slot, FIELD_LENGTH * 4);
  const present = min<u32>(length, load<u32>(slot, PACKET_IP_CAPTURED));
  if (present < begin || !isOfLength(length, begin, load<u32>(at, LENGTH), six, mtu)) return false;
  const message = ip + offset;
  if (load<u8>(message) !== load<u8>(at, TYPE)) return false;
  // The place of the fault lies in the first byte of the word.
  const more = load<u32>(message, 4);
  if (more !== (load<u8>(at, POINTER) as u32) && (load<u8>(at, POINTER) !== 0 || !bearsMore(message, six))) return false;
  const code: u32 = load<u8>(at, CODE);
  if (code !== 0 && (load<u8>(message, 1) as u32) + 1 !== code) return false;
  const to: usize = six ? 24 : 16;
  const source: usize = six ? 8 : 12;
  if (memory.compare(ip + to, at + BYTES + source, six ? 16 : 4) !== 0) return false;
  return quotes(ip + begin, at + BYTES, min<u32>(present - begin, load<u32>(at, PRESENT)), six, load<u64>(at, DRAWN));
}

/** As much of the refused packet's `whole` length is quoted behind `begin` as an error takes, or the path: of IPv4 a device may take less, or the kernel have learnt of a smaller MTU. */
function isOfLength(length: u32, begin: u32, whole: u32, six: bool, mtu: u32): bool {
  let most: u32 = ERROR_MOST6;
  if (!six) most = mtu === 0 ? ERROR_MOST4 : min<u32>(mtu, ERROR_MOST4);
  // A whole header at least, and something behind it.
  if (most <= begin + IP_HEADER) return false;
  const expected = min<u32>(begin + whole, most);
  return length === expected || (!six && length >= <u32>LEARNT_LEAST4 && length < expected);
}

/** An error about what was too big tells for what, and one about a header where that lies. */
function bearsMore(message: usize, six: bool): bool {
  const type: u32 = load<u8>(message);
  return six
    ? type === TOO_BIG6 || type === PARAMETER_PROBLEM6
    : type === UNREACHABLE4 && load<u8>(message, 1) === FRAGMENTATION_NEEDED4;
}

/** `drawn`: a bit for each byte behind the fixed header of IPv4, where any will do. */
function quotes(quoted: usize, refused: usize, length: u32, six: bool, drawn: u64): bool {
  for (let i: u32 = 0; i < length; i++) {
    if (load<u8>(quoted + i) === load<u8>(refused + i)) continue;
    if (six ? i === 7 : i === 8 || i === 10 || i === 11) continue;
    if (i < IP_HEADER || i >= IP_HEADER + 40 || ((drawn >>> ((i - IP_HEADER) as u64)) & 1) === 0) return false;
  }
  return true;
}
