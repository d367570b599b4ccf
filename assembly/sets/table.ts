/** Whether a packet is in a set: ip_set_core.c, ip_set_hash_gen.h, ip_set_list_set.c of net/netfilter/ipset. */
import { FIELD_LENGTH } from '../../src/abi/fields.ts';
import {
  ENTRY_BYTES,
  ENTRY_FLAGS,
  ENTRY_IS_HOLE,
  ENTRY_IS_NOMATCH,
  ENTRY_KEY,
  ENTRY_MARK,
  ENTRY_MARK_MASK,
  ENTRY_NEXT,
  ENTRY_PACKETS,
  PART_WORDS,
  SET_COUNT,
  SET_FEATURES,
  SET_HAS_BINDINGS,
  SET_HAS_COUNTERS,
  SET_HAS_IFACE,
  SET_HAS_INFO,
  SET_HAS_MEMBERS,
  SET_PREFIXES,
} from '../../src/abi/sets.ts';
import {
  SET_COUNT_BYTES,
  SET_COUNT_EQUAL,
  SET_COUNT_LESS,
  SET_COUNT_PACKETS,
  SET_COUNT_UNEQUAL,
  SET_NO_SUB_UPDATE,
  SET_NO_UPDATE,
  SET_NOMATCH,
} from '../../src/abi/special.ts';
import { fillsWaiting, isBound } from './binding.ts';
import { KEY, takeKey } from './parts.ts';
import {
  ADDRESS_BYTES,
  entryAt,
  find,
  hasNetworks,
  isOfInterface,
  isOver,
  networkPart,
  partAt,
  placeOf,
  region,
  setAt,
  shorten,
} from './region.ts';

/** Offsets of a test's parameters. */
const FLAGS: usize = 4;
const SIDES: usize = 8;
const SOURCES: usize = 12;
const PACKETS: usize = 16;
const BYTES: usize = 24;

const COUNTERS: u32 = ~((1 << SET_COUNT_PACKETS) - 1);

/** What the elements that were looked at last say of the packet's mark: mask 0 leaves it as it is. */
export let infoMark: u32 = 0;
export let infoMask: u32 = 0;

/** ip_set_test, with the parameters of SPECIAL_SET. */
export function isInSet(parameters: usize, slot: usize): bool {
  const set = setAt(load<u32>(parameters));
  const flags = load<u32>(parameters, FLAGS);
  infoMark = 0;
  infoMask = 0;
  if ((load<u32>(set, SET_FEATURES) & SET_HAS_MEMBERS) === 0) return testSet(set, flags, parameters, slot);
  // What sets in a list count is never compared.
  let inner = flags & ~COUNTERS;
  if ((flags & SET_NO_SUB_UPDATE) !== 0) inner |= SET_NO_UPDATE;
  for (let number: u32 = 1; number <= load<u32>(set, SET_COUNT); number++) {
    const member = entryAt(set, number);
    if (isOver(member, slot) || !testSet(setAt(load<u32>(member, ENTRY_KEY)), inner, parameters, slot)) continue;
    if (holds(set, member, flags, parameters, slot)) return true;
  }
  return false;
}

function testSet(set: usize, flags: u32, parameters: usize, slot: usize): bool {
  if (!takeKey(set, load<u32>(parameters, SIDES), load<u32>(parameters, SOURCES), slot)) return false;
  const features = load<u32>(set, SET_FEATURES);
  if ((features & SET_HAS_BINDINGS) !== 0) return testBinding(set, flags, parameters, slot);
  const named = (features & SET_HAS_IFACE) !== 0;
  const entry = named ? searchInterface(set, flags, parameters, slot) : search(set, flags, parameters, slot);
  if (entry === 0) return false;
  const against = (load<u32>(entry, ENTRY_FLAGS) & ENTRY_IS_NOMATCH) !== 0;
  return against === ((flags & SET_NOMATCH) !== 0 && hasNetworks(set));
}

const WHOLE: usize = memory.data(32, 8);

