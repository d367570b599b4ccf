/**
 * A batch of packets looks its connections up before the first of them is judged, one step for all packets at a time: so that the table's cache misses overlap.
 * What it finds is a guess, made by the tag alone: the judge compares the key (plain.ts), or looks the connection up anew.
 */
import { TRACKING_FLAG_NAT } from '../../src/abi/conntrack';
import {
  FIELD_DESTINATION,
  FIELD_DPORT,
  FIELD_FAMILY,
  FIELD_FRAGMENT,
  FIELD_HEADER_ERROR,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  FIELD_SPORT,
} from '../../src/abi/fields';
import {
  PACKET_CT_GUESS,
  PACKET_CT_HASH,
  PACKET_CT_HIGH,
  PACKET_CT_LOW,
  PACKET_L4_OFFSET,
  PACKET_SIZE,
  PACKET_UNSEEN,
} from '../../src/abi/packet';
import { ALIAS_ENTRY } from './alias';
import { BUCKET_OVERFLOW, BUCKET_REFERENCES, BUCKET_SIZE, probe } from './bucket';
import { ENDPOINT_MASK, ENTRY_LOW, ENTRY_SIDES, ENTRY_STATUS, PROTOCOL_TCP, PROTOCOL_UDP, STATUS_ALIAS } from './entry';
import { guessedEntry, REFERENCE_HALF } from './half';
import { flag } from './parameters';
import { hasShortWay } from './plain';
import { bits, bucketAfter, buckets, count, EITHER_WAY, lookupRecord } from './table';
import { hashIPv4, keyHash, keyHigh, keyIPv6, keyLow, keySelf, keySwapped, looseHashIPv4 } from './tuple';

/** Where what was read goes. */
const READ: usize = memory.data(4, 4);
/** So many connections, at most, are in the second level's cache with their buckets: they need not be read ahead. */
const NEAR: u32 = 2048;
/** From REFERENCE_HALF to the size of a cache line. */
const LINE_SHIFT: u32 = 5;
/** Without extension headers. */
const IPV6_HEADER: u32 = 40;
/** Indices of swizzle into an IPv4 header from its addresses on, with the ports behind them, -1 for zero: from and to, as an entry has them. In memory, as others (follow.ts). */
const ENDS: usize = memory.data<i8>([9, 8, 3, 2, 1, 0, -1, -1, 11, 10, 7, 6, 5, 4, -1, -1]);

/** Puts their keys in the decoded slots from `slot` to before `end`, as far as they have one. */
export function conntrackKeys(slot: usize, end: usize): void {
  const short = hasShortWay();
  for (; slot < end; slot += PACKET_SIZE) {
    const wanted = short && hasPorts(slot);
    store<u32>(slot, 0, PACKET_CT_GUESS);
    store<u32>(slot, 0, PACKET_CT_HASH);
    if (wanted) putKey(slot);
  }
}

/**
 * `packets` slots in a row, behind `conntrackKeys` or `Keys.putOfSegment`: sets PACKET_CT_GUESS (an entry, and in the lowest bit whether the packet goes from the high end to the low one; 0 without).
 * Out: the last slot with a key for which there is no entry; each of them has the one before in PACKET_EDGE. All others have 0 there.
 */
export function conntrackAhead(slots: usize, packets: u32): usize {
  const end = slots + (packets as usize) * PACKET_SIZE;
  if (!hasShortWay()) return 0;
  // What is read so that it is near; kept, so that the reading stays.
  const far = count > NEAR;
  let read = far ? touchBuckets(slots, end) : 0;
  const base = buckets;
  const span = spanOf();
  let unknown: usize = 0;
  let slot = slots;
  while (true) {
    for (; slot < end; slot += PACKET_SIZE) {
      const hash = load<u32>(slot, PACKET_CT_HASH);
      if (hash === 0) break;
      const bucket = base + Place.of(hash, span);
      const hits = probe(bucket, hash | 1);
      if (hits === 0) break;
      // The edge lies behind the guess.
      store<u64>(slot, (load<u32>(bucket + ((ctz(hits) as usize) << 2), BUCKET_REFERENCES) | (hash & 1)) as u64, PACKET_CT_GUESS);
    }
    if (slot === end) break;
    // No key, or nobody has its tag in the bucket. What begins a connection costs so much more that a branch may go wrong there.
    const hash = load<u32>(slot, PACKET_CT_HASH);
    const record = hash === 0 ? 0 : candidateBehind(base + Place.of(hash, span), hash | 1);
    if (record !== 0 || hash === 0) store<u64>(slot, ((record as u32) | (hash & 1)) as u64, PACKET_CT_GUESS);
    else {
      store<u64>(slot, (unknown as u64) << 32, PACKET_CT_GUESS);
      unknown = slot;
    }
    slot += PACKET_SIZE;
  }
  if (far) read += touchEntries(slots, end);
  if (far && flag(TRACKING_FLAG_NAT)) read += touchTranslated(slots, end);
  store<u32>(READ, read);
  return unknown;
}

