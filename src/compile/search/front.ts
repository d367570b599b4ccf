/**
 * Where many entries reach into the same places, nearly all packets meet one of the first: these get trees of their own. A packet that has found one of them is not looked for among the others, and its way
 * does not grow with their number.
 */
import type { CutFinder } from './cut.ts';
import type { Intervals } from './intervals.ts';

/** Points that are tried: so many, and no more than this number of looks at an entry. */
const POINTS = 256;
const LOOKS = 1 << 22;
/** The front has all but one in so many of what is met, and is no more than one in so many entries; of fewer none is made. */
const MISSED = 12;
const SHARE = 8;
const LEAST = 256;

/** Entries that get trees of their own; those before `from` only close boxes. */
export interface Part {
  members: readonly number[];
  from: number;
}

/** `members` (ascending) in one part, or those that most points in them meet first, and all of them. */
export function frontParts(members: readonly number[], intervals: Intervals, { bounds }: CutFinder): Part[] {
  const whole = { members, from: 0 };
  const points = Math.min(POINTS, Math.floor(LOOKS / members.length));
  if (members.length < LEAST || points < MISSED) return [whole];
  const { dimensions, exact } = intervals;
  const stride = 2 * dimensions.length;
  const point = new Int32Array(dimensions.length);
  const draw = numbers();
  const missed = Math.floor(points / MISSED);
  /** As far as a front may reach. */
  const limit = Math.floor(members.length / SHARE);
  const firsts = new Int32Array(points);
  let beyond = 0;
  for (let turn = 0; turn < points; turn++) {
    const inside = members[draw(members.length)]!;
    for (let dimension = 0; dimension < dimensions.length; dimension++) {
      const low = bounds[inside * stride + 2 * dimension]!;
      point[dimension] = low + draw(bounds[inside * stride + 2 * dimension + 1]! - low + 1);
    }
    firsts[turn] = firstAt(point, members, limit, bounds, exact);
    // Most sets have no front, which the first points say.
    if (firsts[turn] === limit && ++beyond > missed) return [whole];
  }
  const front = firsts.sort()[points - 1 - missed]! + 1;
  return [
    { members: members.slice(0, front), from: 0 },
    { members, from: members[front]! },
  ];
}

/** Which of the first `limit` members takes a point: its index; `limit` when none does for certain. */
function firstAt(point: Int32Array, members: readonly number[], limit: number, bounds: Int32Array, exact: Uint8Array): number {
  const stride = 2 * point.length;
  for (let index = 0; index < limit; index++) {
    const bound = members[index]! * stride;
    let dimension = 0;
    while (
      dimension < point.length &&
      point[dimension]! >= bounds[bound + 2 * dimension]! &&
      point[dimension]! <= bounds[bound + 2 * dimension + 1]!
    )
      dimension++;
    if (dimension === point.length && exact[members[index]!] === 1) return index;
  }
  return limit;
}

/** Numbers below a limit, the same every time: images are. */
function numbers(): (limit: number) => number {
  let state = 0x2545f491;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}
