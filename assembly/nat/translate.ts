/** The bytes of a packet, or of one quoted by an ICMP error, get the source or the destination of the tuple in hand (net/netfilter/nf_nat_proto.c). */
import { crc32c } from '../conntrack/crc32c';
import {
  PROTOCOL_GRE,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  PROTOCOL_UDPLITE,
} from '../conntrack/entry';
import { innerRest, innerTransport, locateTransport } from '../conntrack/related';
import { halves, put16, putWords, sum16, sum32, updateChecksum } from '../packet/rewrite.ts';
import { TUPLE_DESTINATION, TUPLE_SOURCE, tupleDport, tupleSport } from './tuple';

const IPV4_HEADER: u32 = 20;
const IPV6_HEADER: u32 = 40;
const TCP_SIZE: u32 = 20;
const SCTP_SIZE: u32 = 12;

/** Sum of an address in bytes, in words of the tuple; how many halves it has. */
function addressSum(at: usize, six: bool): u32 {
  return six ? sum32(at) + sum32(at + 4) + sum32(at + 8) + sum32(at + 12) : sum32(at);
}

function wordsSum(words: usize, six: bool): u32 {
  const first = halves(load<u32>(words));
  return six ? first + halves(load<u32>(words, 4)) + halves(load<u32>(words, 8)) + halves(load<u32>(words, 12)) : first;
}

/** The IP header in hand. */
let address: usize = 0;
let words: usize = 0;
let isSix: bool = false;

/** A transport checksum follows the address in its pseudo header. */
function followAddress(at: usize): void {
  updateChecksum(at, addressSum(address, isSix), wordsSum(words, isSix), isSix ? 8 : 2);
}

/**
 * The IP packet at `ip`, of which `present` bytes are there. `protocol`: whose header its tuple has. False: too little of it is there, so that it is dropped.
 */
export function translate(ip: usize, present: u32, six: bool, protocol: u32, source: bool): bool {
  // Of a quoted packet: behind what the capture kept of it lies the next record.
  const header = six ? IPV6_HEADER : IPV4_HEADER;
  if (present < header) return false;
  address = ip + (six ? (source ? 8 : 24) : source ? 12 : 16);
  words = source ? TUPLE_SOURCE : TUPLE_DESTINATION;
  isSix = six;
  if (locateTransport(ip, present, six) && !translateTransport(innerTransport(), innerRest(), protocol, source)) return false;
  if (!six) updateChecksum(ip + 10, addressSum(address, false), wordsSum(words, false), 2);
  putWords(address, words, six ? 4 : 1);
  return true;
}

function translateTransport(header: usize, rest: u32, protocol: u32, source: bool): bool {
  const port = header + (source ? 0 : 2);
  const number = source ? tupleSport : tupleDport;
  if (protocol === PROTOCOL_TCP) {
    if (rest < 8) return false;
    if (rest >= TCP_SIZE) {
      followAddress(header + 16);
      updateChecksum(header + 16, sum16(port), number, 1);
    }
    put16(port, number);
  } else if (protocol === PROTOCOL_UDP || protocol === PROTOCOL_UDPLITE) {
    if (rest < 8) return false;
    if (protocol === PROTOCOL_UDPLITE || load<u16>(header, 6) !== 0) {
      followAddress(header + 6);
      updateChecksum(header + 6, sum16(port), number, 1);
      if (load<u16>(header, 6) === 0) store<u16>(header, 0xffff, 6);
    }
    put16(port, number);
  } else if (protocol === PROTOCOL_SCTP) {
    if (rest < 8) return false;
    put16(port, number);
    if (rest >= SCTP_SIZE) store<u32>(header, crc32c(header, rest), 8);
  } else if (protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMPV6) {
    if (rest < 8) return false;
    translateIcmp(header, protocol === PROTOCOL_ICMPV6);
  } else if (protocol === PROTOCOL_GRE) {
    return translateGre(header, rest, source);
  }
  return true;
}

/** ICMPv6's checksum covers the addresses; identifiers are those of questions and answers (of ICMPv6 of echo alone). */
function translateIcmp(header: usize, six: bool): void {
  const type = load<u8>(header) as u32;
  if (six) followAddress(header + 2);
  const identified = six ? type === 128 || type === 129 : type === 0 || type === 8 || (type >= 13 && type <= 18);
  if (!identified) return;
  updateChecksum(header + 2, sum16(header + 4), tupleSport, 1);
  put16(header + 4, tupleSport);
}

function translateGre(header: usize, rest: u32, source: bool): bool {
  if (rest < 8) return false;
  const version = load<u8>(header, 1) & 7;
  if (source || version === 0) return true;
  if (version !== 1) return false;
  put16(header + 6, tupleDport);
  return true;
}
