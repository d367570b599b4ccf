/**
 * The way of most packets: a plain segment inside the windows of an open TCP connection over IPv4. It is what track.ts, tcp.ts and tcp-window.ts
 * do with such a packet and with no other; whatever is not plain is left as it was, for them to judge. Nothing is written before all is known.
 */
import { TCP_ESTABLISHED, TRACKING_MAX_RETRANS, TRACKING_TCP, TRACKING_TCP_UNACK } from '../../src/abi/conntrack';
import {
  CT_ESTABLISHED,
  FIELD_CT_DIRECTION,
  FIELD_CT_STATE,
  FIELD_DESTINATION,
  FIELD_L4_LENGTH,
  FIELD_LENGTH,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  FIELD_TCP_FLAGS,
  STATUS_ASSURED,
  STATUS_CONFIRMED,
  STATUS_ENTRY,
  STATUS_SEEN_REPLY,
} from '../../src/abi/fields';
import {
  PACKET_CT_ENTRY,
  PACKET_CT_HIGH,
  PACKET_CT_LOW,
  PACKET_IP,
  PACKET_JIFFIES,
  PACKET_L4_OFFSET,
} from '../../src/abi/packet';
import { sumHolds } from './checksum';
import { due } from './collector';
import {
  ENTRY_HIGH,
  ENTRY_LAST_DIRECTION,
  ENTRY_LAST_END,
  ENTRY_LAST_SEQ,
  ENTRY_LOW,
  ENTRY_SIDES,
  ENTRY_STATUS,
  ENTRY_SWAPPED,
  ENTRY_TCP_FLAGS,
  ENTRY_TCP_SCALE,
  ENTRY_TCP_STATE,
  ENTRY_TIMEOUT,
  PROTOCOL_TCP,
  SIDE_END,
  SIDE_MAXACK,
  SIDE_MAXEND,
  SIDE_MAXWIN,
  SIDE_SIZE,
  STATUS_ALIASED,
  STATUS_DYING,
  STATUS_VISIBLE,
} from './entry';
import { parameter } from './parameters';
import { setClock } from './table';
import { CLASS_ACK } from './tcp-matrix';
import { highestSack, TCP_HEADER_SIZE } from './tcp-options';
import { after, before, LEAST_ACK_WINDOW, SIDE_MAXACK_SET, SIDE_SACK_PERMITTED, SIDE_UNACKNOWLEDGED } from './tcp-window';

const FLAG_PSH: u32 = 8;
const FLAG_ACK: u32 = 16;
/** Bytes of a segment whose sum is made, wanted or not. */
const SUM_ANYWAY: u32 = 64;
const OPEN: u32 = STATUS_CONFIRMED | STATUS_SEEN_REPLY | STATUS_ASSURED;

/** A packet with a guess (ahead.ts): IPv4 with ports, no later fragment. `verify`: its checksum counts. Out: it was plain, and the slot and its entry know it. */
export function plainSegment(slot: usize, guess: u32, verify: bool): bool {
  if (load<u32>(slot, FIELD_PROTOCOL * 4) !== PROTOCOL_TCP) return false;
  if ((load<u32>(slot, FIELD_TCP_FLAGS * 4) & ~FLAG_PSH) !== FLAG_ACK) return false;
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (present < TCP_HEADER_SIZE) return false;
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  const header = (load<u32>(slot, PACKET_IP) + offset) as usize;
  const size = ((load<u8>(header, 12) >>> 4) as u32) << 2;
  if (size < TCP_HEADER_SIZE || size > present) return false;
  const now = load<i64>(slot, PACKET_JIFFIES);
  const entry = openConnection(slot, guess, now);
  if (entry === 0) return false;
  // Whether it counts depends on the packet's direction, which nobody can foresee: a short sum costs less than guessing wrong.
  if (verify | (present <= SUM_ANYWAY)) {
    if (verify & !sumHolds(header, present, pseudoHeader(slot, present))) return false;
  }
  const data = load<u32>(slot, FIELD_LENGTH * 4) - offset - size;
  const direction = (guess & 1) ^ (load<u8>(entry, ENTRY_SWAPPED) as u32);
  if (!follow(entry, direction, header, size - TCP_HEADER_SIZE, data, now)) return false;
  const status = (load<u32>(entry, ENTRY_STATUS) & STATUS_VISIBLE) | STATUS_ENTRY;
  store<u32>(slot, CT_ESTABLISHED, FIELD_CT_STATE * 4);
  // The direction and the status behind it; the entry and, behind it, that it is confirmed.
  store<u64>(slot, (direction as u64) | ((status as u64) << 32), FIELD_CT_DIRECTION * 4);
  store<u64>(slot, entry as u64, PACKET_CT_ENTRY);
  return true;
}

function pseudoHeader(slot: usize, present: u32): u64 {
  const addresses = (load<u32>(slot, FIELD_SOURCE * 4) as u64) + (load<u32>(slot, FIELD_DESTINATION * 4) as u64);
  return addresses + (PROTOCOL_TCP as u64) + (present as u64);
}

