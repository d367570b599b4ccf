/** bitmap:ip,mac (ip_set_bitmap_ipmac.c): an address and its MAC, which the first packet brings where it is not known. */
import { ENTRY_EXPIRES, ENTRY_FLAGS, ENTRY_IS_RENEWED, ENTRY_IS_WAITING, ENTRY_KEY, PART_WORDS } from '../../src/abi/sets.ts';
import { KEY } from './parts.ts';
import { begin } from './region.ts';

const MAC: usize = <usize>(PART_WORDS << 2);

/** Whether the MAC in hand is that of the entry. */
export function isBound(entry: usize): bool {
  const at = entry + ENTRY_KEY;
  return load<u32>(at, MAC) === load<u32>(KEY, MAC) && load<u32>(at, MAC + 4) === load<u32>(KEY, MAC + 4);
}

/** The entry takes the MAC in hand. */
export function keepMac(entry: usize): void {
  const at = entry + ENTRY_KEY;
  store<u32>(at, load<u32>(KEY, MAC), MAC);
  store<u32>(at, load<u32>(KEY, MAC + 4), MAC + 4);
}

/** An entry that waited for its MAC begins to live. */
export function fillBinding(entry: usize, life: u64, slot: usize): void {
  keepMac(entry);
  store<u32>(entry, (load<u32>(entry, ENTRY_FLAGS) & ~ENTRY_IS_WAITING) | ENTRY_IS_RENEWED, ENTRY_FLAGS);
  begin(entry, life, slot);
}

/** The same with the life it was given. True when it waited. */
export function fillsWaiting(entry: usize, slot: usize): bool {
  if ((load<u32>(entry, ENTRY_FLAGS) & ENTRY_IS_WAITING) === 0) return false;
  fillBinding(entry, load<u64>(entry, ENTRY_EXPIRES), slot);
  return true;
}
