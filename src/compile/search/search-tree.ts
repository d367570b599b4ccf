/** The tree over the entries of a search, in plain arrays of numbers. */
import { Numbers } from '../numbers.ts';

/** Nodes in arrays; number 0 is the root, and the children of a node are two neighbours behind it. */
export class SearchTree {
  /** Index of the dimension that is cut, -1 in a leaf. */
  readonly dimension = new Numbers();
  /** The last place of the left child. */
  readonly at = new Numbers();
  /** The left child. */
  readonly child = new Numbers();
  /** Of a leaf, where in `lists` its entries stand, ascending, and how many; the last is met by all packets when `closed` is 1. */
  readonly from = new Numbers();
  readonly count = new Numbers();
  readonly closed = new Numbers();
  /** -1 of the root. */
  readonly parent = new Numbers();
  readonly lists = new Numbers();
  /** Entries in all leaves. */
  copies = 0;
  /** Entries in the largest leaf, without one that all packets meet. */
  longest = 0;

  get nodes(): number {
    return this.dimension.length;
  }

  /** Writes first and last place of each dimension of a node's part into `box`; `whole` has those of the root. */
  boxOf(node: number, whole: Int32Array, box: Int32Array): void {
    box.set(whole);
    for (let below = node, above = this.parent.values[node]!; above >= 0; above = this.parent.values[above]!) {
      const at = this.at.values[above]!;
      const place = 2 * this.dimension.values[above]!;
      if (below === this.child.values[above]) box[place + 1] = Math.min(box[place + 1]!, at);
      else box[place] = Math.max(box[place]!, at + 1);
      below = above;
    }
  }

  add(parent: number, from: number, count: number, closed: number): void {
    this.parent.push(parent);
    this.dimension.push(-1);
    this.at.push(0);
    this.child.push(0);
    this.from.push(from);
    this.count.push(count);
    this.closed.push(closed);
  }

  /** Room for so many entries more: lists of nodes that are cut are given up where there is none. Nodes stand in the order of their lists, so what is kept moves to the front. */
  makeRoom(more: number): void {
    const { lists, from, count } = this;
    if (lists.length + more <= lists.values.length) return;
    let kept = 0;
    for (let node = 0; node < this.nodes; node++) if (this.isLeaf(node)) kept += count.values[node]!;
    const before = lists.values;
    if (2 * (kept + more) > before.length) lists.values = new Int32Array(3 * (kept + more));
    lists.length = 0;
    for (let node = 0; node < this.nodes; node++) {
      if (!this.isLeaf(node)) continue;
      const start = from.values[node]!;
      from.values[node] = lists.length;
      for (let index = start; index < start + count.values[node]!; index++) lists.values[lists.length++] = before[index]!;
    }
  }

  isLeaf(node: number): boolean {
    return this.dimension.values[node] === -1;
  }

  undecided(node: number): number {
    return this.count.values[node]! - this.closed.values[node]!;
  }
}