/** The first entry that speaks of the packet: of networks the smallest, the first part's before the second's. 0: there is none. */
function search(set: usize, flags: u32, parameters: usize, slot: usize): usize {
  const first = networkPart(set, 0);
  const second = networkPart(set, 1);
  const firsts = region + load<u32>(set, SET_PREFIXES);
  const seconds = region + load<u32>(set, SET_PREFIXES + 4);
  keepAddress(first, WHOLE);
  keepAddress(second, WHOLE + ADDRESS_BYTES);
  for (let one: u32 = 1; one <= load<u32>(firsts); one++) {
    shorten(first, WHOLE, load<u32>(firsts + (one << 2)));
    for (let two: u32 = 1; two <= load<u32>(seconds); two++) {
      shorten(second, WHOLE + ADDRESS_BYTES, load<u32>(seconds + (two << 2)));
      const number = find(set);
      if (number === 0) continue;
      const entry = entryAt(set, number);
      if (holds(set, entry, flags, parameters, slot)) return entry;
    }
  }
  return 0;
}

/**
 * The same of hash:net,iface: entries of one network are looked through in the order in which they came; where there are any, and none of them spoke, larger networks are not asked.
 */
function searchInterface(set: usize, flags: u32, parameters: usize, slot: usize): usize {
  const prefixes = region + load<u32>(set, SET_PREFIXES);
  keepAddress(0, WHOLE);
  for (let one: u32 = 1; one <= load<u32>(prefixes); one++) {
    shorten(0, WHOLE, load<u32>(prefixes + (one << 2)));
    let met = false;
    let number = load<u32>(placeOf(set, KEY));
    while (number !== 0) {
      const entry = entryAt(set, number);
      number = load<u32>(entry, ENTRY_NEXT);
      if (memory.compare(entry + ENTRY_KEY, KEY, PART_WORDS << 2) !== 0) continue;
      if ((load<u32>(entry, ENTRY_FLAGS) & ENTRY_IS_HOLE) !== 0) continue;
      met = true;
      if (!isOfInterface(entry)) continue;
      if (holds(set, entry, flags, parameters, slot)) return entry;
      met = false;
    }
    if (met) return 0;
  }
  return 0;
}

function testBinding(set: usize, flags: u32, parameters: usize, slot: usize): bool {
  const number = find(set);
  if (number === 0) return false;
  const entry = entryAt(set, number);
  return fillsWaiting(entry, slot) || (isBound(entry) && holds(set, entry, flags, parameters, slot));
}

function keepAddress(part: i32, to: usize): void {
  if (part >= 0) memory.copy(to, partAt(part), ADDRESS_BYTES);
}

/** ip_set_match_extensions: expired ones are not there; what is looked at counts, and then its counters decide. */
function holds(set: usize, entry: usize, flags: u32, parameters: usize, slot: usize): bool {
  const features = load<u32>(set, SET_FEATURES);
  if (isOver(entry, slot)) return false;
  if ((features & SET_HAS_COUNTERS) !== 0) {
    if ((flags & SET_NO_UPDATE) === 0) {
      store<u64>(entry, load<u64>(entry, ENTRY_PACKETS) + 1, ENTRY_PACKETS);
      store<u64>(entry, load<u64>(entry, ENTRY_BYTES) + (load<u32>(slot, FIELD_LENGTH * 4) as u64), ENTRY_BYTES);
    }
    if (
      !compare((flags >>> SET_COUNT_PACKETS) & 7, load<u64>(entry, ENTRY_PACKETS), parameters + PACKETS) ||
      !compare((flags >>> SET_COUNT_BYTES) & 7, load<u64>(entry, ENTRY_BYTES), parameters + BYTES)
    )
      return false;
  }
  if ((features & SET_HAS_INFO) !== 0) {
    infoMark = load<u32>(entry, ENTRY_MARK);
    infoMask = load<u32>(entry, ENTRY_MARK_MASK);
  }
  return true;
}

/** `value`: where it lies; not read when nothing is compared. */
function compare(how: u32, counter: u64, value: usize): bool {
  if (how === 0) return true;
  const wanted = load<u64>(value);
  if (how === SET_COUNT_EQUAL) return counter === wanted;
  if (how === SET_COUNT_UNEQUAL) return counter !== wanted;
  return how === SET_COUNT_LESS ? counter < wanted : counter > wanted;
}
