/** Lists of words in a memory that grows, equal ones once: a hash table over the words themselves. */
import { Numbers } from './numbers.ts';

/** Lists there is room for to begin with, at least. */
const ROOM = 1 << 10;

export class KnownWords {
  private readonly memory: Numbers;
  /** Numbers of lists + 1 by hash, 0 for none; at most half are taken. */
  private slots: Int32Array;
  private readonly starts: Numbers;
  /** Length and kind. */
  private readonly shapes: Numbers;
  private readonly hashes: Numbers;

  /** `expected`: so many lists there may be; more are welcome. */
  constructor(memory: Numbers, expected = 0) {
    const room = Math.max(ROOM, expected);
    this.memory = memory;
    this.slots = new Int32Array(1 << (33 - Math.clz32(room - 1)));
    this.starts = new Numbers(room);
    this.shapes = new Numbers(room);
    this.hashes = new Numbers(room);
  }

  /**
   * Where the list lies that was written last, from `start` to the memory's end: there, or, when one of the same kind (0 to 7) with the same words was written before, where that one is; then
   * the memory ends at `start` again.
   */
  once(kind: number, start: number): number {
    const { memory } = this;
    const length = memory.length - start;
    const shape = length * 8 + kind;
    const hash = this.hashOf(shape, start);
    const mask = this.slots.length - 1;
    for (let slot = hash & mask; this.slots[slot] !== 0; slot = (slot + 1) & mask) {
      const list = this.slots[slot]! - 1;
      if (this.hashes.values[list] !== hash || this.shapes.values[list] !== shape) continue;
      const known = this.starts.values[list]!;
      if (!this.same(known, start, length)) continue;
      memory.length = start;
      return known;
    }
    this.starts.push(start);
    this.shapes.push(shape);
    this.hashes.push(hash);
    if (this.starts.length * 2 > this.slots.length) this.grow();
    else this.place(hash, this.starts.length);
    return start;
  }

  private place(hash: number, number: number): void {
    const mask = this.slots.length - 1;
    let slot = hash & mask;
    while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
    this.slots[slot] = number;
  }

  private grow(): void {
    this.slots = new Int32Array(this.slots.length * 2);
    for (let list = 0; list < this.hashes.length; list++) this.place(this.hashes.values[list]!, list + 1);
  }

  private hashOf(shape: number, start: number): number {
    const { values, length } = this.memory;
    let hash = shape;
    for (let index = start; index < length; index++) {
      hash = Math.imul(hash ^ values[index]!, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return hash;
  }

  private same(known: number, start: number, length: number): boolean {
    const { values } = this.memory;
    for (let index = 0; index < length; index++) if (values[known + index] !== values[start + index]) return false;
    return true;
  }
}
