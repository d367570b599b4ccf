/** Random choices that are the same everywhere. */
import { random } from './traffic.ts';

export class Draw {
  private readonly next: () => number;

  constructor(seed: number) {
    this.next = random(seed * 2654435761);
    for (let turn = 0; turn < 8; turn++) this.next();
  }

  word(): number {
    return this.next();
  }

  below(limit: number): number {
    return this.next() % limit;
  }

  chance(share: number): boolean {
    return this.next() < share * 0x1_0000_0000;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}
