/** The windows of a plain segment (plain.ts): what tcp_in_window does when no bound fails and nothing else is to be thought of. */
import { TCP_ESTABLISHED, TRACKING_TCP, TRACKING_TCP_UNACK } from '../../src/abi/conntrack';
import {
  ENTRY_LAST_DIRECTION,
  ENTRY_LAST_END,
  ENTRY_LAST_SEQ,
  ENTRY_SIDES,
  ENTRY_TCP_FLAGS,
  ENTRY_TCP_SCALE,
  ENTRY_TIMEOUT,
  SIDE_END,
  SIDE_MAXACK,
  SIDE_MAXEND,
  SIDE_MAXWIN,
  SIDE_SIZE,
} from './entry';
import { parameter } from './parameters';
import { CLASS_ACK } from './tcp-matrix';
import { highestSack, TCP_HEADER_SIZE } from './tcp-options';
import { LEAST_ACK_WINDOW, SIDE_SACK_PERMITTED, SIDE_UNACKNOWLEDGED } from './tcp-window';

/**
 * What is 16 bytes long is kept in memory: the engine's code makes constants of that size anew wherever they are used. Indices of swizzle into a TCP header, -1 for zero:
 * sequence number, acknowledgement, window, 0.
 */
export const NUMBERS: usize = memory.data<i8>([7, 6, 5, 4, 11, 10, 9, 8, 15, 14, -1, -1, -1, -1, -1, -1]);
/** Of a TCP header: its window, as it lies. */
export const HEADER_WINDOW: usize = 14;
/** Words: what a window counts at least where it bounds acknowledgements; the difference that is neither before nor behind. */
export const LEAST: usize = memory.data<u32>([0, 66000, 0, 0]);
const OPPOSITE: usize = memory.data<u32>([0x80000000, 0x80000000, 0x80000000, 0x80000000]);

export const UNACKNOWLEDGED: u16 = SIDE_UNACKNOWLEDGED as u16;
/**
 * For each direction and each of what slide tells (SLID_ON, SLID_ACKNOWLEDGES): the flags that the sides, a byte each, get, and those they keep. The sender sent what is not acknowledged yet;
 * what the other side sent is acknowledged.
 */
const SETTLED: usize = memory.data<u16>([
  0, 0xffff, 0x10, 0xffff, 0, 0xefff, 0x10, 0xefff, 0, 0xffff, 0x1000, 0xffff, 0, 0xffef, 0x1000, 0xffef,
]);
/** How long an open connection lives, in jiffies; and while something that was sent is not acknowledged. */
export const LIVES: usize = memory.data(8, 4);

/** What slide and slideTogether tell: the sender sent what it had not; its acknowledgement is of all that the other side sent. Or, alone, that the segment is not plain. */
export const SLID_ON: u32 = 1;
export const SLID_ACKNOWLEDGES: u32 = 2;
export const SLID_NOT: u32 = 4;

/** Once the parameters are there. */
export function followInit(): void {
  const usual = parameter(TRACKING_TCP + (TCP_ESTABLISHED << 2));
  store<u32>(LIVES, usual);
  store<u32>(LIVES, min(usual, parameter(TRACKING_TCP_UNACK)), 4);
}

/** tcp_in_window for a segment of `length` bytes with an ACK, of which `present` were captured, in a connection both sides of which acknowledged something (SIDE_MAXACK_SET). False, and nothing is changed, when a bound fails, or anything else about it is not plain. */
export function follow(entry: usize, direction: u32, header: usize, present: u32, length: u32, now: i64): bool {
  const size = ((load<u8>(header, 12) as u32) >>> 2) & 0x3c;
  if (i32((size - TCP_HEADER_SIZE) | (present - size)) < 0) return false;
  const peer = entry + ((direction ^ 1) as usize);
  // Asked first: little has to be kept while others are called.
  let beyond: u32 = 0;
  if (size !== TCP_HEADER_SIZE)
    if ((load<u8>(peer, ENTRY_TCP_FLAGS) & SIDE_SACK_PERMITTED) !== 0) beyond = sackBeyond(header, size);
  let slid = SLID_NOT;
  if (ASC_FEATURE_SIMD) if (beyond === 0) slid = Follow.slideTogether(entry, direction, header, length - size);
  if (slid === SLID_NOT) slid = slide(entry, direction, header, length - size, beyond);
  if (slid === SLID_NOT) return false;
  Follow.settle(entry, direction, slid, now);
  return true;
}

