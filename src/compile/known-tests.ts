/** Numbers of equal tests; those that large rule sets are full of without the cost of text. */
import type { Test } from '../model/predicate.ts';
import { KnownWords } from './known-words.ts';
import { Numbers } from './numbers.ts';

/** Of large sets. */
const WORDS_A_RULE = 12;
const TESTS_A_RULE = 2;

const RANGE = 0;
const WORDS = 1;

export class KnownTests {
  /** Of each test that is known by words, its number and then those. */
  private readonly memory: Numbers;
  private readonly known: KnownWords;
  private readonly others = new Map<string, number>();
  /** What `once` was asked for, by number. */
  private readonly tests: Test[] = [];

  /** `rules`: how many there are, for room. */
  constructor(rules = 0) {
    this.memory = new Numbers(Math.max(1 << 10, rules * WORDS_A_RULE));
    this.known = new KnownWords(this.memory, rules * TESTS_A_RULE);
  }

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
    const { memory } = this;
    if (test.kind === 'range' || test.kind === 'words') {
      memory.push(next);
      memory.push(test.field);
      memory.push(flagsOf(test));
      if (test.kind === 'words') {
        for (let index = 0; index < test.mask.length; index++) memory.push(test.mask[index]!);
        for (let index = 0; index < test.value.length; index++) memory.push(test.value[index]!);
        return this.ofWords(WORDS, 2 + test.mask.length + test.value.length);
      }
      memory.push(test.low);
      memory.push(test.high);
      return this.ofWords(RANGE, 4);
    }
    const key = JSON.stringify(test);
    const known = this.others.get(key);
    if (known === undefined) this.others.set(key, next);
    return known ?? next;
  }

  /** Of the last `words` words of the memory, with a number in front of them. */
  private ofWords(kind: number, words: number): number {
    const { memory } = this;
    const start = memory.length - words;
    const place = this.known.once(kind, start);
    if (place !== start) memory.length = start - 1;
    return memory.values[place - 1]!;
  }
}

const flagsOf = ({ invert, onFail }: { invert: boolean; onFail: string }): number =>
  (invert ? 1 : 0) | (onFail === 'hotdrop' ? 2 : 0);
