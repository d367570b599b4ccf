/** Names of capture interfaces to ids, by the table of src/compile/interfaces.ts (layout: NAMES_* in src/abi/host.ts). */
import { NAMES_COUNT, NAMES_POSITIONS } from '../../src/abi/host.ts';

/** The id of the name in `length` bytes at `name`; a name that is not in the table has the id of its gap, the empty one 0. */
export function interfaceId(table: usize, name: usize, length: u32): u32 {
  if (table === 0 || length === 0) return 0;
  const count = load<u32>(table, NAMES_COUNT);
  let low: u32 = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareName(table, middle, name, length) < 0) low = middle + 1;
    else high = middle;
  }
  const found = low < count && compareName(table, low, name, length) === 0;
  return 2 * low + (found ? 2 : 1);
}

/** Name `index` of the table against a name: below, equal to or above 0. */
function compareName(table: usize, index: u32, name: usize, length: u32): i32 {
  const entry = table + (index << 2);
  const start = load<u32>(entry, NAMES_POSITIONS);
  const own = load<u32>(entry + 4, NAMES_POSITIONS) - start;
  const shared = min<u32>(own, length);
  for (let i: u32 = 0; i < shared; i++) {
    const difference = i32(load<u8>(table + start + i)) - i32(load<u8>(name + i));
    if (difference !== 0) return difference;
  }
  return i32(own) - i32(length);
}
