/** Numbers of equal tests; those that large rule sets are full of without the cost of text. */
import type { Test } from '../model/predicate.ts';
import { KnownWords } from './known-words.ts';
import { Numbers } from './numbers.ts';

const RANGE = 0;
const WORDS = 1;

export class KnownTests {
  private readonly known = new KnownWords();
  /** Of each test that `known` has, its number and then its words. */
  private readonly memory = new Numbers();
  private readonly others = new Map<string, number>();
  /** What `once` was asked for, by number. */
  private readonly tests: Test[] = [];

  /** The test itself, or an equal one that was asked for before; tests of other kinds than ranges and words are all their own. */
  once(test: Test): Test {
    if (test.kind !== 'range' && test.kind !== 'words') return test;
    const { tests } = this;
    const number = this.number(test, tests.length);
    if (number === tests.length) tests.push(test);
    return tests[number]!;
  }

  /** The number of an equal test; else the test is known by `next` from now on. */
  number(test: Test, next: number): number {
    if (test.kind === 'range') return this.ofWords(RANGE, [test.field, test.low, test.high, flagsOf(test)], next);
    if (test.kind === 'words')
      return this.ofWords(WORDS, [test.field, flagsOf(test), test.mask.length, ...test.mask, ...test.value], next);
    const key = JSON.stringify(test);
    const known = this.others.get(key);
    if (known === undefined) this.others.set(key, next);
    return known ?? next;
  }

  private ofWords(kind: number, words: readonly number[], next: number): number {
    const { known, memory } = this;
    const start = known.find(kind, words, memory.values);
    if (start >= 0) return memory.values[start - 1]!;
    memory.push(next);
    known.add(memory.length);
    for (const word of words) memory.push(word);
    return next;
  }
}

const flagsOf = ({ invert, onFail }: { invert: boolean; onFail: string }): number =>
  (invert ? 1 : 0) | (onFail === 'hotdrop' ? 2 : 0);
