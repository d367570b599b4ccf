/** Which address and port a connection gets (net/netfilter/nf_nat_core.c, get_unique_tuple): the tuple in hand is given, and becomes the one chosen. */
import { TCP_SYN_SENT, TCP_TIME_WAIT, TRACKING_FLAG_DRAWN_DESTINATIONS } from '../../src/abi/conntrack';
import { STATUS_SRC_NAT } from '../../src/abi/fields';
import { NAT_FEW, NAT_HARDER, NAT_TRIES } from '../../src/abi/nat';
import { ALIAS_ENTRY, ALIAS_OLDER } from '../conntrack/alias';
import { isOfCall } from '../conntrack/calls';
import {
  ENTRY_SIDES,
  ENTRY_STATUS,
  ENTRY_TCP_STATE,
  ENTRY_TIMEOUT,
  PROTOCOL_GRE,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  PROTOCOL_UDPLITE,
  SIDE_END,
  STATUS_SHIFTED,
  STATUS_TRANSLATED,
} from '../conntrack/entry';
import { mappedBefore } from '../conntrack/mapped';
import { flag } from '../conntrack/parameters';
import { release, remove } from '../conntrack/table';
import { findAnswers, searchedDirection } from '../conntrack/zones';
import { addressHash } from './hash';
import {
  copyAddress,
  keyOfReply,
  searchReply,
  setTupleDport,
  setTupleSport,
  TUPLE_DESTINATION,
  TUPLE_SOURCE,
  tupleDport,
  tupleIsIcmp,
  tupleOpposite,
  tupleProtocol,
  tupleSix,
  tupleSport,
  tupleZone,
} from './tuple';

/** The range (struct nf_nat_range2): addresses from low to high, four words each; ports from low to high, or shifted from the base on. */
export const RANGE_LOW: usize = memory.data(16, 16);
export const RANGE_HIGH: usize = memory.data(16, 16);
let mapsAddress: bool = false;
let mapsPort: bool = false;
let shifts: bool = false;
let random: bool = false;
let persistent: bool = false;
let portLow: u32 = 0;
let portHigh: u32 = 0;
let portBase: u32 = 0;

/** Lots were drawn for the port by the kernel, so that the one chosen here is as good as any. */
export let drawn: bool = false;

const SAVED: usize = memory.data(32, 16);

export function setRange(address: bool, isRandom: bool, isPersistent: bool): void {
  mapsAddress = address;
  random = isRandom;
  persistent = isPersistent;
  mapsPort = false;
  shifts = false;
}

export function setPorts(low: u32, high: u32, base: u32, isShifted: bool): void {
  mapsPort = true;
  shifts = isShifted;
  portLow = low;
  portHigh = high;
  portBase = base;
}

/** For the unconfirmed `entry`; `source`: its source is translated, else its destination. */
export function choose(entry: usize, source: bool, now: i64): void {
  drawn = false;
  if (source && !random) {
    if (sourceInRange()) {
      if (!isTaken(entry, now) || goesBack(entry, now)) return;
    } else if (takeMapping(entry, now)) {
      return;
    }
  }
  chooseAddress(source);
  if (!random) {
    if (!mapsPort) {
      if (!isTaken(entry, now)) return;
    } else if (!shifts && portInRange(source) && (portLow === portHigh || !isTaken(entry, now))) {
      return;
    }
  }
  choosePort(entry, source, now);
}

/** Answers to the tuple in hand could not be told from another connection's packets. */
function isTaken(entry: usize, now: i64): bool {
  keyOfReply();
  return findAnswers(entry, now) !== 0;
}

/**
 * Who sends what would answer the tuple in hand goes exactly the other way, and neither is translated: they may clash when this one is confirmed, where the protocol has no order of its own
 * (nf_nat_used_tuple_new).
 */
function goesBack(entry: usize, now: i64): bool {
  if (tupleProtocol === PROTOCOL_TCP || tupleProtocol === PROTOCOL_SCTP || tupleIsIcmp()) return false;
  const other = searchReply(now);
  if (other === 0 || searchedDirection(other) !== 0) return false;
  return ((load<u32>(entry, ENTRY_STATUS) | load<u32>(other, ENTRY_STATUS)) & (STATUS_TRANSLATED | STATUS_SHIFTED)) === 0;
}

/** Another connection from there is translated into the range already: alike, if nobody has that. Otherwise the tuple is as it was. */
function takeMapping(entry: usize, now: i64): bool {
  const sport = tupleSport;
  const dport = tupleDport;
  copyAddress(SAVED, TUPLE_SOURCE);
  copyAddress(SAVED + 16, TUPLE_DESTINATION);
  for (let alias = mappedBefore(entry); alias !== 0; alias = load<u32>(alias, ALIAS_OLDER) as usize) {
    const other = load<u32>(alias, ALIAS_ENTRY) as usize;
    if (load<i64>(other, ENTRY_TIMEOUT) <= now) continue;
    tupleOpposite(other, 0);
    copyAddress(TUPLE_DESTINATION, SAVED + 16);
    setTupleDport(dport);
    if (!sourceInRange()) continue;
    if (!isTaken(entry, now)) return true;
    break;
  }
  copyAddress(TUPLE_SOURCE, SAVED);
  copyAddress(TUPLE_DESTINATION, SAVED + 16);
  setTupleSport(sport);
  setTupleDport(dport);
  return false;
}

