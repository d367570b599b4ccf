/**
 * The way of most packets: a plain segment inside the windows of an open TCP connection over IPv4. It is what track.ts, tcp.ts and tcp-window.ts
 * do with such a packet and with no other; whatever is not plain is left as it was, for them to judge. Nothing is written before all is known.
 */
import {
  TCP_ESTABLISHED,
  TRACKING_FLAG_NAT,
  TRACKING_MAX_RETRANS,
  TRACKING_TCP,
  TRACKING_TCP_UNACK,
} from '../../src/abi/conntrack';
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
import { SHORT_SUM, shortSumHolds, sumHolds } from './checksum';
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
  STATUS_ALIAS,
  STATUS_ALIASED,
  STATUS_DYING,
  STATUS_HEAD,
  STATUS_VISIBLE,
} from './entry';
import { accounting, zonesOfOne } from './extension';
import { flag, parameter } from './parameters';
import { setClock } from './table';
import { CLASS_ACK } from './tcp-matrix';
import { highestSack, TCP_HEADER_SIZE } from './tcp-options';
import { LEAST_ACK_WINDOW, SIDE_MAXACK_SET, SIDE_SACK_PERMITTED, SIDE_UNACKNOWLEDGED } from './tcp-window';

/** As an index of swizzle: zero. */
const z: i8 = -128;
const FLAG_PSH: u32 = 8;
const FLAG_ACK: u32 = 16;
/** Bytes of a segment whose sum is made, wanted or not. */
const SUM_ANYWAY: u32 = 64;
const IPV4_HEADER: u32 = 20;
/** Of an IPv4 header: where its addresses lie, in front of a segment, with which they are summed. */
const ADDRESSES: usize = 12;
const ADDRESSES_SIZE: u32 = 8;
const OPEN: u32 = STATUS_CONFIRMED | STATUS_SEEN_REPLY | STATUS_ASSURED;

/** Whether plain packets can be told: the short way does not count packets (conntrack/extension.ts), knows one entry of a key, and does not count retransmissions. */
export function hasShortWay(): bool {
  return !accounting && !zonesOfOne && parameter(TRACKING_MAX_RETRANS) !== 0;
}

/** A packet with a guess (ahead.ts): IPv4 with ports, no later fragment. `verify`: its checksum counts. Out: it was plain, and the slot and its entry know it. */
export function plainSegment(slot: usize, guess: u32, verify: bool): bool {
  if (load<u32>(slot, FIELD_PROTOCOL * 4) !== PROTOCOL_TCP) return false;
  if ((load<u32>(slot, FIELD_TCP_FLAGS * 4) & ~FLAG_PSH) !== FLAG_ACK) return false;
  const present = load<u32>(slot, FIELD_L4_LENGTH * 4);
  if (present < TCP_HEADER_SIZE) return false;
  const offset = load<u32>(slot, PACKET_L4_OFFSET);
  const header = (load<u32>(slot, PACKET_IP) + offset) as usize;
  const entry = openConnection(slot, guess);
  if (entry === 0) return false;
  // Whether it counts depends on the packet's direction, which nobody can foresee: a short sum costs less than guessing wrong.
  if (verify | (present <= SUM_ANYWAY)) {
    if (verify & !sumHolds(header, present, pseudoHeader(slot, present))) return false;
  }
  const direction = directionIn(entry, guess);
  if (!follow(slot, entry, direction, header, present, load<u32>(slot, FIELD_LENGTH * 4) - offset)) return false;
  const status = (load<u32>(entry, ENTRY_STATUS) & STATUS_VISIBLE) | STATUS_ENTRY;
  store<u32>(slot, CT_ESTABLISHED, FIELD_CT_STATE * 4);
  // The direction and the status behind it; the entry and, behind it, that it is confirmed.
  store<u64>(slot, (direction as u64) | ((status as u64) << 32), FIELD_CT_DIRECTION * 4);
  store<u64>(slot, entry as u64, PACKET_CT_ENTRY);
  return true;
}

