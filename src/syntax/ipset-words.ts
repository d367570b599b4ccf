/** What is left of a line of an `ipset save` file. */
import type { RuleError } from '../model/errors.ts';
import { parseBigUnsigned } from '../model/numbers.ts';
import { ElementError } from './ipset-elements.ts';
import type { Word } from './source.ts';

/** The largest number of 64 bits stands for none. */
const MOST_COUNT = 0xffff_ffff_ffff_fffen;

/** Whoever knows how to complain about a word. */
export interface Fail {
  error(word: Word, message: string, hint?: string, kind?: string): RuleError;
}

export class WordsLeft {
  readonly left: Word[];
  readonly #fail: Fail;
  /** The place behind the line. */
  readonly end: Word;

  constructor(fail: Fail, words: Word[], end: Word) {
    this.#fail = fail;
    this.left = words;
    this.end = end;
  }

  /** The next word; throws RuleError where there is none. */
  next(wanted: string): Word {
    const word = this.left.shift();
    if (word === undefined) throw this.#fail.error(this.end, `the line ends where ${wanted} was wanted`);
    return word;
  }

  number(option: string, most: number, least = 0): number {
    return Number(this.big(option, BigInt(most), BigInt(least)));
  }

  big(option: string, most = MOST_COUNT, least = 0n): bigint {
    const word = this.next('a number');
    const value = parseBigUnsigned(word.text, most, least);
    if (value === undefined)
      throw this.#fail.error(word, `${option} wants a number from ${least} to ${most}, got "${word.text}"`);
    return value;
  }
}

/** Errors of elements, with their place. */
export function within<T>(fail: Fail, word: Word, what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ElementError) throw fail.error(word, `${what} ${error.message}`);
    throw error;
  }
}
