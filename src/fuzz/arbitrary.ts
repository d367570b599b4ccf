/** Cases as fast-check knows values: generated from its seed, replayed by seed and path, shrunk by steps of the domain. */
import * as fc from 'fast-check';
import { type CaseOptions, type FuzzCase, generateCase } from './case.ts';
import { drawFrom } from './draw.ts';
import { type Smaller, smaller } from './shrink.ts';

class CaseArbitrary extends fc.Arbitrary<FuzzCase> {
  readonly #options: CaseOptions;

  constructor(options: CaseOptions) {
    super();
    this.#options = options;
  }

  override generate(random: fc.Random): fc.Value<FuzzCase> {
    return new fc.Value(generateCase(drawFrom(random), this.#options), 0);
  }

  override canShrinkWithoutContext(_value: unknown): _value is FuzzCase {
    return false;
  }

  /** `context` is the step to begin with: the one that made the value. */
  override shrink(value: FuzzCase, context: unknown): fc.Stream<fc.Value<FuzzCase>> {
    const values = (smallerCases: Iterable<Smaller>) =>
      (function* () {
        for (const { fuzzCase, step } of smallerCases) yield new fc.Value(fuzzCase, step);
      })();
    return fc.stream(values(smaller(value, typeof context === 'number' ? context : 0)));
  }
}

/** Random cases for a judge. */
export const arbitraryCase = (options: CaseOptions): fc.Arbitrary<FuzzCase> => new CaseArbitrary(options);

/** `count` cases of a seed; the first is the one numbered `from`. */
export function casesOf(options: CaseOptions, seed: number, count: number, from = 0): FuzzCase[] {
  return fc.sample(arbitraryCase(options), { seed, numRuns: count, ...(from > 0 ? { path: String(from) } : {}) });
}