function sourceInRange(): bool {
  if (mapsAddress && (compare(TUPLE_SOURCE, RANGE_LOW) < 0 || compare(TUPLE_SOURCE, RANGE_HIGH) > 0)) return false;
  return !mapsPort || portInRange(true);
}

function compare(left: usize, right: usize): i32 {
  for (let at: usize = 0; at < 16; at += 4) {
    const one = load<u32>(left + at);
    const other = load<u32>(right + at);
    if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
}

/** What has no port is in every range. */
function portInRange(source: bool): bool {
  if (!hasPort() && !tupleIsIcmp() && tupleProtocol !== PROTOCOL_GRE) return true;
  const port = source || tupleIsIcmp() ? tupleSport : tupleDport;
  return port >= portLow && port <= portHigh;
}

function hasPort(): bool {
  const protocol = tupleProtocol;
  return protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP || protocol === PROTOCOL_UDPLITE || protocol === PROTOCOL_SCTP;
}

/** By a hash of both addresses, --persistent: of the source. Word by word; behind one that is below its bound the others are free. */
function chooseAddress(source: bool): void {
  if (!mapsAddress) return;
  const target = source ? TUPLE_SOURCE : TUPLE_DESTINATION;
  if (compare(RANGE_LOW, RANGE_HIGH) === 0) {
    copyAddress(target, RANGE_LOW);
    return;
  }
  const bytes: usize = tupleSix ? 16 : 4;
  let hash = addressHash(TUPLE_SOURCE, persistent ? 0 : bswap(load<u32>(TUPLE_DESTINATION + bytes - 4)) ^ tupleZone);
  let free = false;
  for (let at: usize = 0; at < bytes; at += 4) {
    const most = load<u32>(RANGE_HIGH + at);
    const least: u32 = free ? 0 : load<u32>(RANGE_LOW + at);
    const span: u32 = free ? 0xffffffff : most - least + 1;
    const word = (least + (((hash as u64) * (span as u64)) >> 32)) as u32;
    store<u32>(target + at, word);
    if (word !== most) free = true;
    // Of a destination this is the word just chosen, as in the kernel.
    if (!persistent) hash ^= bswap(load<u32>(TUPLE_DESTINATION + at));
  }
}

/** The first number to try, and how many there are. Ports stay among their like: below 512, below 1024, above; identifiers and keys of calls have no such kinds. */
function firstOf(port: u32, icmp: bool, ofCall: bool): u32 {
  if (mapsPort) return portLow;
  if (icmp) return 0;
  if (ofCall || port < 512) return 1;
  return port < 1024 ? 600 : 1024;
}

function sizeOf(port: u32, icmp: bool, ofCall: bool): u32 {
  if (mapsPort) return portHigh - portLow + 1;
  if (icmp) return 65536;
  if (ofCall) return 65535;
  if (port < 512) return 511;
  return port < 1024 ? 424 : 64512;
}

/** nf_nat_l4proto_unique_tuple: tries so many numbers, then begins elsewhere with half as many. */
function choosePort(entry: usize, source: bool, now: i64): void {
  const icmp = tupleIsIcmp();
  // GRE has keys where a call of PPTP gave it some.
  const ofCall = tupleProtocol === PROTOCOL_GRE && isOfCall(entry);
  if (!icmp && !ofCall && !hasPort()) return;
  if (!mapsPort && !source && !icmp && !ofCall) return;
  const port = icmp || source ? tupleSport : tupleDport;
  const first = firstOf(port, icmp, ofCall);
  const size = sizeOf(port, icmp, ofCall);
  const lots = !shifts && (random || source || flag(TRACKING_FLAG_DRAWN_DESTINATIONS));
  let offset: u32 = 0;
  if (shifts) offset = port - portBase;
  else if (lots) offset = (size >>> 1) + (port - first < size ? port - first : 0);
  drawn = lots && size > 1;
  let tries = min<u32>(size, NAT_TRIES);
  while (true) {
    for (let left = tries; left > 0; left--) {
      const tried = (first + ((offset & 0xffff) % size)) & 0xffff;
      if (icmp || source) setTupleSport(tried);
      else setTupleDport(tried);
      if (!isTakenHarder(entry, left, now)) return;
      offset++;
    }
    if (tries >= size || tries < <u32>NAT_FEW) return;
    tries >>= 1;
    drawn = true;
  }
}

/** When few tries are left, a SYN takes the place of a translated connection that is over and whose sequence numbers it has passed. */
function isTakenHarder(entry: usize, left: u32, now: i64): bool {
  if (left > <u32>NAT_HARDER || tupleProtocol !== PROTOCOL_TCP || load<u8>(entry, ENTRY_TCP_STATE) !== TCP_SYN_SENT)
    return isTaken(entry, now);
  const other = searchReply(now);
  if (other === 0) return false;
  if (searchedDirection(other) === 0 || (load<u32>(other, ENTRY_STATUS) & STATUS_SRC_NAT) === 0) return true;
  if ((load<u8>(other, ENTRY_TCP_STATE) as i32) < TCP_TIME_WAIT) return true;
  const ahead = load<u32>(entry, ENTRY_SIDES + SIDE_END) - load<u32>(other, ENTRY_SIDES + SIDE_END);
  if ((ahead as i32) <= 0) return true;
  remove(other);
  release(other);
  return false;
}
