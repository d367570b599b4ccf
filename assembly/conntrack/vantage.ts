/** Where a capture of translated connections was taken: packets that conntrack does not know, for they look as on the other side of the translation (src/model/vantage.ts). */
import { CONTROL_ANSWERS_BACK, CONTROL_OTHER_SIDE } from '../../src/abi/control';
import { FIELD_FRAGMENT, FIELD_L4_LENGTH, FIELD_PROTOCOL, FIELD_TCP_FLAGS, STATUS_SEEN_REPLY } from '../../src/abi/fields';
import { PACKET_NUMBER } from '../../src/abi/packet';
import { tallyFirst } from '../tally';
import { ALIAS_ENTRY } from './alias';
import { ENTRY_STATUS, ENTRY_TIMEOUT, PROTOCOL_TCP, STATUS_ALIAS, STATUS_TRANSLATED } from './entry';
import { lookup } from './table';
import { FLAG_RST } from './tcp-matrix';
import { TCP_HEADER_SIZE } from './tcp-options';
import { keyHash, keyHigh, keyIs6, keyLow, keySwapped } from './tuple';

/** A whole TCP header with RST. */
export function isTcpReset(slot: usize): bool {
  if (load<u32>(slot, FIELD_PROTOCOL * 4) !== PROTOCOL_TCP || load<u32>(slot, FIELD_FRAGMENT * 4) !== 0) return false;
  return load<u32>(slot, FIELD_L4_LENGTH * 4) >= TCP_HEADER_SIZE && (load<u32>(slot, FIELD_TCP_FLAGS * 4) & FLAG_RST) !== 0;
}

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