/** How far the highest SACK block of a segment is beyond its acknowledgement. */
export function sackBeyond(header: usize, size: u32): u32 {
  const ack = bswap(load<u32>(header, 8));
  return highestSack(header, size - TCP_HEADER_SIZE, ack) - ack;
}

/**
 * Moves both sides for a segment with `data` bytes, with SACK blocks up to `beyond` behind its acknowledgement. Out: SLID_*.
 * Sequence numbers are before others when the difference is negative: where all differences are to be looked at, their signs are looked at together.
 */
export function slide(entry: usize, direction: u32, header: usize, data: u32, beyond: u32): u32 {
  const seq = bswap(load<u32>(header, 4));
  const ack = bswap(load<u32>(header, 8));
  const raw = bswap(load<u16>(header, 14)) as u32;
  const sack = ack + beyond;
  const end = seq + data;
  const sender = entry + ENTRY_SIDES + (direction as usize) * SIDE_SIZE;
  const receiver = entry + ENTRY_SIDES + ((direction ^ 1) as usize) * SIDE_SIZE;
  const said = (seq as u64) | ((ack as u64) << 32);
  // What may be a retransmission. (Data behind an acknowledgement that says the same are none.)
  if (load<u64>(entry, ENTRY_LAST_SEQ) === said && load<u32>(entry, ENTRY_LAST_END) === end) return SLID_NOT;
  const room = load<u32>(sender, SIDE_MAXWIN);
  const bound = load<u32>(sender, SIDE_MAXEND);
  const last = load<u32>(sender, SIDE_END);
  const receiverRoom = load<u32>(receiver, SIDE_MAXWIN);
  const receiverEnd = load<u32>(receiver, SIDE_END);
  const over = (bound - seq) | (receiverEnd - sack);
  const under = (end - last + receiverRoom) | (sack - receiverEnd + max(room, LEAST_ACK_WINDOW));
  // A closed window, a side not seen yet.
  const closed = (raw - 1) | (room - 1) | (receiverRoom - 1);
  if (i32(over | under | closed) < 0) return SLID_NOT;

  // What countRetransmission keeps: sequence and acknowledgement; end, window and no retransmissions.
  store<u64>(entry, said, ENTRY_LAST_SEQ);
  store<u64>(entry, (end as u64) | ((raw as u64) << 32), ENTRY_LAST_END);
  const window = raw << (load<u8>(entry + (direction as usize), ENTRY_TCP_SCALE) as u32);
  const advances = negative(last - end);
  store<u32>(sender, last + ((end - last) & advances), SIDE_END);
  store<u32>(sender, max(room, window + beyond), SIDE_MAXWIN);
  const acknowledged = load<u32>(sender, SIDE_MAXACK);
  store<u32>(sender, acknowledged + ((ack - acknowledged) & negative(acknowledged - ack)), SIDE_MAXACK);
  if (i32(bound - end) < 0) store<u32>(receiver, receiverRoom + (end - bound), SIDE_MAXWIN);
  const most = load<u32>(receiver, SIDE_MAXEND);
  const reach = sack + window - most;
  store<u32>(receiver, most + (reach & ~negative(reach)), SIDE_MAXEND);
  return (advances & SLID_ON) | select<u32>(SLID_ACKNOWLEDGES, 0, ack === receiverEnd);
}

/** All ones for a negative difference, else 0. */
function negative(difference: u32): u32 {
  return ((difference as i32) >> 31) as u32;
}

/**
 * Parts of those who call them: in the loop over plain segments (bare.ts) nothing is called, so that what it has at hand stays in registers.
 * Methods, for the linter takes the decorator at no function.
 */
