/** Marks in an entry's status word. */
import { ENTRY_STATUS } from './entry';

/** `status`: STATUS_*, added to those it has. */
export function addStatus(entry: usize, status: u32): void {
  store<u32>(entry, load<u32>(entry, ENTRY_STATUS) | status, ENTRY_STATUS);
}
