/** The expressions of `--u32`: `0>>22&0x3C@4>>16=5:9,12 && ...`, as iptables 1.8.9 reads them. */

export type U32Operator = '&' | '<<' | '>>' | '@';

export interface U32Test {
  /** Offset of the first four bytes. */
  start: number;
  /** What is done with them; `@` reads four more at `value + number`. */
  steps: readonly { operator: U32Operator; number: number }[];
  ranges: readonly { low: number; high: number }[];
}

/** With the place of what is wrong, counted from 0. */
export class U32SyntaxError extends Error {
  constructor(at: number, wanted: string) {
    super(`at character ${at}: ${wanted}`);
  }
}

/** Numbers in a place, ranges of a test, tests. */
const MOST = 10;
const NUMBER = /\s*\+?(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)/iy;

/** Throws U32SyntaxError for what iptables or the kernel refuses. */
export function readTests(text: string): U32Test[] {
  const reader = new Reader(text);
  const tests = [reader.test()];
  while (reader.takes('&&')) {
    if (tests.length === MOST) throw reader.error(`at most ${MOST} tests`);
    tests.push(reader.test());
  }
  reader.end();
  return tests;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  test(): U32Test {
    const start = this.#number();
    const steps: U32Test['steps'][number][] = [];
    while (!this.takes('=')) {
      const operator = (['<<', '>>', '&', '@'] as const).find((one) => this.takes(one));
      if (operator === undefined) throw this.error('an operator (& << >> @) or = was expected');
      if (steps.length === MOST - 1) throw this.error(`at most ${MOST - 1} operators`);
      const number = this.#number();
      if (operator.length === 2 && number > 31) throw this.error('a shift of at most 31 was expected');
      steps.push({ operator, number });
    }
    const ranges = [this.#range()];
    while (this.takes(',')) {
      if (ranges.length === MOST) throw this.error(`at most ${MOST} values`);
      ranges.push(this.#range());
    }
    return { start, steps, ranges };
  }

  /** Blanks, then `word`; nothing is read when it is not there. */
  takes(word: string): boolean {
    const blanks = /\s*/y;
    blanks.lastIndex = this.#at;
    blanks.exec(this.#text);
    if (!this.#text.startsWith(word, blanks.lastIndex)) return false;
    this.#at = blanks.lastIndex + word.length;
    return true;
  }

  end(): void {
    if (this.#text.slice(this.#at).trim() !== '') throw this.error('"," or "&&" was expected');
  }

  error(wanted: string): U32SyntaxError {
    return new U32SyntaxError(this.#at, wanted);
  }

  #range(): { low: number; high: number } {
    const low = this.#number();
    return { low, high: this.takes(':') ? this.#number() : low };
  }

  #number(): number {
    NUMBER.lastIndex = this.#at;
    const found = NUMBER.exec(this.#text);
    const digits = found?.[1] ?? '';
    const value = digits === '' ? Number.NaN : Number(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
    if (!(value <= 0xffffffff)) throw this.error('a number of at most 32 bits was expected');
    this.#at = NUMBER.lastIndex;
    return value;
  }
}
