/** Threshold tests that lead to each other and to exits, without cycles; equal ones are one. What a packed walk is made from. */
import { FIELD_DPORT, FIELD_SPORT } from '../../abi/fields.ts';
import { SMALL_FIELDS } from '../../compile/tests.ts';

/** The largest value that fields have which cannot have all. */
const LARGEST: ReadonlyMap<number, number> = new Map([
  [FIELD_SPORT, 0xffff],
  [FIELD_DPORT, 0xffff],
  ...[...SMALL_FIELDS].map(([field, values]): [number, number] => [field, values - 1]),
]);

/** Which ropes of the image a packet met on its way: one, behind all those of an earlier cell. Cell 0 is empty. */
export class Cells {
  readonly before: number[] = [0];
  readonly rope: number[] = [0];
  private readonly known = new Map<number, number>();

  /** `cell` with one more rope; rope 0 says nothing. */
  add(cell: number, rope: number): number {
    if (rope === 0) return cell;
    const key = cell * 2 ** 26 + rope;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    this.before.push(cell);
    this.rope.push(rope);
    this.known.set(key, this.before.length - 1);
    return this.before.length - 1;
  }
}

/** What was counted on a way: the ropes of a cell, and how many rules were evaluated. */
export interface Met {
  cell: number;
  evaluations: number;
}

/** Where a packet leaves: what it met, and its verdict (NEXT_*). */
export interface Exit extends Met {
  verdict: number;
}

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
  readonly cells = new Cells();
  readonly exits: Exit[] = [];
  private readonly weights: number[] = [];
  private readonly known = new Map<string, number>();

  /** Ways to an exit from here: what a test sends to either side is guessed from it. */
  weight(reference: number): number {
    return reference < 0 ? 1 : this.weights[reference]!;
  }

  test(field: number, at: number, low: number, high: number): number {
    if (low === high || at >= (LARGEST.get(field) ?? 0xffffffff)) return low;
    const key = `${field}:${at}:${low}:${high}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    this.field.push(field);
    this.at.push(at);
    this.low.push(low);
    this.high.push(high);
    this.weights.push(this.weight(low) + this.weight(high));
    this.known.set(key, this.field.length - 1);
    return this.field.length - 1;
  }

  exit({ cell, evaluations }: Met, verdict: number): number {
    const key = `${cell}:${evaluations}:${verdict}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    this.exits.push({ cell, evaluations, verdict });
    this.known.set(key, ~(this.exits.length - 1));
    return ~(this.exits.length - 1);
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
