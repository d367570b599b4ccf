/** The host's own answers in translated connections: on the wire they bear what the refused packet was sent to, in OUTPUT where it went. */
import {
  FIELD_CT_DIRECTION,
  FIELD_DESTINATION,
  FIELD_FAMILY,
  FIELD_ICMP_CODE,
  FIELD_ICMP_TYPE,
  FIELD_L4_LENGTH,
  FIELD_OUT_INTERFACE,
  FIELD_SOURCE,
  STATUS_DST_NAT,
  STATUS_SRC_NAT,
} from '../../src/abi/fields';
import { PACKET_CT_GUESS, PACKET_EDGE, PACKET_INTERFACE, PACKET_IP, PACKET_L4_OFFSET } from '../../src/abi/packet';
import { checksumOf, pseudoHeaderOf } from '../conntrack/checksum';
import { ENTRY_STATUS, PROTOCOL_ICMPV6, PROTOCOL_TCP } from '../conntrack/entry';
import { innerRest, innerTransport, locateTransport } from '../conntrack/related';
import { put16, putWords, readPorts, setAddress } from '../packet/rewrite.ts';
import { deviceTo, isLocal, readAddresses } from '../stack/index.ts';
import { sourceFor } from '../stack/source.ts';
import { isUnfinished, leaveUnfinished } from '../stack/unfinished';
import { translate } from './translate';
import { TUPLE_DESTINATION, TUPLE_SOURCE, tupleDport, tupleOf, tupleOpposite, tupleProtocol } from './tuple';

const ICMP_HEADER: u32 = 8;
/** Destination unreachable, and its code: no neighbour answers. */
const UNREACHABLE: u32 = 3;
const HOST: u32 = 1;
const UNREACHABLE6: u32 = 1;
const ADDRESS: u32 = 3;

/** Packets of a connection's direction go to another destination than they came for; an entry of 0 is none. */
export function movesDestination(entry: usize, direction: u32): bool {
  const bit: u32 = direction === 0 ? STATUS_DST_NAT : STATUS_SRC_NAT;
  return entry !== 0 && (load<u32>(entry, ENTRY_STATUS) & bit) !== 0;
}

/** A copy at `ip` of a refused packet of that direction, of which `present` bytes are there, has the destination it came for afterwards; and `reset`, the TCP header of its answer, the port. False: too little of it is there. */
export function asItCame(entry: usize, direction: u32, ip: usize, reset: usize, present: u32, six: bool): bool {
  tupleOf(entry, direction);
  if (reset === 0) return translate(ip, present, six, tupleProtocol, false);
  putWords(ip + (six ? 24 : 16), TUPLE_DESTINATION, six ? 4 : 1);
  put16(reset, tupleDport);
  return true;
}

/** The packet in hand, an answer on the wire, is as OUTPUT had it afterwards: a reset, or an error. */
export function asSent(slot: usize, entry: usize, reset: bool): void {
  const ip: usize = load<u32>(slot, PACKET_IP);
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const present = load<u32>(slot, PACKET_L4_OFFSET) + load<u32>(slot, FIELD_L4_LENGTH * 4);
  const direction = load<u32>(slot, FIELD_CT_DIRECTION * 4);
  const unfinished = isUnfinished(slot);
  if (reset) {
    tupleOf(entry, direction);
    translate(ip, present, six, PROTOCOL_TCP, true);
    memory.copy(slot + FIELD_SOURCE * 4, TUPLE_SOURCE, 16);
    locateTransport(ip, present, six);
    readPorts(slot, innerTransport());
  } else {
    asErrorSent(slot, entry, direction, ip, present, six);
  }
  readAddresses(slot);
  if (unfinished) leaveUnfinished(slot);
}

/** What packets of that direction bear, before they are translated, is an address of this host as their source. */
export function cameFromHere(slot: usize, entry: usize, direction: u32): bool {
  tupleOf(entry, direction);
  return isLocal(TUPLE_SOURCE, load<u32>(slot, FIELD_FAMILY * 4) === 6);
}

