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
  private readonly firsts: readonly Uint32Array[];
  private readonly lasts: readonly Uint32Array[];
  /** Of the entries that are looked at. */
  private starts = new Int32Array(BINS);
  private ends = new Int32Array(BINS);
  /** How many start and end in each bin. */
  private readonly startsIn = new Int32Array(BINS);
  private readonly endsIn = new Int32Array(BINS);

  constructor({ dimensions }: Intervals) {
    this.firsts = dimensions.map(({ first }) => first);
    this.lasts = dimensions.map(({ last }) => last);
  }

  /** Of the `count` entries in `list` from `from` on, in the box whose dimension d goes from place `box[at + 2d]` to `box[at + 2d + 1]`. */
  find(list: Int32Array, from: number, count: number, box: Int32Array, at: number): void {
    const { firsts, lasts } = this;
    this.dimension = -1;
    this.score = count;
    if (this.starts.length < count) this.makeRoom(count);
    for (let dimension = 0; dimension < firsts.length; dimension++) {
      const low = box[at + 2 * dimension]!;
      const high = box[at + 2 * dimension + 1]!;
      if (low === high) continue;
      const partial = this.gather(firsts[dimension]!, lasts[dimension]!, list, from, count, low, high);
      if (partial === 0) continue;
      if (high - low >= BINS && partial <= FEW) this.sorted(dimension, partial, count - partial, low, high);
      else this.binned(dimension, partial, count - partial, low, high);
    }
  }

  private makeRoom(count: number): void {
    this.starts = new Int32Array(2 * count);
    this.ends = new Int32Array(2 * count);
  }

  /** Writes down where entries start and end within the box, of those that do not fill it; how many these are. */
  private gather(
    first: Uint32Array,
    last: Uint32Array,
    list: Int32Array,
    from: number,
    count: number,
    low: number,
    high: number,
  ): number {
    const { starts, ends } = this;
    let partial = 0;
    for (let index = from; index < from + count; index++) {
      const entry = list[index]!;
      const start = first[entry]!;
      const end = last[entry]!;
      if (start <= low && end >= high) continue;
      starts[partial] = Math.max(start, low);
      ends[partial++] = Math.min(end, high);
    }
    return partial;
  }

  /** `filling`: entries that lie on both sides of every cut. */
  private binned(dimension: number, partial: number, filling: number, low: number, high: number): void {
    const { starts, ends, startsIn, endsIn } = this;
    const shift = Math.max(0, 24 - Math.clz32(high - low));
    const bins = ((high - low) >>> shift) + 1;
    startsIn.fill(0, 0, bins);
    endsIn.fill(0, 0, bins);
    for (let index = 0; index < partial; index++) {
      startsIn[(starts[index]! - low) >>> shift]!++;
      endsIn[(ends[index]! - low) >>> shift]!++;
    }
    let left = filling;
    let right = filling + partial;
    for (let bin = 0; bin < bins - 1; bin++) {
      left += startsIn[bin]!;
      right -= endsIn[bin]!;
      this.consider(dimension, low + ((bin + 1) << shift) - 1, left, right);
    }
  }

  private sorted(dimension: number, partial: number, filling: number, low: number, high: number): void {
    const { starts, ends } = this;
    for (let index = 1; index < partial; index++) {
      insert(starts, index, starts[index]!);
      insert(ends, index, ends[index]!);
    }
    // A cut lies in front of a start or behind an end.
    let started = 0;
    let ended = 0;
    while (started < partial || ended < partial) {
      const starting = started < partial && (ended === partial || starts[started]! <= ends[ended]!);
      const at = starting ? starts[started]! - 1 : ends[ended]!;
      while (ended < partial && ends[ended]! <= at) ended++;
      if (at >= low && at < high) this.consider(dimension, at, filling + started, filling + partial - ended);
      while (started < partial && starts[started]! <= at + 1) started++;
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
