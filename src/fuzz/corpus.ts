/**
 * What a run leaves in a folder, so that the next one goes on: `seed`, `done.txt` (batches, a line each, only ever added to), `interesting.txt` (batches that showed a mismatch or met something
 * for the first time; they are judged first), and the folders of mismatches.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { News } from './run.ts';

const SEED = 'seed';
const DONE = 'done.txt';
const INTERESTING = 'interesting.txt';

/** A batch as a line: `reference,engine 60 17`, with what makes its cases others than those of the same seed. */
const lineOf = (lane: string, kind: string, seed: number): string => `${lane} ${kind} ${seed}`;

export class Corpus {
  readonly #folder: string;
  readonly #kind: string;
  readonly #done: Set<string>;
  readonly #met = new Set<string>();
  readonly first: readonly { lane: string; seed: number }[];

  /** `kind`: the options that change cases, as one word. Makes the folder when it is not there. Throws the file system's errors. */
  constructor(folder: string, kind: string) {
    this.#folder = folder;
    this.#kind = kind;
    mkdirSync(folder, { recursive: true });
    this.#done = new Set(this.#lines(DONE));
    this.first = this.#lines(INTERESTING)
      .map((line) => line.split(' '))
      .filter(([, other]) => other === kind)
      .map(([lane = '', , seed]) => ({ lane, seed: Number(seed) }));
  }

  /** The seed of the runs before; `fresh` is kept when there were none. */
  seed(fresh: number): number {
    const [before] = this.#lines(SEED);
    if (before !== undefined) return Number(before);
    writeFileSync(join(this.#folder, SEED), `${fresh}\n`);
    return fresh;
  }

  done(lane: string, seed: number): boolean {
    return this.#done.has(lineOf(lane, this.#kind, seed));
  }

  add(news: News): void {
    const line = lineOf(news.lane, this.#kind, news.seed);
    const before = this.#met.size;
    for (const [kind, counts] of Object.entries(news.reach.counts))
      for (const word of Object.keys(counts)) this.#met.add(`${news.lane} ${kind} ${word}`);
    const known = this.first.some(({ lane, seed }) => lane === news.lane && seed === news.seed);
    if ((news.found.length > 0 || this.#met.size > before) && !known) this.#append(INTERESTING, line);
    if (news.trouble === undefined) this.#append(DONE, line);
  }

  #append(file: string, line: string): void {
    appendFileSync(join(this.#folder, file), `${line}\n`);
  }

  #lines(file: string): string[] {
    const path = join(this.#folder, file);
    return existsSync(path)
      ? readFileSync(path, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
      : [];
  }
}
