/** Where a capture of translated connections was taken: packets that conntrack does not know, for they look as on the other side of the translation (src/model/vantage.ts). */
import { CONTROL_ANSWERS_BACK, CONTROL_OTHER_SIDE } from '../../src/abi/control';
import { STATUS_SEEN_REPLY } from '../../src/abi/fields';
import { PACKET_NUMBER } from '../../src/abi/packet';
import { tallyFirst } from '../tally';
import { ALIAS_ENTRY } from './alias';
import { ENTRY_STATUS, ENTRY_TIMEOUT, STATUS_ALIAS, STATUS_TRANSLATED } from './entry';
import { isTcpReset } from './reset';
import { lookup } from './table';
import { keyHash, keyHigh, keyIs6, keyLow, keySwapped } from './tuple';

/**
 * Nobody has the key in hand in the packet's direction. A connection that has it in the other direction only is translated: the packet answers it as if it were not, or is its
 * question behind the translation.
 */
export function tellVantage(slot: usize, now: i64): void {
  // A router itself resets what conntrack found INVALID, and did not translate back.
  if (isTcpReset(slot)) return;
  const record = lookup(keyLow, keyHigh, keyHash, keyIs6, keySwapped ? 0 : 1);
  if (record === 0) return;
  const alias = (load<u32>(record, ENTRY_STATUS) & STATUS_ALIAS) !== 0;
  const entry = alias ? (load<u32>(record, ALIAS_ENTRY) as usize) : record;
  // Directions in different zones have keys of their own, too.
  if ((load<u32>(entry, ENTRY_STATUS) & STATUS_TRANSLATED) === 0 || load<i64>(entry, ENTRY_TIMEOUT) <= now) return;
  const answered = (load<u32>(entry, ENTRY_STATUS) & STATUS_SEEN_REPLY) !== 0;
  tallyFirst(alias || answered ? CONTROL_OTHER_SIDE : CONTROL_ANSWERS_BACK, load<u64>(slot, PACKET_NUMBER));
}
