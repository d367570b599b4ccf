/** Connections that helpers foresee (net/netfilter/nf_conntrack_expect.c). One whose time is over, or whose master's, is as good as none. */
import { TRACKING_EXPECTATIONS } from '../../src/abi/conntrack';
import { FIELD_DESTINATION, FIELD_FAMILY, FIELD_SOURCE, STATUS_CONFIRMED } from '../../src/abi/fields';
import { HELPER_PPTP } from '../../src/abi/helpers';
import { entryPort, entryProtocol, isAt } from './accessors';
import { endCall } from './call-end';
import { ENTRY_STATUS, ENTRY_TIMEOUT, STATUS_DYING } from './entry';
import { dropRecord, ensureRecord, entryHelper, mayRemember, RECORD_EXPECTATION, recordOf } from './help';
import { BLOCK_SIZE, BUCKETS_SIZE, giveBlock, helpBucket, helpIsThere, takeBlock } from './help-region';
import { hz, parameter } from './parameters';
import { zone } from './template';

/** u32: next of the bucket, newest first; the master's entry; the master's next older one; EXPECT_* flags and the class. */
const EXPECT_NEXT: usize = 0;
export const EXPECT_MASTER: usize = 4;
const EXPECT_OLDER: usize = 8;
export const EXPECT_FLAGS: usize = 12;
/** i64: jiffies. */
export const EXPECT_TIMEOUT: usize = 16;
/** u32: family | protocol << 8 | zone << 16; destination port; source port and the bits of it that count. */
export const EXPECT_KIND: usize = 24;
export const EXPECT_DPORT: usize = 28;
export const EXPECT_SPORT: usize = 32;
export const EXPECT_SPORT_MASK: usize = 36;
/** Four words each, host order, most significant first. */
export const EXPECT_SOURCE: usize = 40;
export const EXPECT_SOURCE_MASK: usize = 56;
export const EXPECT_DESTINATION: usize = 72;
/** u32: 0, or FOLLOWS | in which direction of its master it goes << 1 | FOLLOWS_* | the port it has behind the translation << 16. */
export const EXPECT_FOLLOWS: usize = 88;
/** It is not used up. */
export const EXPECT_PERMANENT: u32 = 1;
/** Nothing fulfils it yet. */
export const EXPECT_INACTIVE: u32 = 2;
/** HELPER_* of the helper that the connection is assigned to. */
export const EXPECT_ASSIGNS_SHIFT: u32 = 4;
const EXPECT_ASSIGNS: u32 = 15 << 4;
/** Its class: of a master there may be so many of each. */
export const EXPECT_KIND_SHIFT: u32 = 8;
/** Four words: where it was announced, with FOLLOWS_ANNOUNCED. */
export const EXPECT_ANNOUNCED: usize = 92;
/** It is translated like its master; the port is its source's, not its destination's; or to where SIP announced it, as one of two streams. */
export const FOLLOWS: u32 = 1;
export const FOLLOWS_SOURCE: u32 = 4;
export const FOLLOWS_ANNOUNCED: u32 = 8;
export const FOLLOWS_MEDIA: u32 = 16;
/** Announced by H.323: to where a call is forwarded. */
export const FOLLOWS_FORWARDED: u32 = 32;
export const FOLLOWS_PORT_SHIFT: u32 = 16;

/** Answers of tryExpect: it is; nobody could tell it from another that is; there are too many. */
export const EXPECTED: u32 = 0;
export const BUSY: u32 = 1;
export const TOO_MANY: u32 = 2;
/** The same is, by another connection or as another class. */
export const ALREADY: u32 = 3;

/** What is looked for, or is to be expected: as an expectation, from EXPECT_FLAGS on. */
export const FORESEEN: usize = memory.data(BLOCK_SIZE as i32, 16);

let count: u32 = 0;
/** When all that were over were dropped: within a jiffy no more are. */
let dropped: i64 = -1;