// biome-ignore lint/complexity/noStaticOnlyClass: @inline stands at methods only, as far as the linter goes
export class Follow {
  /** As `slide`, without SACK blocks, four words at a time. SLID_NOT, and nothing is changed, also where `slide` has to look closer: the same numbers as before, data behind the bound, numbers as far from each other as can be. */
  @inline
  static slideTogether(entry: usize, direction: u32, header: usize, data: u32): u32 {
    if (!ASC_FEATURE_SIMD) return SLID_NOT;
    // Behind the one that goes from the first side to the other lies, for it, the other one.
    const step = (direction as usize) * SIDE_SIZE;
    const from = entry + step;
    const to = entry - step;
    const none = i32x4.splat(0);
    // Sequence number, acknowledgement, 0, acknowledgement; the first two with the end of the segment.
    const numbers = v128.swizzle(v128.load(header), v128.load(NUMBERS));
    const said = v128.shuffle<i32>(numbers, numbers, 0, 1, 3, 1);
    if (load<u64>(entry, ENTRY_LAST_SEQ) === i64x2.extract_lane(said, 0)) return SLID_NOT;
    if (load<u16>(header, HEADER_WINDOW) === 0) return SLID_NOT;
    const raw = v128.shuffle<i32>(numbers, numbers, 3, 2, 2, 3);
    const ends = i32x4.add(said, i32x4.replace_lane(none, 0, data));
    const sender = v128.load(from, ENTRY_SIDES);
    const receiver = v128.load(to, ENTRY_SIDES + SIDE_SIZE);
    // Of sender and receiver: end and end, bound and bound; room and room.
    const known = v128.shuffle<i32>(sender, receiver, 0, 4, 1, 5);
    const rooms = v128.shuffle<i32>(sender, receiver, 2, 6, 3, 7);
    const bounds = v128.shuffle<i32>(known, known, 2, 1, 0, 3);
    const over = v128.or(i32x4.sub(bounds, said), i32x4.sub(bounds, ends));
    const least = i32x4.max_u(v128.shuffle<i32>(rooms, rooms, 1, 0, 3, 2), v128.load(LEAST));
    const under = i32x4.add(i32x4.sub(ends, known), least);
    const closed = v128.or(rooms, i32x4.add(rooms, i32x4.splat(-1)));
    // The sender's end, the receiver's bound, the sender's room and acknowledgement: how far the segment moves them.
    const window = i32x4.shl(raw, load<u8>(entry + (direction as usize), ENTRY_TCP_SCALE));
    const before = v128.shuffle<i32>(sender, receiver, 0, 5, 2, 3);
    const change = i32x4.sub(i32x4.add(ends, window), before);
    const opposite = i32x4.bitmask(i32x4.eq(change, v128.load(OPPOSITE)));
    if (((i32x4.bitmask(v128.or(over, v128.or(under, closed))) & 3) | opposite) !== 0) return SLID_NOT;
    v128.store(entry, v128.shuffle<i32>(said, v128.shuffle<i32>(ends, raw, 0, 5, 2, 3), 0, 1, 4, 5), ENTRY_LAST_SEQ);
    const behind = i32x4.add(before, i32x4.max_s(change, none));
    v128.store(from, v128.shuffle<i32>(behind, sender, 0, 5, 2, 3), ENTRY_SIDES);
    v128.store(to, v128.shuffle<i32>(receiver, behind, 0, 5, 2, 3), ENTRY_SIDES + SIDE_SIZE);
    const on = (i32x4.bitmask(i32x4.gt_s(change, none)) as u32) & SLID_ON;
    return on | ((i32x4.bitmask(i32x4.eq(ends, known)) as u32) & SLID_ACKNOWLEDGES);
  }

  /** A segment moved the sides as `slid` tells: what else of its entry changes. What is new differs from packet to packet: everything is stored, nothing branched on. */
  @inline
  static settle(entry: usize, direction: u32, slid: u32, now: i64): void {
    store<u16>(entry, direction | (CLASS_ACK << 8), ENTRY_LAST_DIRECTION);
    const row = SETTLED + (((slid | (direction << 2)) << 2) as usize);
    const flags = (load<u16>(entry, ENTRY_TCP_FLAGS) | load<u16>(row)) & load<u16>(row, 2);
    store<u16>(entry, flags, ENTRY_TCP_FLAGS);
    const waits = (flags & (UNACKNOWLEDGED | (UNACKNOWLEDGED << 8))) !== 0;
    const life = select(load<u32>(LIVES, 4), load<u32>(LIVES), waits);
    store<i64>(entry, now + (life as i64), ENTRY_TIMEOUT);
  }
}