/** The guess, if it still is the packet's connection: open, assured and in its state ESTABLISHED. 0 otherwise. */
function openConnection(slot: usize, guess: u32, now: i64): usize {
  const entry = (guess & ~1) as usize;
  const status = load<u32>(entry, ENTRY_STATUS);
  if ((status & (OPEN | STATUS_DYING | STATUS_ALIASED)) !== OPEN || load<u8>(entry, ENTRY_TCP_STATE) !== TCP_ESTABLISHED)
    return 0;
  // Since the guess it can have become another's.
  if (load<u64>(entry, ENTRY_LOW) !== load<u64>(slot, PACKET_CT_LOW)) return 0;
  if (load<u64>(entry, ENTRY_HIGH) !== load<u64>(slot, PACKET_CT_HIGH)) return 0;
  if (load<i64>(entry, ENTRY_TIMEOUT) <= now || now >= due) return 0;
  setClock(now);
  return entry;
}

/** tcp_in_window for a segment with an ACK and `data` bytes. False when a bound fails, or anything else about it is not plain. */
function follow(entry: usize, direction: u32, header: usize, optionLength: u32, data: u32, now: i64): bool {
  const turn = (direction as usize) * SIDE_SIZE;
  const sender = entry + ENTRY_SIDES + turn;
  const receiver = entry + ENTRY_SIDES + SIDE_SIZE - turn;
  const raw = bswap(load<u16>(header, 14)) as u32;
  const room = load<u32>(sender, SIDE_MAXWIN);
  const seq = bswap(load<u32>(header, 4));
  const end = seq + data;
  const ack = bswap(load<u32>(header, 8));
  const said = (seq as u64) | ((ack as u64) << 32);
  // A closed window, a side not seen yet, what may be a retransmission: not plain.
  if (raw === 0 || room === 0 || load<u64>(entry, ENTRY_LAST_SEQ) === said) return false;
  const peer = load<u8>(entry + ((1 - direction) as usize), ENTRY_TCP_FLAGS) as u32;
  const sack = optionLength !== 0 && peer & SIDE_SACK_PERMITTED ? highestSack(header, optionLength, ack) : ack;
  const receiverEnd = load<u32>(receiver, SIDE_END);
  const receiverRoom = load<u32>(receiver, SIDE_MAXWIN);
  if (after(seq, load<u32>(sender, SIDE_MAXEND)) || after(sack, receiverEnd)) return false;
  if (receiverRoom !== 0 && !after(end, load<u32>(sender, SIDE_END) - receiverRoom - 1)) return false;
  if (!after(sack, receiverEnd - max(room, LEAST_ACK_WINDOW) - 1)) return false;
  if (parameter(TRACKING_MAX_RETRANS) === 0) return false;

  // What countRetransmission keeps: sequence and acknowledgement; end, window and no retransmissions.
  store<u64>(entry, said, ENTRY_LAST_SEQ);
  store<u64>(entry, (end as u64) | ((raw as u64) << 32), ENTRY_LAST_END);
  store<u16>(entry, direction | (CLASS_ACK << 8), ENTRY_LAST_DIRECTION);
  const window = raw << (load<u8>(entry + (direction as usize), ENTRY_TCP_SCALE) as u32);
  const waiting = update(entry, direction, sender, receiver, end, ack, sack, window, peer);
  const usual = parameter(TRACKING_TCP + (TCP_ESTABLISHED << 2));
  const timeout = select(min(usual, parameter(TRACKING_TCP_UNACK)), usual, waiting);
  store<i64>(entry, now + (timeout as i64), ENTRY_TIMEOUT);
  return true;
}

/** Moves both sides. Out: data of one of them is not acknowledged. What is new differs from packet to packet: everything is stored, nothing branched on. */
function update(
  entry: usize,
  direction: u32,
  sender: usize,
  receiver: usize,
  end: u32,
  ack: u32,
  sack: u32,
  window: u32,
  peerFlags: u32,
): bool {
  let own = load<u8>(entry + (direction as usize), ENTRY_TCP_FLAGS) as u32;
  const wide = window + (sack - ack);
  store<u32>(sender, max(load<u32>(sender, SIDE_MAXWIN), wide), SIDE_MAXWIN);
  const last = load<u32>(sender, SIDE_END);
  const advances = after(end, last);
  store<u32>(sender, select(end, last, advances), SIDE_END);
  own |= select<u32>(SIDE_UNACKNOWLEDGED, 0, advances);
  const acknowledged = load<u32>(sender, SIDE_MAXACK);
  const moves = !(own & SIDE_MAXACK_SET) | after(ack, acknowledged);
  store<u32>(sender, select(ack, acknowledged, moves), SIDE_MAXACK);
  own |= SIDE_MAXACK_SET;
  const bound = load<u32>(sender, SIDE_MAXEND);
  const receiverRoom = load<u32>(receiver, SIDE_MAXWIN);
  if (after(end, bound) && receiverRoom !== 0) store<u32>(receiver, receiverRoom + (end - bound), SIDE_MAXWIN);
  const most = load<u32>(receiver, SIDE_MAXEND);
  store<u32>(receiver, select(most, sack + window, before(sack + window, most)), SIDE_MAXEND);
  const peer = peerFlags & ~select<u32>(SIDE_UNACKNOWLEDGED, 0, ack === load<u32>(receiver, SIDE_END));
  store<u8>(entry + (direction as usize), own, ENTRY_TCP_FLAGS);
  store<u8>(entry + ((1 - direction) as usize), peer, ENTRY_TCP_FLAGS);
  return ((own | peer) & SIDE_UNACKNOWLEDGED) !== 0;
}