/** The buckets of all hashes are read. Four a step, and little code between: so the processor has as many of a batch's misses under way as it can. */
function touchBuckets(slots: usize, end: usize): u32 {
  const base = buckets;
  const span = spanOf();
  let read: u32 = 0;
  let slot = slots;
  for (; slot + 3 * PACKET_SIZE < end; slot += 4 * PACKET_SIZE) {
    read += load<u32>(base + Place.of(load<u32>(slot, PACKET_CT_HASH), span));
    read += load<u32>(base + Place.of(load<u32>(slot, PACKET_SIZE + PACKET_CT_HASH), span));
    read += load<u32>(base + Place.of(load<u32>(slot, 2 * PACKET_SIZE + PACKET_CT_HASH), span));
    read += load<u32>(base + Place.of(load<u32>(slot, 3 * PACKET_SIZE + PACKET_CT_HASH), span));
  }
  for (; slot < end; slot += PACKET_SIZE) read += load<u32>(base + Place.of(load<u32>(slot, PACKET_CT_HASH), span));
  return read;
}

/** Bytes of all buckets. */
function spanOf(): u64 {
  return (BUCKET_SIZE as u64) << bits;
}

/** The cache lines of all entries that were guessed, two of each and one of a half, in the same way. */
function touchEntries(slots: usize, end: usize): u32 {
  let read: u32 = 0;
  let slot = slots;
  for (; slot + 3 * PACKET_SIZE < end; slot += 4 * PACKET_SIZE) {
    read += wordsOfEntry(load<u32>(slot, PACKET_CT_GUESS));
    read += wordsOfEntry(load<u32>(slot, PACKET_SIZE + PACKET_CT_GUESS));
    read += wordsOfEntry(load<u32>(slot, 2 * PACKET_SIZE + PACKET_CT_GUESS));
    read += wordsOfEntry(load<u32>(slot, 3 * PACKET_SIZE + PACKET_CT_GUESS));
  }
  for (; slot < end; slot += PACKET_SIZE) read += wordsOfEntry(load<u32>(slot, PACKET_CT_GUESS));
  return read;
}

/** The same of the connections that aliases are of. What is one and what is not comes as by chance: no branch. */
function touchTranslated(slots: usize, end: usize): u32 {
  let read: u32 = 0;
  for (let slot = slots; slot < end; slot += PACKET_SIZE) {
    const record = guessedEntry(load<u32>(slot, PACKET_CT_GUESS));
    const isAlias = (load<u32>(record, ENTRY_STATUS) & STATUS_ALIAS) !== 0;
    read += wordsOfEntry(select<u32>(load<u32>(record, ALIAS_ENTRY), record as u32, isAlias));
  }
  return read;
}

/** Of a guess, whose lowest bits are none of the address: the first is in its first line, too. Of a half that line is read twice. */
function wordsOfEntry(guess: u32): u32 {
  const second = guess + <u32>ENTRY_SIDES - ((guess & REFERENCE_HALF) << LINE_SHIFT);
  return load<u32>(guess as usize, ENTRY_LOW) + load<u32>(second as usize);
}

function hasPorts(slot: usize): bool {
  if (load<u32>(slot, PACKET_UNSEEN) !== 0) return false;
  const protocol = load<u32>(slot, FIELD_PROTOCOL * 4);
  if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP) return false;
  if (load<u32>(slot, FIELD_FRAGMENT * 4) !== 0) return false;
  if (load<u32>(slot, FIELD_FAMILY * 4) === 4) return true;
  return load<u32>(slot, PACKET_L4_OFFSET) === IPV6_HEADER && load<u32>(slot, FIELD_HEADER_ERROR * 4) === 0;
}

/** The key of a packet (see tuple.ts) and its hash, in whose lowest bit (set in the table's tags) stands which way the packet goes. */
function putKey(slot: usize): void {
  const protocol = load<u32>(slot, FIELD_PROTOCOL * 4);
  if (load<u32>(slot, FIELD_FAMILY * 4) === 6) {
    putKey6(slot, load<u32>(slot, FIELD_SPORT * 4), load<u32>(slot, FIELD_DPORT * 4), protocol);
    return;
  }
  const from = ((load<u32>(slot, FIELD_SOURCE * 4) as u64) << 16) | (load<u32>(slot, FIELD_SPORT * 4) as u64);
  const to = ((load<u32>(slot, FIELD_DESTINATION * 4) as u64) << 16) | (load<u32>(slot, FIELD_DPORT * 4) as u64);
  Keys.put(slot, from, to, protocol);
}

