/** The tables as the host lists them: connections and what helpers expect, described one by one, whatever their order in memory. */
import {
  CONNECTION_ACCOUNTED,
  CONNECTION_COUNTERS,
  CONNECTION_DRAWN,
  CONNECTION_ENDS,
  CONNECTION_FAMILY,
  CONNECTION_HELPER,
  CONNECTION_MARK,
  CONNECTION_PROTOCOL,
  CONNECTION_STATUS,
  CONNECTION_TCP_STATE,
  CONNECTION_TIMEOUT,
  CONNECTION_ZONE,
  CONNECTION_ZONE_OF,
  END_PORT,
  END_SIZE,
  EXPECTATION_CLASS,
  EXPECTATION_ENDS,
  EXPECTATION_FAMILY,
  EXPECTATION_FLAG_INACTIVE,
  EXPECTATION_FLAG_PERMANENT,
  EXPECTATION_FLAGS,
  EXPECTATION_HELPER,
  EXPECTATION_PROTOCOL,
  EXPECTATION_TIMEOUT,
} from '../../src/abi/connections';
import { TRACKING_FLAG_HELPED } from '../../src/abi/conntrack';
import { CT_ZONE_ORIGINAL, CT_ZONE_REPLY } from '../../src/abi/effects';
import { HELPER_NONE } from '../../src/abi/helpers';
import {
  entryAddress,
  entryDrawn,
  entryFamily,
  entryMark,
  entryPort,
  entryProtocol,
  entryStatus,
  entryTcpState,
  entryZone,
  entryZoneIn,
} from './accessors';
import { ENTRY_TIMEOUT } from './entry';
import {
  assignedBy,
  EXPECT_DESTINATION,
  EXPECT_DPORT,
  EXPECT_FLAGS,
  EXPECT_INACTIVE,
  EXPECT_KIND,
  EXPECT_KIND_SHIFT,
  EXPECT_MASTER,
  EXPECT_PERMANENT,
  EXPECT_SOURCE,
  EXPECT_SOURCE_MASK,
  EXPECT_SPORT,
  EXPECT_SPORT_MASK,
  EXPECT_TIMEOUT,
  isOver,
} from './expectations';
import { counters } from './extension';
import { entryHelper } from './help';
import { flag } from './parameters';
import { tableEntry } from './places';

/** Describes the confirmed connection at a place of the table (0 to before tablePlaces) in CONNECTION_SIZE bytes at `to`, its time over or not. False: there is none. */
export function describeConnection(place: u32, to: usize): bool {
  const entry = tableEntry(place);
  if (entry === 0) return false;
  store<u32>(to, entryFamily(entry), CONNECTION_FAMILY);
  store<u32>(to, entryProtocol(entry), CONNECTION_PROTOCOL);
  store<u32>(to, entryStatus(entry), CONNECTION_STATUS);
  store<u32>(to, entryTcpState(entry), CONNECTION_TCP_STATE);
  store<i64>(to, load<i64>(entry, ENTRY_TIMEOUT), CONNECTION_TIMEOUT);
  store<u32>(to, entryMark(entry), CONNECTION_MARK);
  store<u32>(to, entryZone(entry), CONNECTION_ZONE);
  const original: u32 = entryZoneIn(entry, 0) !== 0 ? CT_ZONE_ORIGINAL : 0;
  store<u32>(to, original | (entryZoneIn(entry, 1) !== 0 ? CT_ZONE_REPLY : 0), CONNECTION_ZONE_OF);
  for (let direction: u32 = 0; direction < 2; direction++) {
    const from = counters(entry, direction);
    store<u32>(to, from !== 0 ? 1 : 0, CONNECTION_ACCOUNTED);
    if (from !== 0) memory.copy(to + CONNECTION_COUNTERS + ((direction as usize) << 4), from, 16);
  }
  store<u32>(to, entryHelper(entry), CONNECTION_HELPER);
  store<u32>(to, entryDrawn(entry), CONNECTION_DRAWN);
  let end = to + CONNECTION_ENDS;
  for (let direction: u32 = 0; direction < 2; direction++) {
    describeEnd(entry, direction, true, end);
    describeEnd(entry, direction, false, end + END_SIZE);
    end += 2 * END_SIZE;
  }
  return true;
}

function describeEnd(entry: usize, direction: u32, source: bool, to: usize): void {
  for (let word: u32 = 0; word < 4; word++) store<u32>(to + ((word as usize) << 2), entryAddress(entry, direction, source, word));
  store<u32>(to, entryPort(entry, direction, source), END_PORT);
}

/** Describes what a helper expects, one of nextExpectation, in EXPECTATION_SIZE bytes at `to`. False: its time is over at `now` (jiffies). */
export function describeExpectation(one: usize, now: i64, to: usize): bool {
  if (isOver(one, now)) return false;
  const kind = load<u32>(one, EXPECT_KIND);
  const flags = load<u32>(one, EXPECT_FLAGS);
  const master: usize = load<u32>(one, EXPECT_MASTER);
  store<u32>(to, kind & 0xff, EXPECTATION_FAMILY);
  store<u32>(to, (kind >>> 8) & 0xff, EXPECTATION_PROTOCOL);
  store<u32>(to, flags >>> EXPECT_KIND_SHIFT, EXPECTATION_CLASS);
  const permanent: u32 = (flags & EXPECT_PERMANENT) !== 0 ? EXPECTATION_FLAG_PERMANENT : 0;
  store<u32>(to, permanent | ((flags & EXPECT_INACTIVE) !== 0 ? EXPECTATION_FLAG_INACTIVE : 0), EXPECTATION_FLAGS);
  store<i64>(to, load<i64>(one, EXPECT_TIMEOUT), EXPECTATION_TIMEOUT);
  // Of older kernels it is the one that the connection is to have, where they differ.
  const assigned = flag(TRACKING_FLAG_HELPED) ? assignedBy(one) : HELPER_NONE;
  store<u32>(to, assigned === HELPER_NONE ? entryHelper(master) : assigned, EXPECTATION_HELPER);
  const end = to + EXPECTATION_ENDS;
  copyEnd(one, EXPECT_SOURCE, EXPECT_SPORT, end);
  copyEnd(one, EXPECT_DESTINATION, EXPECT_DPORT, end + END_SIZE);
  copyEnd(one, EXPECT_SOURCE_MASK, EXPECT_SPORT_MASK, end + 2 * END_SIZE);
  describeEnd(master, 0, true, end + 3 * END_SIZE);
  describeEnd(master, 0, false, end + 4 * END_SIZE);
  return true;
}

function copyEnd(one: usize, address: usize, port: usize, to: usize): void {
  memory.copy(to, one + address, 16);
  store<u32>(to, load<u32>(one + port), END_PORT);
}
