/**
 * Rules that ask for ports drop fragments behind the first, and packets that end within their headers. Nearly no packet is either, so what becomes of
 * those is kept out of the way of the others.
 */
import { FIELD_FRAGMENT, FIELD_L4_LENGTH } from '../../abi/fields.ts';
import type { Intervals } from './intervals.ts';

/** Fewer unusual entries than one in so many stay among the others. */
const FEW = 8;

/** A cut of a dimension: usual packets are on one side. */
export interface UsualCut {
  dimension: number;
  /** The last place of the left side. */
  at: number;
  side: 'left' | 'right';
}

/** Whole packets are on the left of the first cut, long enough ones on the right of the other. */
export function usualCuts({ dimensions }: Intervals): UsualCut[] {
  return dimensions.flatMap(({ field, ends }, dimension): UsualCut[] => {
    if (ends.length === 1) return [];
    if (field === FIELD_FRAGMENT) return [{ dimension, at: 0, side: 'left' }];
    return field === FIELD_L4_LENGTH ? [{ dimension, at: ends.length - 2, side: 'right' }] : [];
  });
}

/** Whether usual packets can meet an entry. */
export function usualTest(intervals: Intervals): (entry: number) => boolean {
  const cuts = usualCuts(intervals);
  return (entry) =>
    cuts.every(({ dimension, at, side }) => {
      const { first, last } = intervals.dimensions[dimension]!;
      return side === 'left' ? first[entry]! <= at : last[entry]! > at;
    });
}

/** The possible entries in one part, or those that usual packets can meet and the others. */
export function usualParts(intervals: Intervals): (readonly number[])[] {
  const { possible } = intervals;
  const isUsual = usualTest(intervals);
  const usual = possible.filter(isUsual);
  const others = possible.length - usual.length;
  if (usual.length === 0 || others * FEW < possible.length) return [possible];
  return [usual, possible.filter((entry) => !isUsual(entry))];
}
