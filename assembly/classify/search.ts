/** Searches: the first of many entries, group by group (STEP_SEARCH). */
import {
  EDGE_SIZE,
  FOUND,
  SEARCH_GROUP_FIRST,
  SEARCH_GROUP_SIZE,
  SEARCH_GROUPS,
  STEP_HIT_NEXT,
  STEP_HIT_SEGMENT,
  STEP_LIST,
  STEP_MISS_NEXT,
} from '../../src/abi/program.ts';
import { TEST_HIT } from '../../src/abi/special.ts';
import { descend } from './descend.ts';
import { code } from './program.ts';
import { runTest } from './tests.ts';

/** The edge of the first entry that the packet meets, or that of a search in vain. */
export function searchEntries(step: usize, groups: u32, slot: usize): usize {
  const search = code + (load<u32>(step, STEP_LIST) as usize);
  const entries = load<u32>(search);
  const end = search + SEARCH_GROUPS + (groups as usize) * SEARCH_GROUP_SIZE;
  let best = entries;
  for (let group = search + SEARCH_GROUPS; group < end; group += SEARCH_GROUP_SIZE) {
    // Nothing there comes before what was found.
    if (best < load<u32>(group, SEARCH_GROUP_FIRST)) continue;
    const found = find(load<u32>(group), slot);
    if (found < best) best = found;
  }
  if (best === entries) return step + STEP_HIT_SEGMENT;
  return end + (best as usize) * EDGE_SIZE;
}

/** The first entry of a group. */
function find(root: u32, slot: usize): u32 {
  let next = load<u32>(code + (descend(code, root, slot) as usize), 4);
  while ((next & FOUND) === 0) {
    const step = code + (next as usize);
    next = holds(step, slot) ? load<u32>(step, STEP_HIT_NEXT) : load<u32>(step, STEP_MISS_NEXT);
  }
  return next >>> 1;
}

/** Whether all tests of a step hold. */
function holds(step: usize, slot: usize): bool {
  const number = (load<u32>(step) >>> 8) & 0xffff;
  let list = code + (load<u32>(step, STEP_LIST) as usize);
  for (const end = list + ((number as usize) << 2); list < end; list += 4) {
    if (runTest(code + (load<u32>(list) as usize), slot) !== TEST_HIT) return false;
  }
  return true;
}