/** EXPECT_FOLLOWS of the expectation fulfilled last, and its master; 0 when there is nothing to follow. */
export let followed: u32 = 0;
export let followedMaster: usize = 0;
/** EXPECT_ANNOUNCED of it. */
export const FOLLOWED_TO: usize = memory.data(16, 16);

/** HELPER_* of the helper that the connection which fulfils the last one is assigned to. */
export let fulfilledAssigns: u32 = 0;

/** The part of EXPECT_FLAGS that is a class. */
export function kindFlag(kind: u32): u32 {
  return kind << EXPECT_KIND_SHIFT;
}

/** HELPER_* of the helper that a connection is assigned to which fulfils this one. */
export function assignedBy(one: usize): u32 {
  return (load<u32>(one, EXPECT_FLAGS) & EXPECT_ASSIGNS) >>> EXPECT_ASSIGNS_SHIFT;
}

function kindIn(one: usize): u32 {
  return load<u32>(one, EXPECT_FLAGS) >>> EXPECT_KIND_SHIFT;
}

/** Nobody follows any more. */
export function followedUp(): void {
  followed = 0;
}

export function expectationsInit(): void {
  count = 0;
  dropped = -1;
}

/** How many there are, some of them over, perhaps. */
export function expectationCount(): u32 {
  return count;
}

/** How many there can be. */
export function expectationLimit(): u32 {
  return parameter(TRACKING_EXPECTATIONS);
}

function hashOf(expectation: usize): u32 {
  let hash = (load<u32>(expectation, EXPECT_KIND) ^ (load<u32>(expectation, EXPECT_DPORT) << 16)) * 0x9e3779b1;
  for (let word: usize = 0; word < 16; word += 4) {
    hash = (rotl<u32>(hash, 13) ^ load<u32>(expectation + word, EXPECT_DESTINATION)) * 0x85ebca6b;
  }
  return hash ^ (hash >>> 15);
}

/** The expectation that the tuple of the packet's connection fulfils, taken out unless it is permanent: its master; 0 when there is none. */
export function fulfil(slot: usize, protocol: u32, sport: u32, dport: u32, now: i64): usize {
  store<u32>(FORESEEN, load<u32>(slot, FIELD_FAMILY * 4) | (protocol << 8) | (zone << 16), EXPECT_KIND);
  store<u32>(FORESEEN, sport, EXPECT_SPORT);
  store<u32>(FORESEEN, dport, EXPECT_DPORT);
  memory.copy(FORESEEN + EXPECT_SOURCE, slot + FIELD_SOURCE * 4, 16);
  memory.copy(FORESEEN + EXPECT_DESTINATION, slot + FIELD_DESTINATION * 4, 16);
  let one = load<u32>(helpBucket(hashOf(FORESEEN), true)) as usize;
  while (one !== 0) {
    const next = load<u32>(one, EXPECT_NEXT) as usize;
    if (isOver(one, now)) {
      unlink(one);
    } else if ((load<u32>(one, EXPECT_FLAGS) & EXPECT_INACTIVE) === 0 && sameDestination(one) && sourceFits(one, one)) {
      const master = load<u32>(one, EXPECT_MASTER) as usize;
      // Nobody can answer what has not left yet.
      if ((load<u32>(master, ENTRY_STATUS) & STATUS_CONFIRMED) === 0) return 0;
      followed = load<u32>(one, EXPECT_FOLLOWS);
      followedMaster = master;
      memory.copy(FOLLOWED_TO, one + EXPECT_ANNOUNCED, 16);
      fulfilledAssigns = assignedBy(one);
      if ((load<u32>(one, EXPECT_FLAGS) & EXPECT_PERMANENT) === 0) unlink(one);
      return master;
    }
    one = next;
  }
  return 0;
}

/** Its time is over at `now` (jiffies), or its master's. */
export function isOver(one: usize, now: i64): bool {
  if (load<i64>(one, EXPECT_TIMEOUT) <= now) return true;
  const master = load<u32>(one, EXPECT_MASTER) as usize;
  return (load<u32>(master, ENTRY_STATUS) & STATUS_CONFIRMED) !== 0 && load<i64>(master, ENTRY_TIMEOUT) <= now;
}

