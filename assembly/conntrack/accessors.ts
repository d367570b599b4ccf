/** What rules and reports ask an entry for (xt_conntrack.c). Directions: 0 original, 1 reply. Words and ports in host order. */
import { ALIAS_DRAWN, aliasOf } from './alias';
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

/** Where the tuple of a direction has its ends: of a reply that is not the original turned round, in an alias. */
function recordOf(entry: usize, direction: u32): usize {
  const alias = direction === 1 ? aliasOf(entry) : 0;
  return alias === 0 ? entry : alias;
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
  const record = recordOf(entry, direction);
  const high = isHigh(record, direction, source);
  const last = (endpoint(record, high) >> 16) as u32;
  if (entryFamily(record) === 4) return word === 0 ? last : 0;
  if (word === 3) return last;
  return load<u32>(record + (high ? 12 : 0) + ((word << 2) as usize), ENTRY_UPPER);
}

/** All four words of it, to `to`. */
export function putEntryAddress(entry: usize, direction: u32, source: bool, to: usize): void {
  const record = recordOf(entry, direction);
  const high = isHigh(record, direction, source);
  const last = endpoint(record, high) >> 16;
  if (entryFamily(record) === 4) {
    store<u64>(to, last);
    store<u64>(to, 0, 8);
    return;
  }
  const upper = record + (high ? 12 : 0);
  store<u64>(to, load<u64>(upper, ENTRY_UPPER));
  store<u64>(to, (load<u32>(upper, ENTRY_UPPER + 8) as u64) | (last << 32), 8);
}

/** Whether that address is the one at `words`, four of them. */
export function isAt(entry: usize, direction: u32, source: bool, words: usize): bool {
  for (let word: u32 = 0; word < 4; word++) {
    if (load<u32>(words + ((word << 2) as usize)) !== entryAddress(entry, direction, source, word)) return false;
  }
  return true;
}

/** The source or destination port of a tuple; ICMP: the source is the identifier, the destination type << 8 | code. */
export function entryPort(entry: usize, direction: u32, source: bool): u32 {
  const protocol = entryProtocol(entry);
  if (direction === 1 && (protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMPV6)) {
    // Both directions have the identifier as their source, and the answer has a type of its own.
    const record = recordOf(entry, 1);
    if (source) return (endpoint(record, isHigh(record, 0, true)) & 0xffff) as u32;
    const kind = (endpoint(record, isHigh(record, 0, false)) & 0xffff) as u32;
    const question = kind >>> 8;
    const answer = protocol === PROTOCOL_ICMP ? icmpAnswer(question) : question + 1;
    return (answer << 8) | (kind & 0xff);
  }
  const record = recordOf(entry, direction);
  return (endpoint(record, isHigh(record, direction, source)) & 0xffff) as u32;
}

/** IPS_* bits that rules can ask for. */
export function entryStatus(entry: usize): u32 {
  return load<u32>(entry, ENTRY_STATUS) & STATUS_VISIBLE;
}

/** The connection's mark. */
export function entryMark(entry: usize): u32 {
  return load<u32>(entry, ENTRY_MARK);
}

/** The zone of a direction, 0 for none. */
export function entryZoneIn(entry: usize, direction: u32): u32 {
  return (load<u64>(recordOf(entry, direction), ENTRY_HIGH) >> 48) as u32;
}

/** The zone, of both directions or of one; 0 for none. */
export function entryZone(entry: usize): u32 {
  return entryZoneIn(entry, 0) | entryZoneIn(entry, 1);
}

export function setEntryMark(entry: usize, mark: u32): void {
  store<u32>(entry, mark, ENTRY_MARK);
}

/** Whole seconds until the entry expires at `now` (jiffies); 0 for an unconfirmed one. */
export function entryExpires(entry: usize, now: i64): u32 {
  return jiffiesLeft(entry, now) / hz();
}

/** NAT_DRAWN_*: ports of the translation that the kernel draws by lot. */
export function entryDrawn(entry: usize): u32 {
  const alias = aliasOf(entry);
  return alias === 0 ? 0 : load<u32>(alias, ALIAS_DRAWN);
}

/** TCP_* of abi/conntrack.ts. */
export function entryTcpState(entry: usize): u32 {
  return load<u8>(entry, ENTRY_TCP_STATE) as u32;
}
