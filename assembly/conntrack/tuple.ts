/**
 * The tuple of a packet as a symmetric key (see entry.ts) with its hash. Building one leaves it in the globals of this file: one key is in
 * hand at a time, and nothing is allocated.
 */
import { TRACKING_SEED } from '../../src/abi/conntrack';
import { FIELD_DESTINATION, FIELD_FAMILY, FIELD_SOURCE } from '../../src/abi/fields';
import {
  ASKED_BY_HIGH,
  ENDPOINT_MASK,
  ENTRY_HASH,
  ENTRY_HIGH,
  ENTRY_LOW,
  ENTRY_SWAPPED,
  ENTRY_UPPER,
  FAMILY_MASK,
  UPPER_SIZE,
} from './entry';
import { PARAMETERS } from './parameters';

/** The key in hand, as ENTRY_LOW and ENTRY_HIGH. */
export let keyLow: u64 = 0;
export let keyHigh: u64 = 0;
/** Its hash, lowest bit set. */
export let keyHash: u32 = 0;
/** The packet goes from the high to the low endpoint. */
export let keySwapped: bool = false;
/** Both endpoints are the same: the packet equals its own answer. */
export let keySelf: bool = false;
export let keyIs6: bool = false;
/** Words 0, 1, 2 of the low and the high IPv6 address. */
export const KEY_UPPER: usize = memory.data(UPPER_SIZE as i32, 16);

/** Odd constants without pattern; in halves, for editors read them as doubles. */
const FIRST_FACTOR: u64 = ((0x9e3779b9 as u64) << 32) | 0x7f4a7c15;
const SECOND_FACTOR: u64 = ((0xd6e8feb8 as u64) << 32) | 0x6659fd93;

/** Keyed mixing; bits from all of the input reach all of the upper half, which is the hash. */
function mix(hash: u64, value: u64): u64 {
  const product = (hash ^ value) * FIRST_FACTOR;
  return product ^ (product >> 32);
}

function finish(hash: u64): u32 {
  return unfinished(hash) | 1;
}

function unfinished(hash: u64): u32 {
  return ((hash * SECOND_FACTOR) >> 32) as u32;
}

/** The hash of an IPv4 key. */
export function hashIPv4(low: u64, high: u64): u32 {
  return finish(mix(mix(load<u64>(PARAMETERS, TRACKING_SEED), low), high));
}

/** The same, but for the lowest bit, which is as it comes. */
export function looseHashIPv4(low: u64, high: u64): u32 {
  return unfinished(mix(mix(load<u64>(PARAMETERS, TRACKING_SEED), low), high));
}

/** IPv4. Addresses and ports in host order; `protocol` as on the wire. */
export function keyIPv4(source: u32, destination: u32, sport: u32, dport: u32, protocol: u32): void {
  const from = ((source as u64) << 16) | (sport as u64);
  const to = ((destination as u64) << 16) | (dport as u64);
  const swapped = from > to;
  const low = select(to, from, swapped) | ((protocol as u64) << 48) | (4 << 56);
  const high = select(from, to, swapped);
  keyLow = low;
  keyHigh = high;
  keySwapped = swapped;
  keySelf = from === to;
  keyIs6 = false;
  keyHash = hashIPv4(low, high);
}

/** IPv6. `source` and `destination` point to four words in host order, most significant first; ports in host order. */
export function keyIPv6(source: usize, destination: usize, sport: u32, dport: u32, protocol: u32): void {
  const from = ((load<u32>(source, 12) as u64) << 16) | (sport as u64);
  const to = ((load<u32>(destination, 12) as u64) << 16) | (dport as u64);
  const order = compareUpper(source, destination);
  const swapped = from > to || (from === to && order > 0);
  const lower = swapped ? destination : source;
  const higher = swapped ? source : destination;
  store<u64>(KEY_UPPER, load<u64>(lower));
  store<u32>(KEY_UPPER, load<u32>(lower, 8), 8);
  store<u32>(KEY_UPPER, load<u32>(higher), 12);
  store<u64>(KEY_UPPER, load<u64>(higher, 4), 16);
  const low = (swapped ? to : from) | ((protocol as u64) << 48) | (6 << 56);
  const high = swapped ? from : to;
  keyLow = low;
  keyHigh = high;
  keySwapped = swapped;
  keySelf = from === to && order === 0;
  keyIs6 = true;
  keyHash = hashIPv6(low, high);
}

