/** time (xt_time.c): dates, hours, days of week and month, in UTC and whole seconds. */
import { PACKET_TIME } from '../../src/abi/packet.ts';

const SECOND: u64 = 1000000000;
const DAY: u32 = 86400;

/** Parameters: first and last date, first and last second of the day, days of the month, days of the week, contiguous. */
export function timeHolds(parameters: usize, slot: usize): bool {
  const seconds = load<u64>(slot, PACKET_TIME) / SECOND;
  if (seconds < (load<u32>(parameters) as u64) || seconds > (load<u32>(parameters, 4) as u64)) return false;
  const now = seconds as u32;
  const second = now % DAY;
  const start = load<u32>(parameters, 8);
  const stop = load<u32>(parameters, 12);
  let day = now / DAY;
  if (start < stop) {
    if (second < start || second > stop) return false;
  } else {
    if (second < start && second > stop) return false;
    if (load<u32>(parameters, 24) !== 0 && second <= stop) day--;
  }
  // The epoch was a Thursday; Monday is 1, Sunday 7.
  if (((load<u32>(parameters, 20) >>> (((day + 3) % 7) + 1)) & 1) === 0) return false;
  return ((load<u32>(parameters, 16) >>> dayOfMonth(day)) & 1) !== 0;
}

/** Days since the epoch -> 1 to 31. Years begin in March, so that a leap day ends one. */
function dayOfMonth(day: u32): u32 {
  const ofEra = (day + 719468) % 146097;
  const year = (ofEra - ofEra / 1460 + ofEra / 36524 - ofEra / 146096) / 365;
  const ofYear = ofEra - (365 * year + year / 4 - year / 100);
  const month = (5 * ofYear + 2) / 153;
  return ofYear - (153 * month + 2) / 5 + 1;
}
