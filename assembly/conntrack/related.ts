/** ICMP errors: the connection that the quoted packet belongs to (nf_conntrack_proto_icmp.c, nf_conntrack_inet_error). */
import { FIELD_DESTINATION } from '../../src/abi/fields';
import { INVALID_ICMP_INNER, INVALID_ICMP_MISMATCH, INVALID_ICMP_UNRELATED, INVALID_NONE } from '../../src/abi/reasons';
import { entryAddress } from './accessors';
import { senderKey } from './calls';
import {
  PROTOCOL_GRE,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_NO_NEXT,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  PROTOCOL_UDPLITE,
} from './entry';
import { GRE_NONE, greKey } from './gre';
import { ICMP_HEADER_SIZE, ICMP_UNPAIRED, icmpQuestion } from './icmp';
import { icmpv6Question } from './icmpv6';
import { keyAsks, keyIPv4, keyIPv6 } from './tuple';
import { search, searchedDirection } from './zones';

const IPV4_HEADER_SIZE: u32 = 20;
const IPV6_HEADER_SIZE: u32 = 40;
const EXTENSION_HOP: u32 = 0;
const EXTENSION_ROUTING: u32 = 43;
const EXTENSION_FRAGMENT: u32 = 44;
const EXTENSION_AUTH: u32 = 51;
const EXTENSION_DESTINATION: u32 = 60;

/** Addresses of a quoted IPv6 packet, in host order. */
const WORDS: usize = memory.data(32, 16);

/** The quoted packet's transport: protocol, where it begins and how much is there. */
let protocol: u32 = 0;
let transport: usize = 0;
let rest: u32 = 0;
/** The ports, or what stands for them, as keys have them. */
let sport: u32 = 0;
let dport: u32 = 0;
/** The quoted packet is an ICMP question. */
let asks: bool = false;

/** What `findRelated` found: the entry, and the direction in which the error travels. */
export let relatedEntry: usize = 0;
export let relatedDirection: u32 = 0;

/** In: the quoted packet and the bytes of it that are there. Out: INVALID_NONE with the connection in the globals, or why not. */
export function findRelated(slot: usize, inner: usize, present: u32, family: u32, now: i64): u32 {
  if (!keyOfError(inner, present, family)) return INVALID_ICMP_INNER;
  const icmp = protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMPV6;
  const entry = search(now);
  if (entry === 0) return INVALID_ICMP_UNRELATED;
  const direction: u32 = icmp ? (asks ? 1 : 0) : searchedDirection(entry);
  for (let word: u32 = 0; word < 4; word++) {
    const outer = load<u32>(slot + ((word << 2) as usize), FIELD_DESTINATION * 4);
    if (entryAddress(entry, direction, false, word) !== outer) return INVALID_ICMP_MISMATCH;
  }
  relatedEntry = entry;
  relatedDirection = direction;
  return INVALID_NONE;
}

/** The key of an error about a quoted packet is in hand, without a zone: it travels against that, so source and destination change places. False: too little is quoted. */
export function keyOfError(inner: usize, present: u32, family: u32): bool {
  if (!(family === 4 ? transportOfIPv4(inner, present) : transportOfIPv6(inner, present))) return false;
  if (!ports()) return false;
  if (protocol === PROTOCOL_GRE && family === 4) {
    sport = senderKey(transport, rest, bswap(load<u32>(inner, 12)), bswap(load<u32>(inner, 16)), dport);
  }
  if (family === 4) {
    keyIPv4(bswap(load<u32>(inner, 16)), bswap(load<u32>(inner, 12)), dport, sport, protocol);
  } else {
    for (let word: usize = 0; word < 32; word += 4) store<u32>(WORDS + word, bswap(load<u32>(inner + word, 8)));
    keyIPv6(WORDS + 16, WORDS, dport, sport, protocol);
  }
  if (protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMPV6) keyAsks(!asks);
  return true;
}

/** Finds the transport header of an IP packet of which `present` bytes are there: innerTransport and innerRest. False: there is none. */
export function locateTransport(ip: usize, present: u32, six: bool): bool {
  return six ? transportOfIPv6(ip, present) : transportOfIPv4(ip, present);
}

export function innerTransport(): usize {
  return transport;
}

export function innerRest(): u32 {
  return rest;
}

/** As the kernel: neither the version nor a header length below 5 is looked at. */
function transportOfIPv4(inner: usize, present: u32): bool {
  if (present < IPV4_HEADER_SIZE) return false;
  if (bswap(load<u16>(inner, 6)) & 0x1fff) return false;
  const offset = ((load<u8>(inner) & 15) as u32) << 2;
  if (offset > present) return false;
  protocol = load<u8>(inner, 9) as u32;
  transport = inner + offset;
  rest = present - offset;
  return true;
}

/** Skips extension headers (ipv6_skip_exthdr); a non-first fragment or a cut header fails. */
function transportOfIPv6(inner: usize, present: u32): bool {
  if (present < IPV6_HEADER_SIZE) return false;
  let next = load<u8>(inner, 6) as u32;
  let offset = IPV6_HEADER_SIZE;
  while (
    next === EXTENSION_HOP ||
    next === EXTENSION_ROUTING ||
    next === EXTENSION_FRAGMENT ||
    next === EXTENSION_AUTH ||
    next === EXTENSION_DESTINATION ||
    next === PROTOCOL_NO_NEXT
  ) {
    if (next === PROTOCOL_NO_NEXT || offset + 2 > present) return false;
    const header = inner + offset;
    let size = ((load<u8>(header, 1) as u32) + 1) << 3;
    if (next === EXTENSION_AUTH) size = ((load<u8>(header, 1) as u32) + 2) << 2;
    if (next === EXTENSION_FRAGMENT) {
      if (offset + 4 > present) return false;
      if (bswap(load<u16>(header, 2)) & 0xfff8) return false;
      size = 8;
    }
    next = load<u8>(header) as u32;
    offset += size;
  }
  protocol = next;
  transport = inner + offset;
  rest = offset > present ? 0 : present - offset;
  return true;
}

/** What stands for ports in the quoted packet's key. False when there is no tuple or none that can be turned round. */
function ports(): bool {
  sport = 0;
  dport = 0;
  if (protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP || protocol === PROTOCOL_UDPLITE || protocol === PROTOCOL_SCTP) {
    if (rest < 4) return false;
    sport = bswap(load<u16>(transport)) as u32;
    dport = bswap(load<u16>(transport, 2)) as u32;
  } else if (protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMPV6) {
    if (rest < ICMP_HEADER_SIZE) return false;
    const type = load<u8>(transport) as u32;
    const question = protocol === PROTOCOL_ICMP ? icmpQuestion(type) : icmpv6Question(type);
    if (question === ICMP_UNPAIRED) return false;
    const identifier = bswap(load<u16>(transport, 4)) as u32;
    const kind = (question << 8) | (load<u8>(transport, 1) as u32);
    asks = type === question;
    sport = asks ? identifier : kind;
    dport = asks ? kind : identifier;
  } else if (protocol === PROTOCOL_GRE) {
    dport = greKey(transport, rest);
    return dport !== GRE_NONE;
  }
  return true;
}
