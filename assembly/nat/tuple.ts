/** The tuple in hand: what a connection's original direction looks like behind its translation, or is tried to look like. One at a time, in fixed places. */
import { FIELD_DESTINATION, FIELD_SOURCE } from '../../src/abi/fields';
import { entryFamily, entryPort, entryProtocol, entryZone, entryZoneIn, putEntryAddress } from '../conntrack/accessors';
import { PROTOCOL_ICMP, PROTOCOL_ICMPV6 } from '../conntrack/entry';
import { keyAsks, keyIPv4, keyIPv6, keyZone } from '../conntrack/tuple';
import { searchFor } from '../conntrack/zones';

/** Four words each, host order, most significant first. */
export const TUPLE_SOURCE: usize = memory.data(16, 16);
export const TUPLE_DESTINATION: usize = memory.data(16, 16);
/** Ports in host order; of ICMP the source's is the identifier, the destination's type << 8 | code of the question. */
export let tupleSport: u32 = 0;
export let tupleDport: u32 = 0;
export let tupleProtocol: u32 = 0;
export let tupleSix: bool = false;
export let tupleZone: u32 = 0;
/** The zones of its two directions. */
let askingZone: u32 = 0;
let replyZone: u32 = 0;

export function setTupleSport(port: u32): void {
  tupleSport = port;
}

export function setTupleDport(port: u32): void {
  tupleDport = port;
}

export function tupleIsIcmp(): bool {
  return tupleProtocol === PROTOCOL_ICMP || tupleProtocol === PROTOCOL_ICMPV6;
}

/** The other direction of an entry turned round: what a packet of `direction` becomes (nf_ct_invert_tuple of the reply, or of the original). */
export function tupleOpposite(entry: usize, direction: u32): void {
  const other = 1 - direction;
  begin(entry);
  putEnds(entry, other, false, true);
  tupleSport = entryPort(entry, other, false);
  tupleDport = entryPort(entry, other, true);
  if (!tupleIsIcmp()) return;
  // The identifier is the source of both; the question stands for the type.
  tupleSport = entryPort(entry, other, true);
  tupleDport = entryPort(entry, 0, false);
}

/** A direction of an entry as it is. */
export function tupleOf(entry: usize, direction: u32): void {
  begin(entry);
  putEnds(entry, direction, true, false);
  tupleSport = entryPort(entry, direction, true);
  tupleDport = entryPort(entry, direction, false);
}

function begin(entry: usize): void {
  tupleProtocol = entryProtocol(entry);
  tupleSix = entryFamily(entry) === 6;
  tupleZone = entryZone(entry);
  askingZone = entryZoneIn(entry, 0);
  replyZone = entryZoneIn(entry, 1);
}

/** `first`: the tuple's source is that of the entry's direction; `second` likewise for the destination. */
function putEnds(entry: usize, direction: u32, first: bool, second: bool): void {
  putEntryAddress(entry, direction, first, TUPLE_SOURCE);
  putEntryAddress(entry, direction, second, TUPLE_DESTINATION);
}

/** Four words. For so little a call of memory.copy costs more. */
export function copyAddress(to: usize, from: usize): void {
  store<u64>(to, load<u64>(from));
  store<u64>(to, load<u64>(from, 8), 8);
}

/** The key of the answers to the tuple in hand is the key in hand. */
export function keyOfReply(): void {
  keyOfReplyPlain();
  if (replyZone !== 0) keyZone(replyZone);
}

/** The live entry that a packet would be of that answers the tuple in hand; 0: none. Its direction: searchedDirection. */
export function searchReply(now: i64): usize {
  keyOfReplyPlain();
  return searchFor(askingZone, replyZone, now);
}

function keyOfReplyPlain(): void {
  // ICMP: the answering end stands with the question's kind, the asking one with the identifier.
  if (tupleSix) keyIPv6(TUPLE_DESTINATION, TUPLE_SOURCE, tupleDport, tupleSport, tupleProtocol);
  else keyIPv4(load<u32>(TUPLE_DESTINATION), load<u32>(TUPLE_SOURCE), tupleDport, tupleSport, tupleProtocol);
  if (tupleIsIcmp()) keyAsks(false);
}

/** The packet's own destination (or source) field differs from the tuple's. */
export function differs(slot: usize, source: bool): bool {
  const words = source ? TUPLE_SOURCE : TUPLE_DESTINATION;
  const field = slot + (source ? FIELD_SOURCE : FIELD_DESTINATION) * 4;
  return load<u64>(words) !== load<u64>(field) || load<u64>(words, 8) !== load<u64>(field, 8);
}
