/**
 * Chooses where to cut a box of places. A packet of one of n entries, each as likely as the others, is taken to need log2(n) cuts more: the cut is the one that leaves it fewest, where what lies on both
 * sides makes the sides longer. Behind an entry that fills a side nothing is met there, so it is not counted.
 */
import { shareOf } from '../traffic.ts';
import type { Intervals } from './intervals.ts';
import type { Seen } from './seen.ts';

/** Places are counted in at most so many bins; a cut lies between bins. */
const BINS = 256;
/** Of up to so many entries every end is a cut, where there are more places than bins. */
const FEW = 48;
/** Among more entries than this none is looked for that fills a side: it would be one of very many. */
const MANY = 1024;
/** What is open of an entry: this and the dimension for each that it does not fill, so none, one or more; more also of one that asks for more than places. */
const OPEN = 256;
const SEVERAL = 2 * OPEN;

/** Memory is kept from one box to the next; the answer too. */
export class CutFinder {
  /** Index of the dimension, -1 when no cut helps. */
  dimension = -1;
  /** The last place of the left side. */
  at = 0;
  score = 0;
  /** Bits of the dimensions that all entries fill: they do so in every part of the box, too. */
  settled = 0;
  /** By entry the first and the last place of each dimension, side by side: what is asked of an entry lies in one or two cache lines. */
  readonly bounds: Int32Array;
  private readonly dimensions: number;
  private readonly exact: Uint8Array;
  /** Bits of the dimensions that are the only open one of some entry. */
  private closing = 0;
  /** Room for so many entries. */
  private room = 0;
  /** Of the entries that are looked at, in their order: what is open of them; where they start and end in one dimension; the bins of that. */
  private open = new Int32Array(0);
  private starts = new Int32Array(0);
  private ends = new Int32Array(0);
  private startBins = new Int32Array(0);
  private endBins = new Int32Array(0);
  /** By dimension, how many entries start and end in each bin, where there are more than a few. */
  private readonly startsIn: Int32Array;
  private readonly endsIn: Int32Array;
  /** By dimension, how many entries do not fill it. */
  private readonly partial: Int32Array;
  /** Of the entries, sorted by bin. */
  private order = new Int32Array(0);
  /** The last place of each bin. */
  private readonly cuts = new Int32Array(BINS);
  private readonly from = new Int32Array(BINS + 1);
  /** For the cut behind each bin: the first entry that fills the left side, and the right one. */
  private readonly fillsLeft = new Int32Array(BINS);
  private readonly fillsRight = new Int32Array(BINS);
  private readonly left = new Int32Array(BINS);
  private readonly right = new Int32Array(BINS);
  /** By number of entries: cuts that are needed to come down to one. */
  private depths = new Float64Array(0);
  /** For the cut behind each bin: packets of a sample on the left side, and how many there are on both. */
  private readonly packets = new Int32Array(BINS);
  private seen = 0;

  constructor({ dimensions, exact }: Intervals) {
    this.dimensions = dimensions.length;
    this.exact = exact;
    this.partial = new Int32Array(dimensions.length);
    this.startsIn = new Int32Array(dimensions.length * BINS);
    this.endsIn = new Int32Array(dimensions.length * BINS);
    const stride = 2 * dimensions.length;
    this.bounds = new Int32Array(stride * exact.length);
    for (const [dimension, { first, last }] of dimensions.entries()) {
      for (let entry = 0; entry < exact.length; entry++) {
        this.bounds[entry * stride + 2 * dimension] = first[entry]!;
        this.bounds[entry * stride + 2 * dimension + 1] = last[entry]!;
      }
    }
  }

