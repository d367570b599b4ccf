/** What pairs of numbers stand for: a hash table in typed arrays, for large rule sets would fill millions of maps and strings. */

/** Pairs there is room for to begin with, at least. */
const ROOM = 1 << 5;

export class Pairs {
  /** Three words a slot: left, right, value + 1 (0: free); at most half are taken. */
  private slots: Int32Array;
  private taken = 0;

  /** `expected`: so many pairs there may be; more are welcome. */
  constructor(expected = 0) {
    this.slots = new Int32Array((1 << (33 - Math.clz32(Math.max(ROOM, expected) - 1))) * 3);
  }

  /** What was set for a pair of unsigned numbers of 32 bits; -1 without. */
  get(left: number, right: number): number {
    return this.slots[this.slotOf(left | 0, right | 0) + 2]! - 1;
  }

  /** `value`: not less than 0. */
  set(left: number, right: number, value: number): void {
    if (this.taken * 2 >= this.slots.length / 3) this.grow();
    this.put(left | 0, right | 0, value + 1);
  }

  private put(left: number, right: number, word: number): void {
    const { slots } = this;
    const at = this.slotOf(left, right);
    if (slots[at + 2] === 0) this.taken++;
    slots[at] = left;
    slots[at + 1] = right;
    slots[at + 2] = word;
  }

  /** Where the pair is, or would be. */
  private slotOf(left: number, right: number): number {
    const { slots } = this;
    let hash = Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b);
    hash ^= hash >>> 15;
    const mask = slots.length / 3 - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const at = slot * 3;
      if (slots[at + 2] === 0 || (slots[at] === left && slots[at + 1] === right)) return at;
    }
  }

  private grow(): void {
    const before = this.slots;
    this.slots = new Int32Array(before.length * 4);
    this.taken = 0;
    for (let at = 0; at < before.length; at += 3) {
      if (before[at + 2] !== 0) this.put(before[at]!, before[at + 1]!, before[at + 2]!);
    }
  }
}
