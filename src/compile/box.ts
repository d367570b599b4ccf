/** A box of static fields: what is known of a packet at a node of the tree, and what that decides. */
import { FIELD_COUNT } from '../abi/fields.ts';
import type { CompiledTest, Condition } from './tests.ts';
import { SMALL_FIELDS } from './tests.ts';

export const UNKNOWN = -1;
export const FALSE = 0;
export const TRUE = 1;
export type Decision = -1 | 0 | 1;

/** Wide fields are an interval each, small ones a set of 256 bits. Fields of the bits `open` may change during the walk: nothing is known of them. */
export class Box {
  /** Plain arrays: V8 gives typed ones of this size memory outside its heap, and a tree makes boxes by the million. */
  readonly low: readonly number[];
  readonly high: readonly number[];
  readonly bits: ReadonlyMap<number, Uint32Array>;
  readonly open: number;

  private constructor(low: readonly number[], high: readonly number[], bits: ReadonlyMap<number, Uint32Array>, open: number) {
    this.low = low;
    this.high = high;
    this.bits = bits;
    this.open = open;
  }

  /** Everything that can be. */
  static whole(openFields: ReadonlySet<number>): Box {
    let open = 0;
    for (const field of openFields) open |= 1 << field;
    const bits = new Map<number, Uint32Array>();
    for (const [field, size] of SMALL_FIELDS) {
      const all = new Uint32Array(8);
      for (let value = 0; value < size; value++) all[value >>> 5]! |= 1 << (value & 31);
      bits.set(field, all);
    }
    return new Box(new Array<number>(FIELD_COUNT).fill(0), new Array<number>(FIELD_COUNT).fill(0xffffffff), bits, open);
  }

  /** What lies from `low` to `high` in every field, small ones too: as the lists are whenever it is asked. */
  static between(low: readonly number[], high: readonly number[]): Box {
    return new Box(low, high, new Map(), 0);
  }

  /** The part of the box where a wide field lies from low to high. */
  withRange(field: number, low: number, high: number): Box {
    const lows = this.low.slice();
    const highs = this.high.slice();
    lows[field] = low;
    highs[field] = high;
    return new Box(lows, highs, this.bits, this.open);
  }

  /** The part of the box where a small field has one of the given values. */
  withBits(field: number, bits: Uint32Array): Box {
    return new Box(this.low, this.high, new Map(this.bits).set(field, bits), this.open);
  }

  /** The part of the box where all tests hold, or more. */
  where(tests: readonly CompiledTest[]): Box {
    let box: Box = this;
    for (const { shape, invert } of tests) {
      if (invert || (shape.kind !== 'all' && (shape.kind !== 'any' || shape.conditions.length !== 1))) continue;
      for (const condition of shape.conditions) box = box.whereCondition(condition);
    }
    return box;
  }

  private whereCondition({ field, ranges, bits }: Condition): Box {
    const set = this.bits.get(field);
    if (bits !== null && set !== undefined)
      return this.withBits(
        field,
        set.map((word, index) => word & bits[index]!),
      );
    if (bits !== null || ranges.length === 0) return this;
    const low = Math.max(this.low[field]!, ranges[0]![0]);
    const high = Math.min(this.high[field]!, ranges.at(-1)![1]);
    return low > high ? this : this.withRange(field, low, high);
  }

  decide(test: CompiledTest): Decision {
    const plain = this.decideShape(test);
    if (plain === UNKNOWN) return UNKNOWN;
    return (plain === TRUE) !== test.invert ? TRUE : FALSE;
  }

  private decideShape({ shape }: CompiledTest): Decision {
    switch (shape.kind) {
      case 'opaque':
        return UNKNOWN;
      case 'constant':
        return shape.value ? TRUE : FALSE;
      case 'all': {
        const { conditions } = shape;
        if (conditions.length === 1) return this.decideCondition(conditions[0]!);
        let all: Decision = TRUE;
        for (const condition of conditions) {
          const one = this.decideCondition(condition);
          if (one === FALSE) return FALSE;
          if (one === UNKNOWN) all = UNKNOWN;
        }
        return all;
      }
      case 'any': {
        let any: Decision = FALSE;
        for (const condition of shape.conditions) {
          const one = this.decideCondition(condition);
          if (one === TRUE) return TRUE;
          if (one === UNKNOWN) any = UNKNOWN;
        }
        return any;
      }
      case 'lexical':
        return this.decideLexical(shape.field, shape.low, shape.high);
    }
  }

  decideCondition({ field, ranges, bits }: Condition): Decision {
    if (((this.open >>> field) & 1) !== 0) return UNKNOWN;
    const set = bits === null ? undefined : this.bits.get(field);
    if (set !== undefined) return decideBits(set, bits!);
    const low = this.low[field]!;
    const high = this.high[field]!;
    for (let index = 0; index < ranges.length; index++) {
      const range = ranges[index]!;
      if (range[0] > high) return FALSE;
      if (range[1] < low) continue;
      return range[0] <= low && range[1] >= high ? TRUE : UNKNOWN;
    }
    return FALSE;
  }

  /** low <= words <= high: decided at the first word where the box leaves no doubt. */
  private decideLexical(field: number, low: readonly number[], high: readonly number[]): Decision {
    const above = this.compareWords(field, low);
    const below = this.compareWords(field, high);
    if (above === 'less' || below === 'more') return FALSE;
    if (above !== 'unknown' && below !== 'unknown') return TRUE;
    return UNKNOWN;
  }

  private compareWords(field: number, words: readonly number[]): 'less' | 'equal' | 'more' | 'unknown' {
    for (let index = 0; index < words.length; index++) {
      if (((this.open >>> (field + index)) & 1) !== 0) return 'unknown';
      const low = this.low[field + index]!;
      const high = this.high[field + index]!;
      const word = words[index]!;
      if (high < word) return 'less';
      if (low > word) return 'more';
      if (low !== high) return 'unknown';
    }
    return 'equal';
  }
}

function decideBits(box: Uint32Array, bits: Uint32Array): Decision {
  let inside = 0;
  let outside = 0;
  for (let index = 0; index < 8; index++) {
    inside |= box[index]! & bits[index]!;
    outside |= box[index]! & ~bits[index]!;
  }
  if (inside === 0) return FALSE;
  return outside === 0 ? TRUE : UNKNOWN;
}