  /**
   * Of the `count` entries in `list` from `from` on, in the box whose dimension d goes from place `box[2d]` to `box[2d + 1]`. `settled`: dimensions
   * that are known to be. `sample`: packets that were seen, those of node number `node`.
   */
  find(
    list: Int32Array,
    from: number,
    count: number,
    box: Int32Array,
    settled: number,
    sample: Seen | null = null,
    node = 0,
  ): void {
    this.dimension = -1;
    this.score = Number.POSITIVE_INFINITY;
    if (this.room < count) this.makeRoom(count);
    this.settled = settled;
    this.look(list, from, count, box);
    for (let dimension = 0; dimension < this.dimensions; dimension++) {
      if (((settled >>> dimension) & 1) !== 0) continue;
      const low = box[2 * dimension]!;
      const high = box[2 * dimension + 1]!;
      const partial = this.partial[dimension]!;
      if (partial === 0) {
        this.settled |= 1 << dimension;
        continue;
      }
      const bins = this.count(dimension, partial, list, from, count, low, high);
      this.seen = sample === null ? 0 : this.countPackets(sample, node, dimension, bins);
      for (let bin = 0; bin < bins - 1; bin++) this.consider(dimension, bin, count);
    }
  }

  /** Counts entries on each side of every cut of a dimension; how many bins there are. */
  private count(
    dimension: number,
    partial: number,
    list: Int32Array,
    from: number,
    count: number,
    low: number,
    high: number,
  ): number {
    const isFew = partial <= FEW && partial * 4 < high - low;
    const isClosing = ((this.closing >>> dimension) & 1) !== 0;
    if (!isFew && !isClosing && count > FEW) return this.sumBins(dimension, low, high);
    this.gather(dimension, list, from, count, low, high);
    const bins = isFew ? this.ranks(count, low, high) : this.shifts(count, low, high);
    if (isClosing) this.countMet(dimension, count, bins, low, high);
    else this.countAll(count, bins);
    return bins;
  }

  private makeRoom(count: number): void {
    const room = count + (count >>> 2);
    this.room = room;
    this.open = new Int32Array(Math.min(room, MANY));
    this.starts = new Int32Array(room);
    this.ends = new Int32Array(room);
    this.startBins = new Int32Array(room);
    this.endBins = new Int32Array(room);
    this.order = new Int32Array(room);
    this.depths = new Float64Array(2 * room + 1);
    for (let entries = 0; entries < this.depths.length; entries++) this.depths[entries] = Math.log2(entries + 1);
  }

  /**
   * How many entries do not fill each dimension, what is open of each entry unless they are many, and how many start and end in each bin unless they are few. Without branches that depend on an entry:
   * half of them would be guessed wrongly.
   */
  private look(list: Int32Array, from: number, count: number, box: Int32Array): void {
    const { bounds, dimensions, settled, open, exact, partial, startsIn, endsIn } = this;
    const stride = 2 * dimensions;
    const isOpenAsked = count <= MANY;
    const isCounted = count > FEW;
    if (isOpenAsked) for (let index = 0; index < count; index++) open[index] = exact[list[from + index]!] === 0 ? SEVERAL : 0;
    for (let dimension = 0; dimension < dimensions; dimension++) {
      if (((settled >>> dimension) & 1) !== 0) continue;
      const low = box[2 * dimension]!;
      const high = box[2 * dimension + 1]!;
      const shift = shiftOf(low, high);
      const bins = dimension * BINS;
      if (isCounted) {
        startsIn.fill(0, bins, bins + BINS);
        endsIn.fill(0, bins, bins + BINS);
      }
      let narrower = 0;
      for (let index = 0; index < count; index++) {
        const bound = list[from + index]! * stride + 2 * dimension;
        const start = bounds[bound]! - low;
        const end = bounds[bound + 1]! - high;
        const isNarrower = (-start | end) >>> 31;
        narrower += isNarrower;
        if (isOpenAsked) open[index]! += (OPEN + dimension) & -isNarrower;
        if (!isCounted) continue;
        // Not before the box begins, nor behind its end.
        startsIn[bins + ((start & ~(start >> 31)) >>> shift)]!++;
        endsIn[bins + ((high - low + (end & (end >> 31))) >>> shift)]!++;
      }
      partial[dimension] = narrower;
    }
    this.closing = 0;
    if (!isOpenAsked) return;
    for (let index = 0; index < count; index++) {
      if (open[index]! >= OPEN && open[index]! < SEVERAL) this.closing |= 1 << (open[index]! - OPEN);
    }
  }