/** As plainSegment, of a packet of `length` bytes at `ip` whose slot is not decoded (WAY_BARE), and whose connection is open: only its entry knows it. False, and nothing is changed, when it is not plain. */
export function followBare(slot: usize, entry: usize, direction: u32, ip: usize, length: u32, verify: bool): bool {
  const present = length - IPV4_HEADER;
  const covered = present + ADDRESSES_SIZE;
  if (covered <= SHORT_SUM) {
    if (verify & !shortSumHolds(ip + ADDRESSES, covered, pseudoOf(present))) return false;
  } else if (verify && !sumHolds(ip + ADDRESSES, covered, pseudoOf(present))) return false;
  return follow(slot, entry, direction, ip + IPV4_HEADER, present, present);
}

/** Without the addresses. */
function pseudoOf(present: u32): u64 {
  return (PROTOCOL_TCP as u64) + (present as u64);
}

function pseudoHeader(slot: usize, present: u32): u64 {
  const addresses = (load<u32>(slot, FIELD_SOURCE * 4) as u64) + (load<u32>(slot, FIELD_DESTINATION * 4) as u64);
  return addresses + pseudoOf(present);
}

/** The guess, if it still is the packet's connection: open, assured and in its state ESTABLISHED. 0 otherwise. */
export function openConnection(slot: usize, guess: u32): usize {
  const entry = (guess & ~1) as usize;
  if ((load<u32>(entry, ENTRY_STATUS) & (OPEN | STATUS_DYING | STATUS_ALIASED)) !== OPEN) return 0;
  if (load<u8>(entry, ENTRY_TCP_STATE) !== TCP_ESTABLISHED) return 0;
  // Since the guess it can have become another's.
  if (load<u64>(entry, ENTRY_LOW) !== load<u64>(slot, PACKET_CT_LOW)) return 0;
  if (load<u64>(entry, ENTRY_HIGH) !== load<u64>(slot, PACKET_CT_HIGH)) return 0;
  const now = load<i64>(slot, PACKET_JIFFIES);
  if (load<i64>(entry, ENTRY_TIMEOUT) <= now) return 0;
  if (now >= due) return 0;
  setClock(now);
  return entry;
}

/** The guess, if it still is the packet's connection, in whatever state, and its time is not over; no key is in hand then. 0: it has to be looked up. */
export function foreseenConnection(slot: usize, guess: u32, now: i64): usize {
  if (guess === 0 || flag(TRACKING_FLAG_NAT)) return 0;
  const entry = (guess & ~1) as usize;
  const status = load<u32>(entry, ENTRY_STATUS);
  if ((status & (STATUS_CONFIRMED | STATUS_DYING | STATUS_ALIASED | STATUS_ALIAS | STATUS_HEAD)) !== STATUS_CONFIRMED) return 0;
  if (load<u64>(entry, ENTRY_LOW) !== load<u64>(slot, PACKET_CT_LOW)) return 0;
  if (load<u64>(entry, ENTRY_HIGH) !== load<u64>(slot, PACKET_CT_HIGH)) return 0;
  if (load<i64>(entry, ENTRY_TIMEOUT) <= now) return 0;
  setClock(now);
  return entry;
}

/** The direction of the packet in the connection that its guess is. */
export function directionIn(entry: usize, guess: u32): u32 {
  return (guess & 1) ^ (load<u8>(entry, ENTRY_SWAPPED) as u32);
}

/**
 * tcp_in_window for a segment of `length` bytes with an ACK, of which `present` were captured. False, and nothing is changed, when a bound fails, or anything else about it is not plain.
 * Sequence numbers are before others when the difference is negative: where all differences are to be looked at, their signs are looked at together.
 */