/** The same of a slot with addresses of IPv6. The key is in hand then. */
export function putKey6(slot: usize, sport: u32, dport: u32, protocol: u32): void {
  keyIPv6(slot + FIELD_SOURCE * 4, slot + FIELD_DESTINATION * 4, sport, dport, protocol);
  store<u64>(slot, keyLow, PACKET_CT_LOW);
  store<u64>(slot, keyHigh, PACKET_CT_HIGH);
  store<u32>(slot, keySelf ? 0 : (keyHash ^ 1) | (keySwapped as u32), PACKET_CT_HASH);
}

/** The guess for a slot that has a key, of a packet that comes from `from` (an endpoint); looked for again where there was none: the connection may have begun since. */
export function guessOf(slot: usize, from: u64): u32 {
  const guess = load<u32>(slot, PACKET_CT_GUESS);
  if (guess !== 0) return guess;
  const low = load<u64>(slot, PACKET_CT_LOW);
  const high = load<u64>(slot, PACKET_CT_HIGH);
  const swapped = (from !== (low & ENDPOINT_MASK)) as u32;
  const entry = lookupRecord(low, high, hashIPv4(low, high), false, EITHER_WAY);
  // A connection to itself has a direction of its own kind.
  if (entry === 0 || (low & ENDPOINT_MASK) === high) return 0;
  store<u32>(slot, (entry as u32) | swapped, PACKET_CT_GUESS);
  return (entry as u32) | swapped;
}

/** As Keys. */
// biome-ignore lint/complexity/noStaticOnlyClass: @inline stands at methods only, as far as the linter goes
class Place {
  /** Where, among so many bytes of buckets, the one of a hash begins: as bucketOf, without a shift by what only memory knows. */
  @inline
  static of(hash: u32, span: u64): usize {
    return ((((hash as u64) * span) >>> 32) as usize) & ~(BUCKET_SIZE - 1);
  }
}

/** Part of those who call it: in the loop that marks plain segments (bare.ts) nothing is called. */
// biome-ignore lint/complexity/noStaticOnlyClass: @inline stands at methods only, as far as the linter goes
export class Keys {
  /** The same for a slot that is not decoded: a TCP segment behind an IPv4 header without options at `ip`. */
  @inline
  static putOfSegment(slot: usize, ip: usize): void {
    if (!ASC_FEATURE_SIMD) return;
    const ends = v128.swizzle(v128.load(ip, 12), v128.load(ENDS));
    Keys.put(slot, i64x2.extract_lane(ends, 0), i64x2.extract_lane(ends, 1), PROTOCOL_TCP);
  }

  /** The same of a datagram. */
  @inline
  static putOfDatagram(slot: usize, ip: usize): void {
    const from = ((bswap(load<u32>(ip, 12)) as u64) << 16) | (bswap(load<u16>(ip, 20)) as u64);
    const to = ((bswap(load<u32>(ip, 16)) as u64) << 16) | (bswap(load<u16>(ip, 22)) as u64);
    Keys.put(slot, from, to, PROTOCOL_UDP);
  }

  /** Of two endpoints, as an entry has them. */
  @inline
  static put(slot: usize, from: u64, to: u64, protocol: u32): void {
    const swapped = from > to;
    const low = select(to, from, swapped) | ((protocol as u64) << 48) | (4 << 56);
    const high = select(from, to, swapped);
    const hash = looseHashIPv4(low, high) & ~1;
    store<u64>(slot, low, PACKET_CT_LOW);
    store<u64>(slot, high, PACKET_CT_HIGH);
    // A connection to itself has a direction of its own kind: no guess. A hash of 0 is none, too.
    const directed = select<u32>(0, hash | (swapped as u32), from === to);
    store<u32>(slot, directed, PACKET_CT_HASH);
  }
}

/** The first record with the tag of a hash, whose place is in `bucket`, where it is not, whose key nobody compared; 0 if there is none. */
function candidateBehind(bucket: usize, tag: u32): usize {
  while (load<u32>(bucket, BUCKET_OVERFLOW) !== 0) {
    bucket = bucketAfter(bucket);
    const hits = probe(bucket, tag);
    if (hits !== 0) return load<u32>(bucket + ((ctz(hits) as usize) << 2), BUCKET_REFERENCES) as usize;
  }
  return 0;
}