function sameDestination(one: usize): bool {
  return (
    load<u64>(one, EXPECT_KIND) === load<u64>(FORESEEN, EXPECT_KIND) &&
    load<u64>(one, EXPECT_DESTINATION) === load<u64>(FORESEEN, EXPECT_DESTINATION) &&
    load<u64>(one, EXPECT_DESTINATION + 8) === load<u64>(FORESEEN, EXPECT_DESTINATION + 8)
  );
}

/** The sources are the same in the bits that count in both `one` and `other`. */
function sourceFits(one: usize, other: usize): bool {
  const ports = load<u32>(one, EXPECT_SPORT_MASK) & load<u32>(other, EXPECT_SPORT_MASK);
  if (((load<u32>(one, EXPECT_SPORT) ^ load<u32>(FORESEEN, EXPECT_SPORT)) & ports) !== 0) return false;
  for (let word: usize = 0; word < 16; word += 4) {
    const bits = load<u32>(one + word, EXPECT_SOURCE_MASK) & load<u32>(other + word, EXPECT_SOURCE_MASK);
    if (((load<u32>(one + word, EXPECT_SOURCE) ^ load<u32>(FORESEEN + word, EXPECT_SOURCE)) & bits) !== 0) return false;
  }
  return true;
}

/** The same expectation again: nothing that is asked of the source differs. */
function isSame(one: usize): bool {
  return memory.compare(one + EXPECT_SPORT, FORESEEN + EXPECT_SPORT, EXPECT_DESTINATION - EXPECT_SPORT) === 0;
}

/** What stands in FORESEEN is expected, `seconds` long, of `most` of the master. False: it cannot be. */
export function expect(master: usize, most: u32, seconds: u32, now: i64): bool {
  return tryExpect(master, most, seconds, now, false) === EXPECTED;
}

/** The newest of a master is not expected after all. */
export function unexpect(master: usize): void {
  unlink(load<u32>(recordOf(master), RECORD_EXPECTATION) as usize);
}

/** What a connection made expected is not expected any more. */
export function forgetAll(master: usize): void {
  const record = recordOf(master);
  while (record !== 0 && load<u32>(record, RECORD_EXPECTATION) !== 0) unlink(load<u32>(record, RECORD_EXPECTATION) as usize);
}

/** What a connection made expected that is as media are, or is not, is not expected any more; of the latter the newest only. */
export function forgetKinds(master: usize, media: bool): void {
  const record = recordOf(master);
  let one = record === 0 ? 0 : (load<u32>(record, RECORD_EXPECTATION) as usize);
  while (one !== 0) {
    const older = load<u32>(one, EXPECT_OLDER) as usize;
    if ((kindIn(one) !== 0) === media) {
      unlink(one);
      if (!media) return;
    }
    one = older;
  }
}

/** What a connection expects at `now` of class 0 to an address (four words) and port lives until `timeout`, and counts from now on. False: there is none. */
export function renew(master: usize, protocol: u32, address: usize, port: u32, now: i64, timeout: i64): bool {
  const record = recordOf(master);
  let one = record === 0 ? 0 : (load<u32>(record, RECORD_EXPECTATION) as usize);
  for (; one !== 0; one = load<u32>(one, EXPECT_OLDER) as usize) {
    if (kindIn(one) !== 0 || ((load<u32>(one, EXPECT_KIND) >>> 8) & 255) !== protocol || isOver(one, now)) continue;
    if (load<u32>(one, EXPECT_DPORT) !== port || memory.compare(one + EXPECT_DESTINATION, address, 16) !== 0) continue;
    store<i64>(one, timeout, EXPECT_TIMEOUT);
    store<u32>(one, load<u32>(one, EXPECT_FLAGS) & ~EXPECT_INACTIVE, EXPECT_FLAGS);
    return true;
  }
  return false;
}

