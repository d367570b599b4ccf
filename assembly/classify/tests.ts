/** Residual tests, as abi/program.ts writes them. */
import {
  TEST_DROPS,
  TEST_INVERT,
  TEST_MASK,
  TEST_OPCODE,
  TEST_RANGE,
  TEST_RANGES,
  TEST_SPECIAL,
  TEST_WORD_RANGE,
  TEST_WORDS,
} from '../../src/abi/program.ts';
import { TEST_HIT, TEST_HOTDROP, TEST_MISS } from '../../src/abi/special.ts';
import { runSpecial } from './special.ts';

/** TEST_HIT, TEST_MISS or TEST_HOTDROP. */
export function runTest(test: usize, slot: usize): u32 {
  const head = load<u32>(test);
  const opcode = head & TEST_OPCODE;
  if (opcode === TEST_SPECIAL) return runSpecial(test, slot);
  const holds = fieldTest(opcode, test, slot);
  if (holds !== ((head & TEST_INVERT) !== 0)) return TEST_HIT;
  return (head & TEST_DROPS) !== 0 ? TEST_HOTDROP : TEST_MISS;
}

function fieldTest(opcode: u32, test: usize, slot: usize): bool {
  if (opcode === TEST_RANGE) return load<u32>(slot + load<u32>(test, 4)) - load<u32>(test, 8) <= load<u32>(test, 12);
  if (opcode === TEST_WORDS) return words(test, slot);
  if (opcode === TEST_RANGES) return ranges(test, slot);
  if (opcode === TEST_WORD_RANGE) return wordRange(test, slot);
  assert(opcode === TEST_MASK);
  return (load<u32>(slot + load<u32>(test, 4)) & load<u32>(test, 8)) === load<u32>(test, 12);
}

function words(test: usize, slot: usize): bool {
  let field = slot + (load<u32>(test, 4) as usize);
  let at = test + 12;
  const end = at + ((load<u32>(test, 8) as usize) << 3);
  for (; at < end; at += 8) {
    if ((load<u32>(field) & load<u32>(at)) !== load<u32>(at, 4)) return false;
    field += 4;
  }
  return true;
}

/** Any of the fields in any of the ranges. */
function ranges(test: usize, slot: usize): bool {
  const fields = load<u32>(test, 4) as usize;
  const number = load<u32>(test, 8) as usize;
  const first = test + 12 + (fields << 2);
  const end = first + (number << 3);
  for (let field: usize = 0; field < fields; field++) {
    const value = load<u32>(slot + (load<u32>(test + 12 + (field << 2)) as usize));
    for (let at = first; at < end; at += 8) {
      if (value - load<u32>(at) <= load<u32>(at, 4)) return true;
    }
  }
  return false;
}

/** low <= words <= high as one big number. */
function wordRange(test: usize, slot: usize): bool {
  const field = slot + (load<u32>(test, 4) as usize);
  const bytes = (load<u32>(test, 8) as usize) << 2;
  const low = test + 12;
  return compare(field, low, bytes) >= 0 && compare(field, low + bytes, bytes) <= 0;
}

function compare(left: usize, right: usize, bytes: usize): i32 {
  for (let at: usize = 0; at < bytes; at += 4) {
    const one = load<u32>(left + at);
    const other = load<u32>(right + at);
    if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
}
