/**
 * What plain packets of an open connection meet on a way with several walks (raw, mangle, filter, security): that too is mostly the same for all of a direction. While one of them goes the usual way, walk by walk, it is drafted what all like it meet;
 * if that is all there is to it, the connection keeps it as one way (classify/known.ts), and the next ones are judged by their bytes (bare.ts).
 */
import { FIELD_CT_DIRECTION, FIELD_CT_STATE, FIELD_FAMILY } from '../src/abi/fields.ts';
import { PACKET_WAY } from '../src/abi/packet.ts';
import { edgesOf, keepsEdges } from './classify/edges.ts';
import { beginWay, checkOf, endWay, extendWay, hasCheckOf } from './classify/known.ts';
import { NO_WALK, NO_WHOLE, PLAN_WHOLE, planOf, rawWalkOf } from './plan.ts';

/** Of the packet under way: its connection, whose way is drafted, 0 if none is; and all like it met the same so far. */
let entry: usize = 0;
let isAlike: bool = false;
/** State, direction, status and mark of a slot's connection. */
const SEEN_SIZE: usize = 16;
const SEEN: usize = memory.data(16, 16);

/** Conntrack has found the packet in `slot` to be a plain one of the connection `plain`, at PREROUTING if it is `arriving`, else at OUTPUT. */
export function beginWhole(slot: usize, plain: usize, arriving: bool): void {
  entry = 0;
  const six = load<u32>(slot, FIELD_FAMILY * 4) === 6;
  const raw = rawWalkOf(six, arriving);
  // Its way may change where addresses are translated, but not what comes before.
  if (raw === NO_WHOLE || !keepsEdges(plain)) return;
  if (hasCheckOf(slot, edgesOf(plain))) return;
  entry = plain;
  beginWay(slot);
  isAlike = raw === NO_WALK || wasAlike(raw, slot);
}

/** The walk in front of conntrack, whose rules saw no connection. */
function wasAlike(raw: u32, slot: usize): bool {
  const seen = slot + FIELD_CT_STATE * 4;
  memory.copy(SEEN, seen, SEEN_SIZE);
  memory.fill(seen, 0, SEEN_SIZE);
  const answer = extendWay(raw, slot);
  memory.copy(seen, SEEN, SEEN_SIZE);
  return answer;
}

/** It comes to a walk, as it is now. */
export function meetWhole(walk: u32, slot: usize): void {
  if (entry !== 0 && isAlike) isAlike = extendWay(walk, slot);
}

/** Its way is over. `isThrough`: nothing dropped it, and it went where its like go. */
export function endWhole(slot: usize, isThrough: bool): void {
  if (entry === 0) return;
  const edges = edgesOf(entry);
  entry = 0;
  const short = load<u32>(planOf(load<u32>(slot, FIELD_FAMILY * 4) === 6, load<u32>(slot, PACKET_WAY)), PLAN_WHOLE);
  if (short !== 0) endWay(edges, load<u32>(slot, FIELD_CT_DIRECTION * 4), checkOf(slot, short), isThrough && isAlike);
}
