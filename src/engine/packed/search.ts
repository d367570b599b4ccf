/** Reads the trees of a search's groups: each leaf's tests as far as its way there leaves them open. */
import * as program from '../../abi/program.ts';
import { Numbers } from '../../compile/numbers.ts';
import { MOST, NotPackable, type TestReader } from './tests.ts';

export class GroupReader {
  private readonly tests: TestReader;
  /** The exit of what finds nothing; those before it are of entries. */
  private readonly nothing: number;
  /** Words of the steps of a leaf. */
  private readonly steps = new Numbers();
  /** Of the nodes on the way to the one at hand: their first words, those whose high side is read less than 0 (~word); what their low sides became. */
  private readonly above = new Numbers();
  private readonly lows = new Numbers();
  /** The last or the first value of the node's field that was known of packets before, whichever the side at hand has changed. */
  private readonly bounds = new Numbers();
  private work = 0;

  constructor(tests: TestReader, nothing: number) {
    this.tests = tests;
    this.nothing = nothing;
  }

  /** What the tree at `root` becomes. */
  read(root: number): number {
    const { above, lows, bounds } = this;
    const { words, graph } = this.tests;
    let reference = root;
    for (;;) {
      for (; (reference & program.REF_EDGE) === 0; reference = words[reference / 4 + 2]!) this.enter(reference);
      let made = this.leaf(words[(reference - program.REF_EDGE) / 4 + 1]!);
      for (;;) {
        const top = above.length - 1;
        if (top < 0) return made;
        const isLow = above.values[top]! >= 0;
        const word = isLow ? above.values[top]! : ~above.values[top]!;
        const field = words[word]! / 4;
        const at = words[word + 1]!;
        const bound = bounds.values[top]! >>> 0;
        if (isLow) {
          graph.to[field] = bound;
          above.values[top] = ~word;
          lows.values[top] = made;
          bounds.values[top] = graph.from[field]!;
          graph.from[field] = Math.max(graph.from[field]!, at + 1);
          reference = words[word + 3]!;
          break;
        }
        graph.from[field] = bound;
        made = graph.test(field, at, lows.values[top]!, made);
        above.length = top;
        lows.length = top;
        bounds.length = top;
      }
    }
  }

  /** Goes to a node's low side. */
  private enter(node: number): void {
    const { words, graph } = this.tests;
    const word = node / 4;
    this.spend();
    if ((words[word]! & program.NODE_TABLE) !== 0) throw new NotPackable('a search of its rules is cut by tables');
    const field = words[word]! / 4;
    const bound = graph.to[field]!;
    graph.to[field] = Math.min(bound, words[word + 1]!);
    this.above.push(word);
    this.lows.push(0);
    this.bounds.push(bound);
  }

  /** A leaf's steps: the entries that are left there, one after the other. */
  private leaf(first: number): number {
    const { tests, steps } = this;
    const { words } = tests;
    let next = first;
    for (steps.length = 0; (next & program.FOUND) === 0; next = words[next / 4 + program.STEP_MISS_NEXT / 4]!) {
      this.spend();
      if ((words[next / 4 + program.STEP_HIT_NEXT / 4]! & program.FOUND) === 0)
        throw new NotPackable('an entry of a search leads to others');
      steps.push(next / 4);
    }
    let target = this.found(next);
    for (let index = steps.length - 1; index >= 0; index--) {
      const word = steps.values[index]!;
      target = tests.step(word, this.found(words[word + program.STEP_HIT_NEXT / 4]!), target, null);
    }
    return target;
  }

  private found(next: number): number {
    return ~Math.min(next >>> 1, this.nothing);
  }

  private spend(): void {
    if (++this.work > 4 * MOST) throw new NotPackable('too many ways through a search of its rules');
  }
}
