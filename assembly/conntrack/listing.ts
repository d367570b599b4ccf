/** The table as the host lists it: connections described one by one, whatever their order in memory. */
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
  END_PORT,
  END_SIZE,
} from '../../src/abi/connections';
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
} from './accessors';
import { ENTRY_TIMEOUT } from './entry';
import { counters } from './extension';
import { entryHelper } from './help';
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