  /** Writes down where entries start and end within the box. */
  private gather(dimension: number, list: Int32Array, from: number, count: number, low: number, high: number): void {
    const { bounds, starts, ends } = this;
    const stride = 2 * this.dimensions;
    for (let index = 0; index < count; index++) {
      const bound = list[from + index]! * stride + 2 * dimension;
      starts[index] = Math.max(bounds[bound]!, low);
      ends[index] = Math.min(bounds[bound + 1]!, high);
    }
  }

  /** Entries on each side of every cut between bins of as many places each, of which it is counted already what starts and ends there; how many bins there are. */
  private sumBins(dimension: number, low: number, high: number): number {
    const { left, right, startsIn, endsIn } = this;
    const bins = this.evenCuts(low, high);
    const first = dimension * BINS;
    let sum = 0;
    for (let bin = 0; bin < bins; bin++) {
      sum += startsIn[first + bin]!;
      left[bin] = sum;
    }
    sum = 0;
    for (let bin = bins - 1; bin >= 0; bin--) {
      right[bin] = sum;
      sum += endsIn[first + bin]!;
    }
    return bins;
  }

  /** Cuts between bins of as many places each; the number of bins. */
  private evenCuts(low: number, high: number): number {
    const { cuts } = this;
    const shift = shiftOf(low, high);
    const bins = ((high - low) >>> shift) + 1;
    for (let bin = 0; bin < bins; bin++) cuts[bin] = Math.min(high, low + ((bin + 1) << shift) - 1);
    return bins;
  }

  /** Bins of as many places each; their number. */
  private shifts(count: number, low: number, high: number): number {
    const { starts, ends, startBins, endBins } = this;
    const shift = shiftOf(low, high);
    for (let index = 0; index < count; index++) {
      startBins[index] = (starts[index]! - low) >>> shift;
      endBins[index] = (ends[index]! - low) >>> shift;
    }
    return this.evenCuts(low, high);
  }

  /** A bin ends in front of every start and behind every end; their number. */
  private ranks(count: number, low: number, high: number): number {
    const { starts, ends, startBins, endBins, cuts } = this;
    let bins = 0;
    for (let index = 0; index < count; index++) {
      const start = starts[index]!;
      const end = ends[index]!;
      if (start > low) bins = insert(cuts, bins, start - 1);
      if (end < high) bins = insert(cuts, bins, end);
    }
    cuts[bins++] = high;
    for (let index = 0; index < count; index++) {
      const start = starts[index]!;
      const end = ends[index]!;
      startBins[index] = start === low ? 0 : binOf(cuts, bins, start);
      endBins[index] = end === high ? bins - 1 : binOf(cuts, bins, end);
    }
    return bins;
  }

  /** Entries on each side of every cut. */
  private countAll(count: number, bins: number): void {
    const { startBins, endBins, left, right } = this;
    for (let bin = 0; bin < bins; bin++) {
      left[bin] = 0;
      right[bin] = 0;
    }
    for (let index = 0; index < count; index++) {
      left[startBins[index]!]!++;
      right[endBins[index]!]!++;
    }
    for (let bin = 1; bin < bins; bin++) left[bin]! += left[bin - 1]!;
    let sum = 0;
    for (let bin = bins - 1; bin >= 0; bin--) {
      const ended = right[bin]!;
      right[bin] = sum;
      sum += ended;
    }
  }

  /** The same where some entries fill a side: what stands behind those is not met there. */
  private countMet(dimension: number, count: number, bins: number, low: number, high: number): void {
    this.closers(dimension, count, bins, low, high);
    this.countLeft(count, bins);
    this.countRight(count, bins);
  }

  private closers(dimension: number, count: number, bins: number, low: number, high: number): void {
    const { open, starts, ends, startBins, endBins, cuts, fillsLeft, fillsRight } = this;
    fillsLeft.fill(count - 1, 0, bins);
    fillsRight.fill(count - 1, 0, bins);
    for (let index = count - 1; index >= 0; index--) {
      if (open[index] !== OPEN + dimension) continue;
      if (starts[index] === low) {
        const last = ends[index] === cuts[endBins[index]!] ? endBins[index]! : endBins[index]! - 1;
        if (last >= 0) fillsLeft[last] = index;
      }
      if (ends[index] === high) {
        const bin = startBins[index]!;
        const first = bin > 0 && starts[index] === cuts[bin - 1]! + 1 ? bin - 1 : bin;
        fillsRight[first] = index;
      }
    }
    for (let bin = bins - 2; bin >= 0; bin--) fillsLeft[bin] = Math.min(fillsLeft[bin]!, fillsLeft[bin + 1]!);
    for (let bin = 1; bin < bins; bin++) fillsRight[bin] = Math.min(fillsRight[bin]!, fillsRight[bin - 1]!);
  }

