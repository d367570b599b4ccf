/** What packets met on their ways: each a rope of the image and a number of evaluated rules, behind all of an earlier one. Number 0 is nothing. */
import { Pairs } from '../../compile/pairs.ts';

export class Mets {
  readonly before: number[] = [0];
  readonly rope: number[] = [0];
  /** With those before. */
  readonly evaluations: number[] = [0];
  /** By what is before and rope, a number; by that and evaluations, which it is. */
  private readonly rows: Pairs;
  private readonly known: Pairs;
  private rowCount = 0;

  /** `expected`: so many there may be; more are welcome. */
  constructor(expected = 0) {
    this.rows = new Pairs(expected);
    this.known = new Pairs(expected);
  }

  /** `met`, and then one more rope (0: none) and evaluations. */
  add(met: number, rope: number, evaluations: number): number {
    if (rope === 0 && evaluations === 0) return met;
    // Evaluations alone leave no trace of their own: ways that differ in nothing else are one.
    const before = this.rope[met] === 0 ? this.before[met]! : met;
    const sum = this.evaluations[met]! + evaluations;
    const row = this.rowOf(before, rope);
    const known = this.known.get(row, sum);
    if (known >= 0) return known;
    this.before.push(before);
    this.rope.push(rope);
    this.evaluations.push(sum);
    this.known.set(row, sum, this.before.length - 1);
    return this.before.length - 1;
  }

  private rowOf(before: number, rope: number): number {
    const known = this.rows.get(before, rope);
    if (known >= 0) return known;
    this.rows.set(before, rope, this.rowCount);
    return this.rowCount++;
  }
}
