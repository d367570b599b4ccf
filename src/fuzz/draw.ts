/** A source of choices that is fed by fast-check: its seed and path give the same case everywhere. */
import * as fc from 'fast-check';
import type { Draw } from '../extensions/extension.ts';

const WORD = 2 ** 32;

/** Choices from fast-check's generator; drawing moves it on. */
export function drawFrom(random: fc.Random): Draw {
  const integer = (low: number, high: number): number => random.nextInt(low, high);
  return {
    integer,
    pick: (choices) => choices[integer(0, choices.length - 1)]!,
    chance: (probability = 0.5) => integer(0, WORD - 1) < probability * WORD,
  };
}

/** Hands out the generator itself. */
class Generator extends fc.Arbitrary<Draw> {
  override generate(random: fc.Random): fc.Value<Draw> {
    return new fc.Value(drawFrom(random.clone()), undefined);
  }

  override canShrinkWithoutContext(_value: unknown): _value is Draw {
    return false;
  }

  override shrink(): fc.Stream<fc.Value<Draw>> {
    return fc.Stream.nil();
  }
}

/** Choices of a seed, for those who need no whole case. */
export const seededDraw = (seed: number): Draw => fc.sample(new Generator(), { seed, numRuns: 1 })[0]!;
