/** Threshold tests that lead to each other and to exits, without cycles. What a packed walk is made from. */
import { FIELD_DPORT, FIELD_SPORT } from '../../abi/fields.ts';
import { SMALL_FIELDS } from '../../compile/tests.ts';

/** The largest value that fields have which cannot have all. */
const LARGEST: ReadonlyMap<number, number> = new Map([
  [FIELD_SPORT, 0xffff],
  [FIELD_DPORT, 0xffff],
  ...[...SMALL_FIELDS].map(([field, values]): [number, number] => [field, values - 1]),
]);

/** What packets met on their ways: each a rope of the image and a number of evaluated rules, behind all of an earlier one. Number 0 is nothing. */
export class Mets {
  readonly before: number[] = [0];
  readonly rope: number[] = [0];
  /** With those before. */
  readonly evaluations: number[] = [0];
  private readonly known = new Map<number, Map<number, number>>();

  /** `met`, and then one more rope (0: none) and evaluations. */
  add(met: number, rope: number, evaluations: number): number {
    if (rope === 0 && evaluations === 0) return met;
    // Evaluations alone leave no trace of their own: ways that differ in nothing else are one.
    const before = this.rope[met] === 0 ? this.before[met]! : met;
    const sum = this.evaluations[met]! + evaluations;
    const key = before * 2 ** 26 + rope;
    let row = this.known.get(key);
    if (row === undefined) {
      row = new Map();
      this.known.set(key, row);
    }
    const known = row.get(sum);
    if (known !== undefined) return known;
    this.before.push(before);
    this.rope.push(rope);
    this.evaluations.push(sum);
    row.set(sum, this.before.length - 1);
    return this.before.length - 1;
  }
}

/** Where a packet leaves: what it met (a number of Mets), and its verdict (NEXT_*). */
export interface Exit {
  met: number;
  verdict: number;
}

/** More than there are verdicts. */
const VERDICTS = 16;

/** A value of a small field up to which, from the one before, all lead to `target`. */
interface Run {
  last: number;
  target: number;
}

/** A reference is the number of a test, or ~number of an exit. */
export class Graph {
  readonly field: number[] = [];
  /** Values up to this one go to `low`, others to `high`. */
  readonly at: number[] = [];
  readonly low: number[] = [];
  readonly high: number[] = [];
  readonly mets = new Mets();
  readonly exits: Exit[] = [];
  private readonly weights: number[] = [];
  private readonly known = new Map<number, number>();

  /** Ways to an exit from here: what a test sends to either side is guessed from it. */
  weight(reference: number): number {
    return reference < 0 ? 1 : this.weights[reference]!;
  }

  test(field: number, at: number, low: number, high: number): number {
    if (low === high || at >= (LARGEST.get(field) ?? 0xffffffff)) return low;
    this.field.push(field);
    this.at.push(at);
    this.low.push(low);
    this.high.push(high);
    this.weights.push(this.weight(low) + this.weight(high));
    return this.field.length - 1;
  }

  exit(met: number, verdict: number): number {
    const key = met * VERDICTS + verdict;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    this.exits.push({ met, verdict });
    this.known.set(key, ~(this.exits.length - 1));
    return ~(this.exits.length - 1);
  }

  /** One more exit, whether there is an equal one or not: numbers of exits of searches say which comes first. */
  entry(met: number, verdict: number): void {
    this.exits.push({ met, verdict });
  }

  /** Values from `low` to `high` go to `inside`. */
  range(field: number, low: number, high: number, inside: number, outside: number): number {
    if (low > high) return outside;
    const below = this.test(field, high, inside, outside);
    return low === 0 ? below : this.test(field, low - 1, outside, below);
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
