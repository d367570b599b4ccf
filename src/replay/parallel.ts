/** A replay by several threads, each with an engine of its own: every thread reads the captures and judges its pairs of addresses (assembly/share.ts). Node only. */
import { Worker } from 'node:worker_threads';
import { compile, type Image } from '../compile/index.ts';
import type { Share } from '../engine/index.ts';
import type { Job } from '../model/witness.ts';
import { engineModule } from './engine-session.ts';
import { mergeConnections, mergeResults } from './merge.ts';
import type { RunOptions, RunOutcome } from './run.ts';

/** What a thread is told first, and later perhaps to stop; structured clone takes all of it, the compiled module too. */
export interface ShareTask {
  captures: readonly string[];
  image: Image;
  wasm: object;
  share: Share;
  limit: number | undefined;
  connections: boolean;
  /** i32 at 0: woken by a change to 1; f64 at 8: then the number of the last packet. */
  halt: SharedArrayBuffer;
}

export type ToWorker = ShareTask | 'stop';

export type FromWorker =
  /** Asked to stop: packets read so far. */
  | { kind: 'at'; packets: number }
  | { kind: 'progress'; read: number; size: number | undefined; file: string }
  | { kind: 'done'; outcome: RunOutcome; exact: boolean };

export interface SharedOptions extends Pick<RunOptions, 'onProgress' | 'signal' | 'connections' | 'limit'> {
  /** Threads; at least one. */
  jobs: number;
  tree: boolean;
}

/**
 * Replays captures that can be read more than once; shares.ts says whether the rules allow it. undefined: a packet was met that one pair of addresses does not decide (a fragment that
 * waits, a redirect): only one engine knows the answer.
 * @throws CaptureOpenError, RuleError, as one thread does.
 */
export async function replayShared(
  captures: readonly string[],
  job: Job,
  options: SharedOptions,
): Promise<RunOutcome | undefined> {
  const start = process.hrtime.bigint();
  const { jobs, tree, limit, connections = false } = options;
  // Threads load the program while the rules are compiled here.
  const workers = Array.from({ length: jobs }, () => new Worker(new URL('./share-worker.js', import.meta.url)));
  const [image, wasm] = await readyFor(job, tree).catch(async (error: unknown) => {
    await Promise.all(workers.map((worker) => worker.terminate()));
    throw error;
  });
  const halt = new Halt(jobs);
  const task = { captures, image, wasm, limit, connections, halt: halt.memory };
  const done = await Promise.all(
    workers.map((worker, index) => oneShare(worker, { ...task, share: { index, of: jobs } }, halt, options)),
  );
  if (done.some(({ exact }) => !exact)) return undefined;
  const outcomes = done.map(({ outcome }) => outcome);
  const result = mergeResults(outcomes.map((outcome) => outcome.result));
  // Threads that were stopped open what comes behind the last packet, one thread does not.
  if (options.signal?.aborted === true)
    while (result.captures.length > 1 && result.captures.at(-1)?.packets === 0) result.captures.pop();
  const merged: RunOutcome = {
    result,
    seconds: Number(process.hrtime.bigint() - start) / 1e9,
    damaged: outcomes.some(({ damaged }) => damaged),
  };
  return connections
    ? { ...merged, connections: mergeConnections(outcomes.map((outcome) => outcome.connections ?? [])) }
    : merged;
}

const readyFor = async (job: Job, tree: boolean): Promise<[image: Image, wasm: object]> => [
  compile(job, { tree }),
  await engineModule(),
];

/** Stops all threads behind the same packet. */
class Halt {
  readonly memory = new SharedArrayBuffer(16);
  #missing: number;
  #furthest = 0;

  constructor(threads: number) {
    this.#missing = threads;
  }

  /** A thread has come so far, and waits (or has ended). */
  at(packets: number): void {
    this.#furthest = Math.max(this.#furthest, packets);
    if (--this.#missing > 0) return;
    new Float64Array(this.memory, 8, 1)[0] = this.#furthest;
    const woken = new Int32Array(this.memory, 0, 1);
    Atomics.store(woken, 0, 1);
    Atomics.notify(woken, 0);
  }
}

type Done = Extract<FromWorker, { kind: 'done' }>;

function oneShare(worker: Worker, task: ShareTask, halt: Halt, { onProgress, signal }: SharedOptions): Promise<Done> {
  return new Promise((resolve, reject) => {
    const say = (message: ToWorker): void => worker.postMessage(message);
    let halted = false;
    const stop = (): void => say('stop');
    const at = (packets: number): void => {
      if (!halted) halt.at(packets);
      halted = true;
    };
    say(task);
    if (signal?.aborted === true) stop();
    signal?.addEventListener('abort', stop);
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'at') at(message.packets);
      else if (message.kind === 'progress') onProgress?.(message.read, message.size, message.file);
      else {
        at(message.outcome.result.packets);
        resolve(message);
      }
    });
    worker.on('error', (error) => {
      at(0);
      reject(error);
    });
    worker.on('exit', () => {
      signal?.removeEventListener('abort', stop);
      reject(new Error('a thread of the replay ended without a result'));
    });
  });
}
