/** Work in numbers: how often the functions and blocks of the rules reader were run, as V8 counts them for coverage. The same on every machine, unlike seconds. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** What a built-in does in one call (a regular expression, `slice`) counts as one. */
export class WorkCounter {
  readonly #worker = new Worker(new URL('work-worker.mjs', import.meta.url));

  /** The work of reading texts as anything, as a dump, and as a script. */
  async reading(...texts: readonly string[]): Promise<number> {
    this.#worker.postMessage(texts);
    const [count] = (await once(this.#worker, 'message')) as [number];
    return count;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
