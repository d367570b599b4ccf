/** The way of most datagrams of UDP: those of a connection that was answered. It is what track.ts and udp.ts do with such a packet and with no other; whatever is not so is left as it was, for them to judge. */
import {
  CT_ESTABLISHED,
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_PROTOCOL,
  STATUS_ASSURED,
  STATUS_CONFIRMED,
  STATUS_ENTRY,
  STATUS_SEEN_REPLY,
} from '../../src/abi/fields';
import { PACKET_CT_ENTRY, PACKET_JIFFIES } from '../../src/abi/packet';
import { INVALID_NONE } from '../../src/abi/reasons';
import {
  ENTRY_STATUS,
  ENTRY_STREAM,
  PROTOCOL_UDP,
  STATUS_ALIAS,
  STATUS_ALIASED,
  STATUS_DYING,
  STATUS_HEAD,
  STATUS_TRANSLATED,
  STATUS_VISIBLE,
} from './entry';
import { guessedEntry } from './half';
import { directionIn, hasWholeKeyOf, isCollected, isOver, translatedConnection, translatedDirection } from './plain';
import { setClock } from './table';
import { udpCheck, udpPacket } from './udp';

const ANSWERED: u32 = STATUS_CONFIRMED | STATUS_SEEN_REPLY;
const ASKED: u32 = ANSWERED | STATUS_DYING | STATUS_ALIASED | STATUS_ALIAS | STATUS_HEAD;

/** The direction of the packet in what `answeredConnection` found. */
export let datagramDirection: u32 = 0;

/** The guess (ahead.ts) for a packet with a key, if it is its connection, and was answered. 0 otherwise. */
export function answeredConnection(slot: usize, guess: u32, now: i64): usize {
  let entry = guessedEntry(guess);
  if (isAnswered(load<u32>(entry, ENTRY_STATUS))) {
    if (!hasWholeKeyOf(guess, slot)) return 0;
    datagramDirection = directionIn(entry, guess);
  } else {
    entry = translatedConnection(slot, guess);
    if (entry === 0 || !isAnswered(load<u32>(entry, ENTRY_STATUS) & ~STATUS_TRANSLATED)) return 0;
    datagramDirection = translatedDirection;
  }
  return isOver(entry, now) ? 0 : entry;
}

/** An entry with this status is a connection that was answered, and whose answers have the same key. */
function isAnswered(status: u32): bool {
  return (status & ASKED) === ANSWERED;
}

/** A packet with a guess. `verify`: its checksum counts. Out: it is such a datagram, and the slot and its entry know it. */
export function plainDatagram(slot: usize, guess: u32, verify: bool): bool {
  if (load<u32>(slot, FIELD_PROTOCOL * 4) !== PROTOCOL_UDP) return false;
  const now = load<i64>(slot, PACKET_JIFFIES);
  const entry = isCollected(now) ? 0 : answeredConnection(slot, guess, now);
  if (entry === 0 || udpCheck(slot, verify) !== INVALID_NONE) return false;
  setClock(now);
  udpPacket(entry, now);
  const status = (load<u32>(entry, ENTRY_STATUS) & STATUS_VISIBLE) | STATUS_ENTRY;
  store<u32>(slot, CT_ESTABLISHED, FIELD_CT_STATE * 4);
  // The direction and the status behind it; the entry and, behind it, that it is confirmed.
  store<u64>(slot, (datagramDirection as u64) | ((status as u64) << 32), FIELD_CT_DIRECTION * 4);
  store<u64>(slot, entry as u64, PACKET_CT_ENTRY);
  return true;
}

/** One more datagram, whose checksum nobody need ask any more, changes no more of the connection `entry` than its time. */
export function isSteady(entry: usize, now: i64): bool {
  return (load<u32>(entry, ENTRY_STATUS) & STATUS_ASSURED) !== 0 || now <= load<i64>(entry, ENTRY_STREAM);
}

export function followDatagram(entry: usize, now: i64): void {
  udpPacket(entry, now);
}
