/** What rules and reports ask an entry for (xt_conntrack.c). Directions: 0 original, 1 reply. Words and ports in host order. */
import {
  ENDPOINT_MASK,
  ENTRY_HIGH,
  ENTRY_LOW,
  ENTRY_MARK,
  ENTRY_STATUS,
  ENTRY_SWAPPED,
  ENTRY_TCP_STATE,
  ENTRY_UPPER,
  FAMILY_MASK,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  STATUS_VISIBLE,
} from './entry';
import { icmpAnswer } from './icmp';
import { hz } from './parameters';
import { jiffiesLeft } from './timeout';

/** The protocol number of the connection. */
export function entryProtocol(entry: usize): u32 {
  return ((load<u64>(entry, ENTRY_LOW) >> 48) & 0xff) as u32;
}

/** 4 or 6. */
export function entryFamily(entry: usize): u32 {
  return ((load<u64>(entry, ENTRY_LOW) >> 56) & FAMILY_MASK) as u32;
}

/** Whether the source (or destination) of the tuple in this direction is the high endpoint. */
function isHigh(entry: usize, direction: u32, source: bool): bool {
  return (((load<u8>(entry, ENTRY_SWAPPED) as u32) ^ direction ^ (source ? 0 : 1)) & 1) !== 0;
}

function endpoint(entry: usize, high: bool): u64 {
  return load<u64>(entry + (high ? ENTRY_HIGH : ENTRY_LOW)) & ENDPOINT_MASK;
}

/** A word (0 to 3, as FIELD_SOURCE has them) of the source or destination address of a tuple. */
export function entryAddress(entry: usize, direction: u32, source: bool, word: u32): u32 {
  const high = isHigh(entry, direction, source);
  const last = (endpoint(entry, high) >> 16) as u32;
  if (entryFamily(entry) === 4) return word === 0 ? last : 0;
  if (word === 3) return last;
  return load<u32>(entry + (high ? 12 : 0) + ((word << 2) as usize), ENTRY_UPPER);
}

/** The source or destination port of a tuple; ICMP: the source is the identifier, the destination type << 8 | code. */
export function entryPort(entry: usize, direction: u32, source: bool): u32 {
  const protocol = entryProtocol(entry);
  if (direction === 1 && (protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMPV6)) {
    // Both directions have the identifier as their source, and the answer has a type of its own.
    if (source) return (endpoint(entry, isHigh(entry, 0, true)) & 0xffff) as u32;
    const kind = (endpoint(entry, isHigh(entry, 0, false)) & 0xffff) as u32;
    const question = kind >>> 8;
    const answer = protocol === PROTOCOL_ICMP ? icmpAnswer(question) : question + 1;
    return (answer << 8) | (kind & 0xff);
  }
  return (endpoint(entry, isHigh(entry, direction, source)) & 0xffff) as u32;
}

/** IPS_* bits that rules can ask for. */
export function entryStatus(entry: usize): u32 {
  return load<u32>(entry, ENTRY_STATUS) & STATUS_VISIBLE;
}

/** The connection's mark. */
export function entryMark(entry: usize): u32 {
  return load<u32>(entry, ENTRY_MARK);
}

/** The zone, 0 for none. */
export function entryZone(entry: usize): u32 {
  return (load<u64>(entry, ENTRY_HIGH) >> 48) as u32;
}

export function setEntryMark(entry: usize, mark: u32): void {
  store<u32>(entry, mark, ENTRY_MARK);
}

/** Whole seconds until the entry expires at `now` (jiffies); 0 for an unconfirmed one. */
export function entryExpires(entry: usize, now: i64): u32 {
  return jiffiesLeft(entry, now) / hz();
}

/** TCP_* of abi/conntrack.ts. */
export function entryTcpState(entry: usize): u32 {
  return load<u8>(entry, ENTRY_TCP_STATE) as u32;
}