/** What another connection with the same helper expects that stands in FORESEEN, as that class; 0: nothing. */
export function expectedByOther(master: usize, kind: u32, now: i64): usize {
  let one = load<u32>(helpBucket(hashOf(FORESEEN), true)) as usize;
  while (one !== 0) {
    const next = load<u32>(one, EXPECT_NEXT) as usize;
    if (isOver(one, now)) {
      unlink(one);
    } else if (sameDestination(one) && sourceFits(one, one)) {
      const other = load<u32>(one, EXPECT_MASTER) as usize;
      if (other === master || kindIn(one) !== kind) return 0;
      return entryHelper(other) === entryHelper(master) && entryProtocol(other) === entryProtocol(master) ? one : 0;
    }
    one = next;
  }
  return 0;
}

/** The newest of a master's that was announced where a connection comes from; 0: none. */
export function announcedAt(master: usize, entry: usize): usize {
  const record = recordOf(master);
  if (record === 0) return 0;
  for (let one = load<u32>(record, RECORD_EXPECTATION) as usize; one !== 0; one = load<u32>(one, EXPECT_OLDER) as usize) {
    const follows = load<u32>(one, EXPECT_FOLLOWS);
    if ((follows & FOLLOWS_ANNOUNCED) === 0 || follows >>> FOLLOWS_PORT_SHIFT !== entryPort(entry, 0, true)) continue;
    if (((load<u32>(one, EXPECT_KIND) >>> 8) & 0xff) !== entryProtocol(entry)) continue;
    if (isAt(entry, 0, true, one + EXPECT_ANNOUNCED)) return one;
  }
  return 0;
}

/** As `expect`; EXPECTED, BUSY, TOO_MANY, ALREADY. `anyMaster`: the same that another connection expects is as good. */
export function tryExpect(master: usize, most: u32, seconds: u32, now: i64, anyMaster: bool): u32 {
  const kind = kindIn(FORESEEN);
  const bucket = helpBucket(hashOf(FORESEEN), true);
  let one = load<u32>(bucket) as usize;
  while (one !== 0) {
    const next = load<u32>(one, EXPECT_NEXT) as usize;
    if (isOver(one, now)) {
      unlink(one);
    } else if (sameDestination(one)) {
      const own = (load<u32>(one, EXPECT_MASTER) as usize) === master;
      if ((own || anyMaster) && isSame(one)) {
        if (!own || kindIn(one) !== kind) return ALREADY;
        unlink(one);
        break;
      }
      if (sourceFits(one, FORESEEN)) return BUSY;
    }
    one = next;
  }
  const record = ensureRecord(master);
  if (countKind(record, kind) >= most) evict(record, kind, most, now);
  if (count >= expectationLimit()) dropOver(now);
  if (count >= expectationLimit()) return TOO_MANY;
  const fresh = takeBlock();
  memory.copy(fresh, FORESEEN, BLOCK_SIZE);
  store<u32>(fresh, load<u32>(bucket), EXPECT_NEXT);
  store<u32>(bucket, fresh as u32);
  store<u32>(fresh, master as u32, EXPECT_MASTER);
  store<u32>(fresh, load<u32>(record, RECORD_EXPECTATION), EXPECT_OLDER);
  store<u32>(record, fresh as u32, RECORD_EXPECTATION);
  store<i64>(fresh, now + ((seconds * hz()) as i64), EXPECT_TIMEOUT);
  count++;
  return EXPECTED;
}

function countKind(record: usize, kind: u32): u32 {
  let found: u32 = 0;
  for (let one = load<u32>(record, RECORD_EXPECTATION) as usize; one !== 0; one = load<u32>(one, EXPECT_OLDER) as usize) {
    if (kindIn(one) === kind) found++;
  }
  return found;
}