/** The hash of an IPv6 key whose upper words are in hand. */
function hashIPv6(low: u64, high: u64): u32 {
  let hash = mix(mix(load<u64>(PARAMETERS, TRACKING_SEED), low), high);
  hash = mix(hash, load<u64>(KEY_UPPER));
  hash = mix(hash, load<u64>(KEY_UPPER, 8));
  return finish(mix(hash, load<u64>(KEY_UPPER, 16)));
}

/** Behind all other parts of a key: connections of different zones know nothing of each other. */
export function keyZone(zone: u32): void {
  keyHigh |= (zone as u64) << 48;
  keyHash = finish(mix(keyHash as u64, zone as u64));
}

/** The key in hand in another zone than it was. `plain`: the hash it has without a zone. */
export function keyInZone(plain: u32, zone: u32): void {
  keyHigh &= ENDPOINT_MASK;
  keyHash = plain;
  if (zone !== 0) keyZone(zone);
}

/** The key in hand, of a connection, is one without a zone. */
export function keyPlain(): void {
  keyHigh &= ENDPOINT_MASK;
  keySelf = (keyLow & ENDPOINT_MASK) === keyHigh && (!keyIs6 || compareUpper(KEY_UPPER, KEY_UPPER + 12) === 0);
  const low = keyLow & ~ASKED_BY_HIGH;
  keyHash = keyIs6 ? hashIPv6(low, keyHigh) : hashIPv4(low, keyHigh);
}

/** The key in hand is that of the other direction. */
export function keyTurned(): void {
  if (!keySelf) keySwapped = !keySwapped;
}

/** What has this key is kept apart from what has it without this. */
export function keyApart(): void {
  keyHigh |= 1;
  keyHash = finish(mix(keyHash as u64, 1));
}

/** A packet's, with ports or what stands for them. */
export function keyPacket(slot: usize, protocol: u32, sport: u32, dport: u32): void {
  if (load<u32>(slot, FIELD_FAMILY * 4) === 4) {
    keyIPv4(load<u32>(slot, FIELD_SOURCE * 4), load<u32>(slot, FIELD_DESTINATION * 4), sport, dport, protocol);
  } else {
    keyIPv6(slot + FIELD_SOURCE * 4, slot + FIELD_DESTINATION * 4, sport, dport, protocol);
  }
}

/**
 * ICMP only, behind keyIPv4 or keyIPv6: who asks becomes part of the key, for an identifier can look like the type and code that stand for
 * the other port. `question`: the packet asks.
 */
export function keyAsks(question: bool): void {
  if (!keySelf && keySwapped === question) keyLow |= ASKED_BY_HIGH;
}

/** The key of an entry's answers is in hand: its own, gone through the other way, or that of its `alias` (0: none). */
export function keyAnswersOf(entry: usize, alias: usize): void {
  keyRecord(alias === 0 ? entry : alias);
  keySwapped = !keySwapped;
}

/** The key of a record is in hand, as a packet of the direction it was made from has it. */
export function keyRecord(record: usize): void {
  keyLow = load<u64>(record, ENTRY_LOW);
  keyHigh = load<u64>(record, ENTRY_HIGH);
  keyHash = load<u32>(record, ENTRY_HASH);
  keySwapped = load<u8>(record, ENTRY_SWAPPED) !== 0;
  keySelf = false;
  keyIs6 = ((keyLow >> 56) & FAMILY_MASK) === 6;
  if (keyIs6) memory.copy(KEY_UPPER, record + ENTRY_UPPER, UPPER_SIZE);
}

/** The source of an entry's original direction, as the key of a list (alias.ts): the end with the protocol, and nothing; the family is one higher than any packet's. */
export function keySource(entry: usize): void {
  const high = load<u8>(entry, ENTRY_SWAPPED) !== 0;
  const low = load<u64>(entry, ENTRY_LOW);
  const end = load<u64>(entry + (high ? ENTRY_HIGH : ENTRY_LOW)) & ENDPOINT_MASK;
  const family = (low >> 56) & FAMILY_MASK;
  keyLow = end | (low & (0xff << 48)) | ((family + 1) << 56);
  keyHigh = 0;
  keySwapped = false;
  keySelf = false;
  keyIs6 = family === 6;
  memory.fill(KEY_UPPER, 0, UPPER_SIZE);
  if (!keyIs6) {
    keyHash = hashIPv4(keyLow, 0);
    return;
  }
  memory.copy(KEY_UPPER, entry + ENTRY_UPPER + (high ? 12 : 0), 12);
  keyHash = hashIPv6(keyLow, 0);
}

