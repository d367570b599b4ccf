/** statistic (xt_statistic.c), quota (xt_quota.c) and nfacct (xt_nfacct.c). Parameters and state: abi/special.ts. */
import { FIELD_LENGTH } from '../../src/abi/fields.ts';

/** A counter from 0 to `last`, which matches when it comes round to 0. */
export function everyNth(parameters: usize, state: usize): bool {
  const last = load<u32>(parameters);
  if (load<u32>(state) === 0) {
    store<u32>(state, 1);
    store<u32>(state, load<u32>(parameters, 4), 4);
  }
  const before = load<u32>(state, 4);
  const now = before === last ? 0 : before + 1;
  store<u32>(state, now, 4);
  return (now === 0) !== (load<u32>(parameters, 8) !== 0);
}

export function atRandom(parameters: usize, state: usize): bool {
  if (load<u32>(state) === 0) {
    store<u32>(state, 1);
    store<u32>(state, load<u32>(parameters, 8), 4);
  }
  const seed: u32 = load<u32>(state, 4) + 0x6d2b79f5;
  store<u32>(state, seed, 4);
  let mixed: u32 = (seed ^ (seed >>> 15)) * (seed | 1);
  mixed ^= mixed + (mixed ^ (mixed >>> 7)) * (mixed | 61);
  const drawn = (mixed ^ (mixed >>> 14)) & 0x7fffffff;
  return drawn < load<u32>(parameters) !== (load<u32>(parameters, 4) !== 0);
}

/** What does not fit uses up all that is left. */
export function withinQuota(parameters: usize, state: usize, slot: usize): bool {
  if (load<u32>(state) === 0) {
    store<u32>(state, 1);
    store<u32>(state, load<u32>(parameters), 8);
    store<u32>(state, load<u32>(parameters, 4), 12);
  }
  const left = load<u64>(state, 8);
  const length = load<u32>(slot + FIELD_LENGTH * 4) as u64;
  const fits = left >= length;
  store<u64>(state, fits ? left - length : 0, 8);
  return fits !== (load<u32>(parameters, 8) !== 0);
}

/** Always true. */
export function account(state: usize, slot: usize): bool {
  store<u64>(state, load<u64>(state) + 1);
  store<u64>(state, load<u64>(state, 8) + (load<u32>(slot + FIELD_LENGTH * 4) as u64), 8);
  return true;
}