/** The packet in hand is on the wire one of that direction of a translated connection (`error`: about the other one), and is as OUTPUT had it afterwards; where it goes is not looked up, and if that was elsewhere, it was captured at no device. False: it is as it was. */
export function asAnswered(slot: usize, entry: usize, direction: u32, error: bool): bool {
  const unheard = error && isUnheard(slot, entry, 1 - direction);
  if (error && !unheard && !movesDestination(entry, 1 - direction)) return false;
  const ip: usize = load<u32>(slot, PACKET_IP);
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const present = load<u32>(slot, PACKET_L4_OFFSET) + load<u32>(slot, FIELD_L4_LENGTH * 4);
  const unfinished = isUnfinished(slot);
  if (unheard) {
    asUnheardSent(slot, entry, 1 - direction, ip, present, six);
  } else if (error) {
    asErrorSent(slot, entry, direction, ip, present, six);
  } else {
    tupleOf(entry, direction);
    if (!translate(ip, present, six, tupleProtocol, true) || !translate(ip, present, six, tupleProtocol, false)) return false;
    memory.copy(slot + FIELD_SOURCE * 4, TUPLE_SOURCE, 16);
    memory.copy(slot + FIELD_DESTINATION * 4, TUPLE_DESTINATION, 16);
    if (locateTransport(ip, present, six) && innerRest() >= 4) readPorts(slot, innerTransport());
  }
  readAddresses(slot);
  if (unfinished) leaveUnfinished(slot);
  // What was found ahead is that of other addresses.
  store<u32>(slot, 0, PACKET_CT_GUESS);
  store<u32>(slot, 0, PACKET_EDGE);
  return true;
}

/**
 * An error that is on the wire tells of a packet of that direction for which no neighbour answered (ipv4_link_failure): it was translated already, and told is the sender that it bears then, this host's address or not; nat OUTPUT turns the error to who sent the packet.
 */
function isUnheard(slot: usize, entry: usize, direction: u32): bool {
  const bit: u32 = direction === 0 ? STATUS_SRC_NAT : STATUS_DST_NAT;
  if ((load<u32>(entry, ENTRY_STATUS) & bit) === 0) return false;
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  if (load<u32>(slot, FIELD_ICMP_TYPE * 4) !== (six ? UNREACHABLE6 : UNREACHABLE)) return false;
  return load<u32>(slot, FIELD_ICMP_CODE * 4) === (six ? ADDRESS : HOST);
}

/** It quotes the packet as it left, and goes to its source: from there, if that is this host. */
function asUnheardSent(slot: usize, entry: usize, direction: u32, ip: usize, present: u32, six: bool): void {
  locateTransport(ip, present, six);
  const message = innerTransport();
  const length = innerRest();
  tupleOpposite(entry, direction);
  translate(message + ICMP_HEADER, length - ICMP_HEADER, six, tupleProtocol, true);
  translate(message + ICMP_HEADER, length - ICMP_HEADER, six, tupleProtocol, false);
  const source = isLocal(TUPLE_SOURCE, six) ? TUPLE_SOURCE : unheardSource(entry, direction, six);
  if (source !== 0) setAddress(slot, true, source);
  setAddress(slot, false, TUPLE_SOURCE);
  // By which device it left then, it was not captured at.
  store<u32>(slot, 0, PACKET_INTERFACE);
  store<u16>(message, 0, 2);
  store<u16>(message, checksumOf(message, length, six ? pseudoHeaderOf(slot, PROTOCOL_ICMPV6, length) : 0), 2);
}

/** What this host is for others whose address it gave the packet; 0: the error bears it. Where the packet's destination was translated, too, the error is from what that was before. */
function unheardSource(entry: usize, direction: u32, six: bool): usize {
  return movesDestination(entry, direction) ? sourceFor(six, deviceTo(TUPLE_SOURCE, six), TUPLE_SOURCE) : 0;
}

function asErrorSent(slot: usize, entry: usize, direction: u32, ip: usize, present: u32, six: bool): void {
  locateTransport(ip, present, six);
  const message = innerTransport();
  const length = innerRest();
  tupleOpposite(entry, 1 - direction);
  translate(message + ICMP_HEADER, length - ICMP_HEADER, six, tupleProtocol, false);
  const source = errorSource(slot, six);
  if (source !== 0) setAddress(slot, true, source);
  store<u16>(message, 0, 2);
  store<u16>(message, checksumOf(message, length, six ? pseudoHeaderOf(slot, PROTOCOL_ICMPV6, length) : 0), 2);
}

/** icmp_send, icmp6_send: an error comes from where the refused packet went (the destination in hand), if that is the host itself; else from what the host is for its receiver. Four words; 0: nobody knows. */
function errorSource(slot: usize, six: bool): usize {
  if (isLocal(TUPLE_DESTINATION, six)) return TUPLE_DESTINATION;
  const receiver = slot + FIELD_DESTINATION * 4;
  return isLocal(receiver, six) ? receiver : sourceFor(six, load<u32>(slot, FIELD_OUT_INTERFACE * 4), receiver);
}
