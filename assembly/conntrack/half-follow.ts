/** As follow.ts, of a half (half.ts): segments that end where their side ends then, acknowledge the most, and whose window is what bounds the other side. All others are left to the entry. */
import { ENTRY_TIMEOUT, SIDE_SIZE } from './entry';
import { HEADER_WINDOW, LEAST, LIVES, NUMBERS, SLID_ACKNOWLEDGES, SLID_NOT, SLID_ON, sackBeyond, UNACKNOWLEDGED } from './follow';
import { HALF_DATA, HALF_FLAGS, HALF_LAST, HALF_SCALES, HALF_SIDES } from './half';
import { TCP_HEADER_SIZE } from './tcp-options';
import { SIDE_SACK_PERMITTED } from './tcp-window';

/** As SETTLED of follow.ts; the first side has HALF_LAST, too, where the segment goes in direction 1. */
const SETTLED: usize = memory.data<u16>([
  0, 0xffbf, 0x10, 0xffbf, 0, 0xefbf, 0x10, 0xefbf, 0x40, 0xffff, 0x1040, 0xffff, 0x40, 0xffef, 0x1040, 0xffef,
]);

/** As `follow`. False, and nothing is changed, also for segments that are for an entry. */
export function followHalf(half: usize, direction: u32, header: usize, present: u32, now: i64): bool {
  const size = ((load<u8>(header, 12) as u32) >>> 2) & 0x3c;
  if (i32((size - TCP_HEADER_SIZE) | (present - size)) < 0) return false;
  if (size !== TCP_HEADER_SIZE) {
    const permitted = (load<u8>(half + ((direction ^ 1) as usize), HALF_FLAGS) & SIDE_SACK_PERMITTED) !== 0;
    if (permitted && sackBeyond(header, size) !== 0) return false;
  }
  const slid = HalfFollow.slideTogether(half, direction, header, present - size);
  if (slid === SLID_NOT) return false;
  HalfFollow.settle(half, direction, slid, now);
  return true;
}

/** Parts of those who call them, as Follow (follow.ts). */
// biome-ignore lint/complexity/noStaticOnlyClass: @inline stands at methods only, as far as the linter goes
export class HalfFollow {
  /** As Follow.slideTogether. */
  @inline
  static slideTogether(half: usize, direction: u32, header: usize, data: u32): u32 {
    if (!ASC_FEATURE_SIMD) return SLID_NOT;
    // As there.
    const step = (direction as usize) * SIDE_SIZE;
    const from = half + step;
    const to = half - step;
    const none = i32x4.splat(0);
    const numbers = v128.swizzle(v128.load(header), v128.load(NUMBERS));
    if (load<u16>(header, HEADER_WINDOW) === 0) return SLID_NOT;
    const said = v128.shuffle<i32>(numbers, numbers, 0, 1, 3, 1);
    const ends = i32x4.add(said, i32x4.replace_lane(none, 0, data));
    const sender = v128.load(from, HALF_SIDES);
    const receiver = v128.load(to, HALF_SIDES + SIDE_SIZE);
    // Of sender and receiver: end and end, bound and bound; room and room.
    const known = v128.shuffle<i32>(sender, receiver, 0, 4, 1, 5);
    const rooms = v128.shuffle<i32>(sender, receiver, 2, 6, 3, 7);
    const bounds = v128.shuffle<i32>(known, known, 2, 1, 0, 3);
    const over = v128.or(i32x4.sub(bounds, said), i32x4.sub(bounds, ends));
    const least = i32x4.max_u(v128.shuffle<i32>(rooms, rooms, 1, 0, 3, 2), v128.load(LEAST));
    const under = i32x4.add(i32x4.sub(ends, known), least);
    const closed = v128.or(rooms, i32x4.add(rooms, i32x4.splat(-1)));
    // The sender's end, the receiver's bound, the sender's room and acknowledgement: how far the segment moves them. But for the room, never back.
    const scale = (load<u8>(half + (direction as usize), HALF_SCALES) as u32) >>> 4;
    const window = i32x4.shl(v128.shuffle<i32>(numbers, numbers, 3, 2, 2, 3), scale);
    const before = v128.shuffle<i32>(sender, receiver, 0, 5, 2, 3);
    const change = i32x4.sub(i32x4.add(ends, window), before);
    if (((i32x4.bitmask(v128.or(over, v128.or(under, closed))) & 3) | (i32x4.bitmask(change) & 11)) !== 0) return SLID_NOT;
    const moved = i32x4.bitmask(i32x4.gt_s(change, none)) as u32;
    // What may be a retransmission: of the same side as before, and as long.
    if ((moved & 9) === 0) {
      const last = ((load<u8>(half, HALF_FLAGS) as u32) & HALF_LAST) !== 0;
      if (data === (load<u16>(half, HALF_DATA) as u32)) if (last === (direction !== 0)) return SLID_NOT;
    }
    store<u16>(half, data, HALF_DATA);
    const behind = i32x4.add(before, i32x4.max_s(change, none));
    v128.store(from, v128.shuffle<i32>(behind, sender, 0, 5, 2, 3), HALF_SIDES);
    v128.store(to, v128.shuffle<i32>(receiver, behind, 0, 5, 2, 3), HALF_SIDES + SIDE_SIZE);
    return (moved & SLID_ON) | ((i32x4.bitmask(i32x4.eq(ends, known)) as u32) & SLID_ACKNOWLEDGES);
  }

  /** As Follow.settle. */
  @inline
  static settle(half: usize, direction: u32, slid: u32, now: i64): void {
    const row = SETTLED + (((slid | (direction << 2)) << 2) as usize);
    const flags = (load<u16>(half, HALF_FLAGS) | load<u16>(row)) & load<u16>(row, 2);
    store<u16>(half, flags, HALF_FLAGS);
    const waits = (flags & (UNACKNOWLEDGED | (UNACKNOWLEDGED << 8))) !== 0;
    const life = select(load<u32>(LIVES, 4), load<u32>(LIVES), waits);
    store<i64>(half, now + (life as i64), ENTRY_TIMEOUT);
  }
}
