/** What goes with a connection that is no more. */
import { HELPER_PPTP } from '../../src/abi/helpers';
import { dataEnds } from './calls';
import { ENTRY_STATUS, STATUS_HELPER, STATUS_MASTER_SHIFT } from './entry';
import { forgetHelp } from './expectations';

/** Others know nothing of the connection any more. Its records stay. */
export function end(entry: usize): void {
  const status = load<u32>(entry, ENTRY_STATUS);
  if ((status & STATUS_HELPER) !== 0) forgetHelp(entry);
  if ((status >>> STATUS_MASTER_SHIFT) % 16 === HELPER_PPTP) dataEnds(entry);
}
