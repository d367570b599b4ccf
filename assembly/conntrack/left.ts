/** The translated connection by which a packet left, as a capture has it behind the translation: the packet turned round is one of the connection's other direction (model/host.ts says what that tells). */
import { FIELD_DESTINATION, FIELD_FAMILY, FIELD_FRAGMENT, FIELD_L4_LENGTH, FIELD_PROTOCOL } from '../../src/abi/fields';
import { PACKET_IP, PACKET_JIFFIES, PACKET_L4_OFFSET } from '../../src/abi/packet';
import { seeAsConntrack, seeAsRules } from '../packet/extension-headers.ts';
import { isAt } from './accessors';
import { ALIAS_ENTRY } from './alias';
import { ENTRY_STATUS, ENTRY_TIMEOUT, PROTOCOL_ICMP, PROTOCOL_ICMPV6, STATUS_ALIAS, STATUS_TRANSLATED } from './entry';
import { ICMP_HEADER_SIZE, icmpIsError } from './icmp';
import { icmpv6IsError } from './icmpv6';
import { keyOwnTuple } from './own-tuple';
import { keyOfError } from './related';
import { lookup } from './table';
import { keyHash, keyHigh, keyIs6, keyLow, keySwapped } from './tuple';

/** What `leftBy` found: the direction that the packet went, and whether it is an error about the other one. */
export let leftDirection: u32 = 0;
export let leftAsError: bool = false;
/** It found none, but one that has the packet as it is. */
export let leftKnown: bool = false;

/** The connection's entry; 0: there is none, or one has the packet as it is. Nothing is changed. */
export function leftBy(slot: usize): usize {
  const now = load<i64>(slot, PACKET_JIFFIES);
  leftKnown = false;
  const seen = seeAsConntrack(slot);
  const quoted = quotedAt(slot);
  const length = load<u32>(slot, FIELD_L4_LENGTH * 4);
  seeAsRules(slot, seen);
  leftAsError = quoted !== 0;
  if (leftAsError) {
    if (!keyOfError(quoted, length - ICMP_HEADER_SIZE, load<u32>(slot, FIELD_FAMILY * 4))) return 0;
  } else {
    if (!keyOwnTuple(slot, 0)) return 0;
    const own = lookup(keyLow, keyHigh, keyHash, keyIs6, keySwapped ? 1 : 0);
    leftKnown = own !== 0 && load<i64>(entryOf(own), ENTRY_TIMEOUT) > now;
    if (leftKnown) return 0;
  }
  const record = lookup(keyLow, keyHigh, keyHash, keyIs6, keySwapped ? 0 : 1);
  if (record === 0) return 0;
  const entry = entryOf(record);
  if ((load<u32>(entry, ENTRY_STATUS) & STATUS_TRANSLATED) === 0 || load<i64>(entry, ENTRY_TIMEOUT) <= now) return 0;
  leftDirection = isAlias(record) ? 0 : 1;
  // Its sender is told.
  return leftAsError && !isAt(entry, 1 - leftDirection, true, slot + FIELD_DESTINATION * 4) ? 0 : entry;
}

/** Where the packet lies that an ICMP error quotes; 0: it is none. */
function quotedAt(slot: usize): usize {
  if (load<u32>(slot, FIELD_FRAGMENT * 4) !== 0 || load<u32>(slot, FIELD_L4_LENGTH * 4) < ICMP_HEADER_SIZE) return 0;
  const protocol = load<u32>(slot, FIELD_PROTOCOL * 4);
  const header = (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize;
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  if (protocol !== (six ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP)) return 0;
  const type: u32 = load<u8>(header);
  const isError = six ? icmpv6IsError(type) : icmpIsError(type);
  return isError ? header + ICMP_HEADER_SIZE : 0;
}

function isAlias(record: usize): bool {
  return (load<u32>(record, ENTRY_STATUS) & STATUS_ALIAS) !== 0;
}

function entryOf(record: usize): usize {
  return isAlias(record) ? (load<u32>(record, ALIAS_ENTRY) as usize) : record;
}
