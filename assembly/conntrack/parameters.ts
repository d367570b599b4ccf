/** The parameter block, copied to a fixed place so that its addresses are constants. */
import { TRACKING_FLAG_HELPERS, TRACKING_FLAGS, TRACKING_HZ, TRACKING_SIZE } from '../../src/abi/conntrack';

export const PARAMETERS: usize = memory.data(TRACKING_SIZE, 16);

/** Takes the block at `from` (TRACKING_SIZE bytes). */
export function takeParameters(from: usize): void {
  memory.copy(PARAMETERS, from, TRACKING_SIZE);
}

/** A u32 of the block: a timeout in jiffies or a number. */
export function parameter(offset: u32): u32 {
  return load<u32>(PARAMETERS + offset);
}

/** Whether a TRACKING_FLAG_* is set. */
export function flag(bit: u32): bool {
  return (load<u32>(PARAMETERS, TRACKING_FLAGS) & bit) !== 0;
}

/** Jiffies per second. */
export function hz(): u32 {
  return load<u32>(PARAMETERS, TRACKING_HZ);
}

/** Whether rules assign connections to helpers. */
export function hasHelpers(): bool {
  return flag(TRACKING_FLAG_HELPERS);
}
