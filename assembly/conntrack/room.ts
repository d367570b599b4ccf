/** Room for what a batch of packets can bring; between batches only, for memory may grow. */
import { TRACKING_COUNTED, TRACKING_FLAG_HELPERS } from '../../src/abi/conntrack';
import { expectationLimit } from './expectations';
import { helpTakes, helpWants } from './help-region';
import { flag, parameter } from './parameters';
import { carve } from './pool';
import { reserve } from './table';

/** For `packets` more packets. False when there is no more memory. */
export function conntrackReserve(packets: u32): bool {
  if (flag(TRACKING_FLAG_HELPERS)) {
    // A packet can make one connection worth remembering; expectations have a limit of their own.
    const bytes = helpWants(packets + expectationLimit());
    if (bytes !== 0) {
      const at = carve(bytes);
      if (at === 0) return false;
      helpTakes(at, bytes);
    }
  }
  // A rule that counts may begin a list: its head and the first that is counted.
  return reserve(packets * (1 + 2 * parameter(TRACKING_COUNTED)));
}
