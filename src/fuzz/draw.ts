/** A seeded source of choices. The same seed gives the same case everywhere. */
import type { Draw } from '../extensions/extension.ts';

export interface SeededDraw extends Draw {
  readonly seed: number;
  /** A fresh u32. */
  word(): number;
}

/** Numbers by splitmix32 of a 32-bit seed. */
export function seededDraw(seed: number): SeededDraw {
  let state = seed >>> 0;
  const word = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  const integer = (low: number, high: number): number => low + (word() % (high - low + 1));
  return {
    seed,
    word,
    integer,
    pick: (choices) => choices[word() % choices.length]!,
    chance: (probability = 0.5) => word() < probability * 4294967296,
  };
}