  /** Entries in front of each cut, up to one that fills that side. */
  private countLeft(count: number, bins: number): void {
    const { startBins, left, fillsLeft, order, from } = this;
    this.sort(startBins, count, bins);
    let reached = -1;
    let sum = 0;
    for (let bin = 0; bin < bins; bin++) {
      const limit = fillsLeft[bin]!;
      for (; reached < limit; ) if (startBins[++reached]! < bin) sum++;
      for (let place = from[bin]!; place < from[bin + 1]!; place++) if (order[place]! <= limit) sum++;
      left[bin] = sum;
    }
  }

  private countRight(count: number, bins: number): void {
    const { endBins, right, fillsRight, order, from } = this;
    this.sort(endBins, count, bins);
    let reached = -1;
    let sum = 0;
    for (let bin = bins - 2; bin >= 0; bin--) {
      const limit = fillsRight[bin]!;
      for (; reached < limit; ) if (endBins[++reached]! > bin + 1) sum++;
      for (let place = from[bin + 1]!; place < from[bin + 2]!; place++) if (order[place]! <= limit) sum++;
      right[bin] = sum;
    }
  }

  /** Puts entries in the order of their bins: those of a bin lie from `from[bin]` to `from[bin + 1]`. */
  private sort(binOf: Int32Array, count: number, bins: number): void {
    const { order, from } = this;
    from.fill(0, 0, bins + 1);
    for (let index = 0; index < count; index++) from[binOf[index]!]!++;
    let sum = 0;
    for (let bin = 0; bin < bins; bin++) {
      sum += from[bin]!;
      from[bin] = sum;
    }
    from[bins] = sum;
    for (let index = count - 1; index >= 0; index--) order[--from[binOf[index]!]!] = index;
  }

  /** Packets of a sample on the left side of every cut; how many there are on both, 0 where the sample does not tell. */
  private countPackets({ list, from, count, places }: Seen, node: number, dimension: number, bins: number): number {
    const { packets, cuts } = this;
    const of = places[dimension]!;
    if (of === null) return 0;
    packets.fill(0, 0, bins);
    const start = from.values[node]!;
    const all = count.values[node]!;
    for (let index = start; index < start + all; index++) packets[binOf(cuts, bins, of[list.values[index]!]!)]!++;
    for (let bin = 1; bin < bins; bin++) packets[bin]! += packets[bin - 1]!;
    return all;
  }

  private consider(dimension: number, bin: number, count: number): void {
    const left = this.left[bin]!;
    const right = this.right[bin]!;
    if (left === count && right === count) return;
    const { depths, seen } = this;
    const both = left + right;
    const more = seen === 0 ? 0 : shareOf(left / both, this.packets[bin]!, seen) * both - left;
    const cuts = (left + more) * depths[left]! + (right - more) * depths[right]!;
    const score = cuts / both + Math.max(depths[both]!, depths[count]!);
    // Of equal cuts the one whose shorter side is wider.
    if (score > this.score || (score === this.score && left >= right)) return;
    this.dimension = dimension;
    this.at = this.cuts[bin]!;
    this.score = score;
  }
}

/** Of a dimension's places, so many bits are not told apart by bins. */
const shiftOf = (low: number, high: number): number => Math.max(0, 24 - Math.clz32(high - low));

/** Puts a value among the first `count`, which are sorted, unless it is there; how many there are then. */
function insert(values: Int32Array, count: number, value: number): number {
  let to = count;
  while (to > 0 && values[to - 1]! > value) to--;
  if (to > 0 && values[to - 1] === value) return count;
  for (let place = count; place > to; place--) values[place] = values[place - 1]!;
  values[to] = value;
  return count + 1;
}

/** The first of `count` sorted values that is not less. */
function binOf(values: Int32Array, count: number, value: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
