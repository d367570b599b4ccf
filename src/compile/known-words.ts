/** Lists of words that were written before, so that equal ones are written once: a hash table over the words themselves. */
import { Numbers } from './numbers.ts';

export class KnownWords {
  /** Numbers of entries + 1 by hash, 0 for none; at most half are taken. */
  private slots = new Int32Array(1 << 12);
  private readonly starts = new Numbers();
  /** Length and kind. */
  private readonly shapes = new Numbers();
  private readonly hashes = new Numbers();
  /** Of what was looked for last. */
  private hash = 0;
  private shape = 0;

  /** Where in `memory` (an index) a list of this kind with these words lies; -1 when there is none. `kind`: 0 to 7. */
  find(kind: number, words: readonly number[], memory: ArrayLike<number>): number {
    const shape = words.length * 8 + kind;
    const hash = hashOf(shape, words);
    this.shape = shape;
    this.hash = hash;
    const mask = this.slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = this.slots[slot]! - 1;
      if (entry < 0) return -1;
      if (this.hashes.values[entry] !== hash || this.shapes.values[entry] !== shape) continue;
      const start = this.starts.values[entry]!;
      if (same(words, memory, start)) return start;
    }
  }

  /** The list that was looked for last, and not found, lies at `start` from now on. */
  add(start: number): void {
    this.starts.push(start);
    this.shapes.push(this.shape);
    this.hashes.push(this.hash);
    if (this.starts.length * 2 > this.slots.length) this.grow();
    else this.place(this.hash, this.starts.length);
  }

  private place(hash: number, number: number): void {
    const mask = this.slots.length - 1;
    let slot = hash & mask;
    while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
    this.slots[slot] = number;
  }

  private grow(): void {
    this.slots = new Int32Array(this.slots.length * 4);
    for (let entry = 0; entry < this.hashes.length; entry++) this.place(this.hashes.values[entry]!, entry + 1);
  }
}

function hashOf(shape: number, words: readonly number[]): number {
  let hash = shape;
  for (let index = 0; index < words.length; index++) {
    hash = Math.imul(hash ^ words[index]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash;
}

function same(words: readonly number[], memory: ArrayLike<number>, start: number): boolean {
  for (let index = 0; index < words.length; index++) if ((memory[start + index]! ^ words[index]!) !== 0) return false;
  return true;
}
