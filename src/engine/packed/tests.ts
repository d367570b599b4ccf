/** Reads tests of an image's checked code section (abi/program.ts) as threshold tests of a graph. */
import * as program from '../../abi/program.ts';
import { SMALL_FIELDS } from '../../compile/tests.ts';
import type { Graph } from './graph.ts';

/** The walk asks for more than fields, or is too large to be unrolled; the message says what. */
export class NotPackable extends Error {}

/** States and tests a graph may have. */
export const MOST = 1 << 22;

export class TestReader {
  readonly words: Uint32Array;
  readonly graph: Graph;

  constructor(words: Uint32Array, graph: Graph) {
    this.words = words;
    this.graph = graph;
  }

  /** The tests of the step at `word`, in front of `passes`. `drops`: where those lead that drop what fails; null: where the others do. */
  step(word: number, passes: number, fails: number, drops: (() => number) | null): number {
    const { words, graph } = this;
    const list = words[word + program.STEP_LIST / 4]! / 4;
    let target = passes;
    for (let index = ((words[word]! >>> 8) & 0xffff) - 1; index >= 0; index--) {
      const test = words[list + index]! / 4;
      const dropping = drops !== null && (words[test]! & program.TEST_DROPS) !== 0;
      target = this.test(test, target, dropping ? drops() : fails);
      if (graph.tests > MOST) throw new NotPackable('too many tests');
    }
    return target;
  }

  /** The test at word `at`, in front of what it leads to. */
  private test(at: number, passes: number, fails: number): number {
    const { words, graph } = this;
    const head = words[at]!;
    const inverted = (head & program.TEST_INVERT) !== 0;
    const yes = inverted ? fails : passes;
    const no = inverted ? passes : fails;
    const field = words[at + 1]! / 4;
    const two = words[at + 2]!;
    const three = words[at + 3]!;
    switch (head & program.TEST_OPCODE) {
      case program.TEST_RANGE:
        return graph.range(field, two, two + three, yes, no);
      case program.TEST_MASK:
        return this.mask(field, two, three, yes, no);
      case program.TEST_WORDS: {
        let target = yes;
        for (let index = two - 1; index >= 0; index--) {
          target = this.mask(field + index, words[at + 3 + 2 * index]!, words[at + 4 + 2 * index]!, target, no);
        }
        return target;
      }
      case program.TEST_RANGES:
        return this.ranges(at, yes, no);
      case program.TEST_WORD_RANGE:
        if (two === 1) return graph.range(field, three, words[at + 4]!, yes, no);
        throw new NotPackable('a range is of several words');
      default:
        throw new NotPackable('its rules ask for more than fields');
    }
  }

  /** Any of the fields in any of the ranges. */
  private ranges(at: number, yes: number, no: number): number {
    const { words, graph } = this;
    const fields = words[at + 1]!;
    const ranges = words[at + 2]!;
    let target = no;
    for (let field = 0; field < fields; field++) {
      for (let range = 0; range < ranges; range++) {
        const low = words[at + 3 + fields + 2 * range]!;
        const width = words[at + 4 + fields + 2 * range]!;
        target = graph.range(words[at + 3 + field]! / 4, low, low + width, yes, target);
      }
    }
    return target;
  }

  private mask(field: number, mask: number, value: number, yes: number, no: number): number {
    if ((value & ~mask) !== 0) return no;
    const rest = ~mask >>> 0;
    if ((rest & (rest + 1)) === 0) return this.graph.range(field, value, (value | rest) >>> 0, yes, no);
    const values = SMALL_FIELDS.get(field);
    if (values === undefined) throw new NotPackable('a mask is no prefix');
    // Flags of TCP: few of the values have these bits so.
    return this.graph.table(
      field,
      Array.from({ length: values }, (_, one) => ((one & mask) >>> 0 === value ? yes : no)),
    );
  }
}
