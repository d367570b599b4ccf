/** Tests of one field against a range each, that lead to each other and to exits, without cycles. What a packed walk is made from. */
import { FIELD_COUNT, FIELD_DPORT, FIELD_SPORT } from '../../abi/fields.ts';
import { SMALL_FIELDS } from '../../compile/tests.ts';
import type { Mets } from './mets.ts';

/** The largest value that fields have which cannot have all. */
const LARGEST: ReadonlyMap<number, number> = new Map([
  [FIELD_SPORT, 0xffff],
  [FIELD_DPORT, 0xffff],
  ...[...SMALL_FIELDS].map(([field, values]): [number, number] => [field, values - 1]),
]);

/** Where a packet leaves: what it met (a number of Mets), and its verdict (NEXT_*). */
export interface Exit {
  met: number;
  verdict: number;
}

/** More than there are verdicts. */
const VERDICTS = 16;

/** Tests there is room for to begin with, at least. */
const ROOM = 1 << 10;

/** A value of a small field up to which, from the one before, all lead to `target`. */
interface Run {
  last: number;
  target: number;
}

/** A reference is the number of a test, or ~number of an exit. */
export class Graph {
  readonly mets: Mets;
  readonly exits: Exit[] = [];
  /** What is known of packets where tests are added now: the first and last value of each field. */
  readonly from = new Float64Array(FIELD_COUNT);
  readonly to = Float64Array.from({ length: FIELD_COUNT }, (_, field) => LARGEST.get(field) ?? 0xffffffff);
  /** Number of tests; what follows is by test. */
  tests = 0;
  field: Uint8Array;
  /** Values from `first` to `last` go to `inside`, others to `outside`. */
  first: Uint32Array;
  last: Uint32Array;
  inside: Int32Array;
  outside: Int32Array;
  private weights: Float64Array;
  private leasts: Uint32Array;
  /** By field, the largest value that its tests tell from the next one; -1 without. */
  readonly largest = new Float64Array(FIELD_COUNT).fill(-1);
  private readonly knownExits = new Map<number, number>();

  /** `expected`: so many tests there may be; more are welcome, but lists that grow are garbage that V8 clears away at a high price. */
  constructor(mets: Mets, expected = 0) {
    const room = Math.max(ROOM, expected);
    this.mets = mets;
    this.field = new Uint8Array(room);
    this.first = new Uint32Array(room);
    this.last = new Uint32Array(room);
    this.inside = new Int32Array(room);
    this.outside = new Int32Array(room);
    this.weights = new Float64Array(room);
    this.leasts = new Uint32Array(room);
  }

  /** Ways to an exit from here: what a test sends to either side is guessed from it. */
  weight(reference: number): number {
    return reference < 0 ? 1 : this.weights[reference]!;
  }

  /** The smallest number of an exit that packets come to from here. */
  least(reference: number): number {
    return reference < 0 ? ~reference : this.leasts[reference]!;
  }

  /** Values up to `at` go to `low`, others to `high`. */
  test(field: number, at: number, low: number, high: number): number {
    return this.range(field, 0, at, low, high);
  }

  /** Values from `first` to `last` go to `inside`; where what is known of packets decides, all go there or to `outside`. */
  range(field: number, first: number, last: number, inside: number, outside: number): number {
    const from = this.from[field]!;
    const to = this.to[field]!;
    if (inside === outside || (first <= from && last >= to)) return inside;
    if (first > last || last < from || first > to) return outside;
    if (first <= from) return this.add(field, 0, last, inside, outside);
    if (last >= to) return this.add(field, 0, first - 1, outside, inside);
    return this.add(field, first, last, inside, outside);
  }

  private add(field: number, first: number, last: number, inside: number, outside: number): number {
    if (this.tests === this.field.length) this.grow();
    const test = this.tests++;
    this.field[test] = field;
    this.first[test] = first;
    this.last[test] = last;
    this.inside[test] = inside;
    this.outside[test] = outside;
    this.weights[test] = this.weight(inside) + this.weight(outside);
    this.leasts[test] = Math.min(this.least(inside), this.least(outside));
    if (last > this.largest[field]!) this.largest[field] = last;
    return test;
  }

  private grow(): void {
    const room = 2 * this.tests;
    const larger = <List extends Uint8Array | Uint32Array | Int32Array | Float64Array>(list: List, empty: List): List => {
      empty.set(list);
      return empty;
    };
    this.field = larger(this.field, new Uint8Array(room));
    this.first = larger(this.first, new Uint32Array(room));
    this.last = larger(this.last, new Uint32Array(room));
    this.inside = larger(this.inside, new Int32Array(room));
    this.outside = larger(this.outside, new Int32Array(room));
    this.weights = larger(this.weights, new Float64Array(room));
    this.leasts = larger(this.leasts, new Uint32Array(room));
  }

  exit(met: number, verdict: number): number {
    const key = met * VERDICTS + verdict;
    const known = this.knownExits.get(key);
    if (known !== undefined) return known;
    this.exits.push({ met, verdict });
    this.knownExits.set(key, ~(this.exits.length - 1));
    return ~(this.exits.length - 1);
  }

  /** One more exit, whether there is an equal one or not: numbers of exits of searches say which comes first. */
  entry(met: number, verdict: number): void {
    this.exits.push({ met, verdict });
  }

  /** The value `v` of a small field goes to `targets[v]`. */
  table(field: number, targets: readonly number[]): number {
    const runs: Run[] = [];
    for (const [last, target] of targets.entries()) {
      if (runs.at(-1)?.target === target) runs.at(-1)!.last = last;
      else runs.push({ last, target });
    }
    return this.halve(field, runs);
  }

  /** Cuts where as much lies on one side as on the other. */
  private halve(field: number, runs: readonly Run[]): number {
    if (runs.length === 1) return runs[0]!.target;
    const all = runs.reduce((sum, { target }) => sum + this.weight(target), 0);
    let cut = 0;
    let left = this.weight(runs[0]!.target);
    while (cut + 2 < runs.length && 2 * left + this.weight(runs[cut + 1]!.target) < all) {
      cut++;
      left += this.weight(runs[cut]!.target);
    }
    const low = this.halve(field, runs.slice(0, cut + 1));
    return this.test(field, runs[cut]!.last, low, this.halve(field, runs.slice(cut + 1)));
  }
}
