/** The translated connection by which a packet left, as a capture has it behind the translation: the packet turned round is one of the connection's other direction (src/model/host.ts says what that tells). */
import { FIELD_DESTINATION, FIELD_FAMILY, FIELD_FRAGMENT, FIELD_L4_LENGTH, FIELD_PROTOCOL } from '../../src/abi/fields';
import { PACKET_IP, PACKET_JIFFIES, PACKET_L4_OFFSET } from '../../src/abi/packet';
import { seeAsConntrack, seeAsRules } from '../packet/extension-headers.ts';
import { isAt } from './accessors';
import { ALIAS_ENTRY } from './alias';
import {
  ENTRY_STATUS,
  ENTRY_TIMEOUT,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  STATUS_ALIAS,
  STATUS_DYING,
  STATUS_TRANSLATED,
} from './entry';
import { ICMP_HEADER_SIZE, ICMP_UNPAIRED, icmpIsError, icmpQuestion } from './icmp';
import { icmpv6IsError, icmpv6Question } from './icmpv6';
import { keyOwnTuple } from './own-tuple';
import { keyOfError } from './related';
import { lookup } from './table';
import { keyHash, keyHigh, keyIs6, keyLow, keySwapped } from './tuple';

/** What `identify` tells a packet from others by: nothing, its own tuple, that of the packet which an error quotes, turned round. */
export const IS_NOTHING: u32 = 0;
export const IS_ITSELF: u32 = 1;
export const IS_ERROR: u32 = 2;

/** Of an error, what `identify` read: its type and code, the one above the other, a byte each. */
export let identifiedError: u32 = 0;

/** What `leftBy` found: the direction that the packet went. */
export let leftDirection: u32 = 0;
/** It found none, but one that has the packet as it is. */
export let leftKnown: bool = false;

/** IS_*, and that key is in hand, without a zone. */
export function identify(slot: usize): u32 {
  const seen = seeAsConntrack(slot);
  const length = load<u32>(slot, FIELD_L4_LENGTH * 4);
  const header = (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize;
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const icmp = load<u32>(slot, FIELD_PROTOCOL * 4) === (six ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP);
  const readable = icmp && load<u32>(slot, FIELD_FRAGMENT * 4) === 0 && length >= ICMP_HEADER_SIZE;
  seeAsRules(slot, seen);
  if (readable) {
    const type: u32 = load<u8>(header);
    const error = six ? icmpv6IsError(type) : icmpIsError(type);
    identifiedError = (type << 8) | load<u8>(header, 1);
    if (error) return keyOfError(header + ICMP_HEADER_SIZE, length - ICMP_HEADER_SIZE, six ? 6 : 4) ? IS_ERROR : IS_NOTHING;
    const question = six ? icmpv6Question(type) : icmpQuestion(type);
    if (question === ICMP_UNPAIRED) return IS_NOTHING;
  }
  return keyOwnTuple(slot, 0) ? IS_ITSELF : IS_NOTHING;
}

/** The connection's entry; 0: there is none. Its key is in hand, of that kind. Nothing is changed. */
export function leftBy(slot: usize, kind: u32): usize {
  const now = load<i64>(slot, PACKET_JIFFIES);
  // No other connection can have such packets on the wire: their answers could not be told from each other.
  const record = lookup(keyLow, keyHigh, keyHash, keyIs6, keySwapped ? 0 : 1);
  if (record !== 0) {
    const entry = entryOf(record);
    if ((load<u32>(entry, ENTRY_STATUS) & STATUS_TRANSLATED) !== 0 && load<i64>(entry, ENTRY_TIMEOUT) > now) {
      leftKnown = true;
      leftDirection = isAlias(record) ? 0 : 1;
      // An error is told to the sender of what it quotes.
      return kind === IS_ERROR && !isAt(entry, 1 - leftDirection, true, slot + FIELD_DESTINATION * 4) ? 0 : entry;
    }
  }
  const own = kind === IS_ERROR ? 0 : lookup(keyLow, keyHigh, keyHash, keyIs6, keySwapped ? 1 : 0);
  leftKnown = kind === IS_ERROR || (own !== 0 && load<i64>(entryOf(own), ENTRY_TIMEOUT) > now);
  return 0;
}

/** The packet's connection ended with it. */
export function isEnded(entry: usize): bool {
  return (load<u32>(entry, ENTRY_STATUS) & STATUS_DYING) !== 0;
}

function isAlias(record: usize): bool {
  return (load<u32>(record, ENTRY_STATUS) & STATUS_ALIAS) !== 0;
}

function entryOf(record: usize): usize {
  return isAlias(record) ? (load<u32>(record, ALIAS_ENTRY) as usize) : record;
}