/** The key of a list of count.ts: a rule's, of an address (four words as FIELD_SOURCE has them) in a zone. Its family is none that a packet has. */
export function keyCounted(rule: u32, address: usize, six: bool, zone: u32): void {
  keyLow = (rule as u64) | ((six ? 2 : 1) << 56);
  keyHigh = ((load<u32>(six ? address + 12 : address) as u64) << 16) | ((zone as u64) << 48);
  keySwapped = false;
  keySelf = false;
  keyIs6 = six;
  if (!six) {
    keyHash = hashIPv4(keyLow, keyHigh);
    return;
  }
  memory.fill(KEY_UPPER, 0, UPPER_SIZE);
  memory.copy(KEY_UPPER, address, 12);
  keyHash = hashIPv6(keyLow, keyHigh);
}

/** Bytes of a key that is kept. */
export const KEY_SIZE: usize = 48;
const KEPT_MOST: usize = 4;
const KEPT_SIZE: usize = KEY_SIZE;
const KEPT: usize = memory.data(192, 16);
let kept: usize = KEPT;

/** The key in hand is to be in hand again. Those who keep keys may call each other: the last kept comes back first. */
export function keepKey(): void {
  assert(kept < KEPT + KEPT_SIZE * KEPT_MOST);
  putKey(kept);
  kept += KEPT_SIZE;
}

/** The key in hand into KEY_SIZE bytes. */
export function putKey(at: usize): void {
  store<u64>(at, keyLow);
  store<u64>(at, keyHigh, 8);
  store<u32>(at, keyHash, 16);
  store<u8>(at, keySwapped ? 1 : 0, 20);
  store<u8>(at, keySelf ? 1 : 0, 21);
  store<u8>(at, keyIs6 ? 1 : 0, 22);
  memory.copy(at + 24, KEY_UPPER, UPPER_SIZE);
}

/** The key there is the one in hand, gone through the same way. */
export function holdsKey(at: usize): bool {
  if (load<u64>(at) !== keyLow || load<u64>(at, 8) !== keyHigh || (load<u8>(at, 20) !== 0) !== keySwapped) return false;
  return !keyIs6 || memory.compare(at + 24, KEY_UPPER, UPPER_SIZE) === 0;
}

export function restoreKey(): void {
  kept -= KEPT_SIZE;
  keyLow = load<u64>(kept);
  keyHigh = load<u64>(kept, 8);
  keyHash = load<u32>(kept, 16);
  keySwapped = load<u8>(kept, 20) !== 0;
  keySelf = load<u8>(kept, 21) !== 0;
  keyIs6 = load<u8>(kept, 22) !== 0;
  memory.copy(KEY_UPPER, kept + 24, UPPER_SIZE);
}

/** Any total order of the first three words will do; 0 when they are equal. */
function compareUpper(a: usize, b: usize): i32 {
  for (let offset: usize = 0; offset < 12; offset += 4) {
    const left = load<u32>(a + offset);
    const right = load<u32>(b + offset);
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

/** Whether the IPv6 entry has the upper words of the key in hand. */
export function upperMatches(entry: usize): bool {
  return (
    load<u64>(entry, ENTRY_UPPER) === load<u64>(KEY_UPPER) &&
    load<u64>(entry, ENTRY_UPPER + 8) === load<u64>(KEY_UPPER, 8) &&
    load<u64>(entry, ENTRY_UPPER + 16) === load<u64>(KEY_UPPER, 16)
  );
}

/** The direction in which the key in hand goes through the entry it found: 0 original, 1 reply. */
export function directionOf(entry: usize): u32 {
  // Both tuples of a connection to itself are the same; the kernel's hash chain has that of the reply first.
  if (keySelf) return 1;
  return (keySwapped ? 1 : 0) ^ (load<u8>(entry, ENTRY_SWAPPED) as u32);
}