function follow(slot: usize, entry: usize, direction: u32, header: usize, present: u32, length: u32): bool {
  const said = numbersAt(header);
  // Size of the header, flags, window, as they lie.
  const rest = load<u32>(header, 12);
  const size = (rest >>> 2) & 0x3c;
  const raw = (rest >>> 24) | ((rest >>> 8) & 0xff00);
  if (i32((size - TCP_HEADER_SIZE) | (present - size)) < 0) return false;
  // What may be a retransmission.
  if (load<u64>(entry, ENTRY_LAST_SEQ) === said) return false;
  const turn = (direction as usize) * SIDE_SIZE;
  const sender = entry + ENTRY_SIDES + turn;
  const receiver = entry + ENTRY_SIDES + SIDE_SIZE - turn;
  const seq = said as u32;
  const ack = (said >>> 32) as u32;
  const end = seq + length - size;
  const own = direction << 3;
  const peer = own ^ 8;
  let flags = load<u16>(entry, ENTRY_TCP_FLAGS) as u32;
  if ((flags & (SIDE_MAXACK_SET << own)) === 0) return false;
  let sack = ack;
  if (size !== TCP_HEADER_SIZE && (flags & (SIDE_SACK_PERMITTED << peer)) !== 0)
    sack = highestSack(header, size - TCP_HEADER_SIZE, ack);
  const room = load<u32>(sender, SIDE_MAXWIN);
  const bound = load<u32>(sender, SIDE_MAXEND);
  const last = load<u32>(sender, SIDE_END);
  const receiverRoom = load<u32>(receiver, SIDE_MAXWIN);
  const receiverEnd = load<u32>(receiver, SIDE_END);
  const over = (bound - seq) | (receiverEnd - sack);
  const under = (end - last + receiverRoom) | (sack - receiverEnd + max(room, LEAST_ACK_WINDOW));
  // A closed window, a side not seen yet.
  const closed = (raw - 1) | (room - 1) | (receiverRoom - 1);
  if (i32(over | under | closed) < 0) return false;

  // What countRetransmission keeps: sequence and acknowledgement; end, window and no retransmissions.
  store<u64>(entry, said, ENTRY_LAST_SEQ);
  store<u64>(entry, (end as u64) | ((raw as u64) << 32), ENTRY_LAST_END);
  store<u16>(entry, direction | (CLASS_ACK << 8), ENTRY_LAST_DIRECTION);
  // Both sides move. What is new differs from packet to packet: everything is stored, nothing branched on.
  const window = raw << (load<u8>(entry + (direction as usize), ENTRY_TCP_SCALE) as u32);
  const advances = negative(last - end);
  store<u32>(sender, last + ((end - last) & advances), SIDE_END);
  store<u32>(sender, max(room, window + (sack - ack)), SIDE_MAXWIN);
  const acknowledged = load<u32>(sender, SIDE_MAXACK);
  store<u32>(sender, acknowledged + ((ack - acknowledged) & negative(acknowledged - ack)), SIDE_MAXACK);
  if (i32(bound - end) < 0) store<u32>(receiver, receiverRoom + (end - bound), SIDE_MAXWIN);
  const most = load<u32>(receiver, SIDE_MAXEND);
  const reach = sack + window - most;
  store<u32>(receiver, most + (reach & ~negative(reach)), SIDE_MAXEND);
  flags |= (SIDE_UNACKNOWLEDGED & advances) << own;
  flags &= ~(select<u32>(SIDE_UNACKNOWLEDGED, 0, ack === receiverEnd) << peer);
  store<u16>(entry, flags, ENTRY_TCP_FLAGS);
  const usual = parameter(TRACKING_TCP + (TCP_ESTABLISHED << 2));
  const waits = (flags & (SIDE_UNACKNOWLEDGED | (SIDE_UNACKNOWLEDGED << 8))) !== 0;
  const timeout = select(min(usual, parameter(TRACKING_TCP_UNACK)), usual, waits);
  store<i64>(entry, load<i64>(slot, PACKET_JIFFIES) + (timeout as i64), ENTRY_TIMEOUT);
  return true;
}

/** All ones for a negative difference, else 0. */
function negative(difference: u32): u32 {
  return ((difference as i32) >> 31) as u32;
}

/** Sequence number and, above it, acknowledgement. */
function numbersAt(header: usize): u64 {
  if (ASC_FEATURE_SIMD)
    return i64x2.extract_lane(v128.swizzle(v128.load(header), i8x16(7, 6, 5, 4, 11, 10, 9, 8, z, z, z, z, z, z, z, z)), 0);
  return (bswap(load<u32>(header, 4)) as u64) | ((bswap(load<u32>(header, 8)) as u64) << 32);
}