/** Room for one more of a master's class: what is over goes, else the oldest. */
function evict(record: usize, kind: u32, most: u32, now: i64): void {
  let oldest: usize = 0;
  let one = load<u32>(record, RECORD_EXPECTATION) as usize;
  while (one !== 0) {
    const older = load<u32>(one, EXPECT_OLDER) as usize;
    if (kindIn(one) === kind) {
      if (load<i64>(one, EXPECT_TIMEOUT) <= now) unlink(one);
      else oldest = one;
    }
    one = older;
  }
  if (oldest !== 0 && countKind(record, kind) >= most) unlink(oldest);
}

/** Out of its bucket and its master's list. */
function unlink(gone: usize): void {
  let link = helpBucket(hashOf(gone), true);
  while ((load<u32>(link) as usize) !== gone) link = (load<u32>(link) as usize) + EXPECT_NEXT;
  store<u32>(link, load<u32>(gone, EXPECT_NEXT));
  const record = recordOf(load<u32>(gone, EXPECT_MASTER) as usize);
  link = record + RECORD_EXPECTATION;
  while ((load<u32>(link) as usize) !== gone) link = (load<u32>(link) as usize) + EXPECT_OLDER;
  store<u32>(link, load<u32>(gone, EXPECT_OLDER));
  giveBlock(gone);
  count--;
}

/** The first that the tuple in FORESEEN would fulfil, active or not, is not expected any more. */
export function forgetFitting(now: i64): void {
  let one = load<u32>(helpBucket(hashOf(FORESEEN), true)) as usize;
  while (one !== 0) {
    const next = load<u32>(one, EXPECT_NEXT) as usize;
    if (isOver(one, now)) {
      unlink(one);
    } else if (sameDestination(one) && sourceFits(one, one)) {
      unlink(one);
      return;
    }
    one = next;
  }
}

/** The tuple in FORESEEN is that of its answers. */
export function turnForeseen(): void {
  const port = load<u32>(FORESEEN, EXPECT_SPORT);
  store<u32>(FORESEEN, load<u32>(FORESEEN, EXPECT_DPORT), EXPECT_SPORT);
  store<u32>(FORESEEN, port, EXPECT_DPORT);
  for (let word: usize = 0; word < 16; word += 4) {
    const source = load<u32>(FORESEEN + word, EXPECT_SOURCE);
    store<u32>(FORESEEN + word, load<u32>(FORESEEN + word, EXPECT_DESTINATION), EXPECT_SOURCE);
    store<u32>(FORESEEN + word, source, EXPECT_DESTINATION);
  }
}

/** A connection is no more: nor is what its helper knows and expects. */
export function forgetHelp(entry: usize): void {
  if (!mayRemember(entry)) return;
  const record = recordOf(entry);
  // One that is dying ended its call when it was killed.
  const alive = (load<u32>(entry, ENTRY_STATUS) & (STATUS_CONFIRMED | STATUS_DYING)) === STATUS_CONFIRMED;
  if (alive && entryHelper(entry) === HELPER_PPTP) endCall(entry, record);
  if (record === 0) return;
  forgetAll(entry);
  dropRecord(record);
}

/** One expectation after the other, over or not: the first for 0, 0 behind the last. */
export function nextExpectation(one: usize): usize {
  if (!helpIsThere()) return 0;
  let bucket = helpBucket(0, true);
  const end = bucket + BUCKETS_SIZE;
  if (one !== 0) {
    const next: usize = load<u32>(one, EXPECT_NEXT);
    if (next !== 0) return next;
    bucket = helpBucket(hashOf(one), true) + 4;
  }
  for (; bucket < end; bucket += 4) {
    if (load<u32>(bucket) !== 0) return load<u32>(bucket) as usize;
  }
  return 0;
}

/** The kernel's timers have dropped what is over. */
function dropOver(now: i64): void {
  if (dropped === now) return;
  dropped = now;
  let one = nextExpectation(0);
  while (one !== 0) {
    const next = nextExpectation(one);
    if (isOver(one, now)) unlink(one);
    one = next;
  }
}
