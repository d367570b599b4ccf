/** Chooses where to cut a box of places: where fewest entries lie on both sides. */
import type { Intervals } from './intervals.ts';

/** Share of the larger side in a score. */
const WORST = 0.3;
/** Places are counted in at most so many bins; a cut lies between bins. */
const BINS = 256;
/** Up to so many entries are sorted instead, where there are more places than bins. */
const FEW = 48;

/** Memory is kept from one box to the next; the answer too. */
export class CutFinder {
  /** Index of the dimension, -1 when no cut helps. */
  dimension = -1;
  /** The last place of the left side. */
  at = 0;
  score = 0;
  private readonly intervals: Intervals;
  private readonly starts = new Int32Array(BINS);
  private readonly ends = new Int32Array(BINS);

  constructor(intervals: Intervals) {
    this.intervals = intervals;
  }

  /** Of the `count` entries in `list` from `from` on, in the box whose dimension d goes from place `box[at + 2d]` to `box[at + 2d + 1]`. */
  find(list: Int32Array, from: number, count: number, box: Int32Array, at: number): void {
    const { dimensions } = this.intervals;
    this.dimension = -1;
    this.score = count;
    for (let dimension = 0; dimension < dimensions.length; dimension++) {
      const low = box[at + 2 * dimension]!;
      const high = box[at + 2 * dimension + 1]!;
      if (low === high) continue;
      const { first, last } = dimensions[dimension]!;
      if (high - low >= BINS && count <= FEW) this.sorted(dimension, first, last, list, from, count, low, high);
      else this.binned(dimension, first, last, list, from, count, low, high);
    }
  }

  private binned(
    dimension: number,
    first: Uint32Array,
    last: Uint32Array,
    list: Int32Array,
    from: number,
    count: number,
    low: number,
    high: number,
  ): void {
    const { starts, ends } = this;
    const shift = Math.max(0, 24 - Math.clz32(high - low));
    const bins = ((high - low) >>> shift) + 1;
    starts.fill(0, 0, bins);
    ends.fill(0, 0, bins);
    for (let index = from; index < from + count; index++) {
      const entry = list[index]!;
      const start = Math.max(first[entry]!, low);
      const end = Math.min(last[entry]!, high);
      starts[(start - low) >>> shift]!++;
      ends[(end - low) >>> shift]!++;
    }
    let left = 0;
    let right = count;
    for (let bin = 0; bin < bins - 1; bin++) {
      left += starts[bin]!;
      right -= ends[bin]!;
      this.consider(dimension, low + ((bin + 1) << shift) - 1, left, right);
    }
  }

  private sorted(
    dimension: number,
    first: Uint32Array,
    last: Uint32Array,
    list: Int32Array,
    from: number,
    count: number,
    low: number,
    high: number,
  ): void {
    const { starts, ends } = this;
    for (let index = 0; index < count; index++) {
      const entry = list[from + index]!;
      insert(starts, index, Math.max(first[entry]!, low));
      insert(ends, index, Math.min(last[entry]!, high));
    }
    // A cut lies in front of a start or behind an end.
    let started = 0;
    let ended = 0;
    while (started < count || ended < count) {
      const at = started < count && (ended === count || starts[started]! <= ends[ended]!) ? starts[started]! - 1 : ends[ended]!;
      while (started < count && starts[started]! <= at) started++;
      while (ended < count && ends[ended]! <= at) ended++;
      if (at >= low && at < high) this.consider(dimension, at, started, count - ended);
      while (started < count && starts[started]! <= at + 1) started++;
    }
  }

  private consider(dimension: number, at: number, left: number, right: number): void {
    const score = ((1 - WORST) * (left + right)) / 2 + WORST * Math.max(left, right);
    if (score >= this.score) return;
    this.dimension = dimension;
    this.at = at;
    this.score = score;
  }
}

/** Puts a value among the first `count`, which are sorted. */
function insert(values: Int32Array, count: number, value: number): void {
  let to = count;
  for (; to > 0 && values[to - 1]! > value; to--) values[to] = values[to - 1]!;
  values[to] = value;
}
