/** A replay by several threads, each with an engine of its own: every thread reads the captures and judges its pairs of addresses (assembly/share.ts). Node only. */
import { Worker } from 'node:worker_threads';
import type { Image } from '../compile/index.ts';
import { packetsOf, type Traffic } from '../compile/traffic.ts';
import type { Share } from '../engine/index.ts';
import type { Job } from '../model/witness.ts';
import { compiled } from './compiled.ts';
import { sharedSession } from './engine-replay.ts';
import { engineModule } from './engine-session.ts';
import { mergeConnections, mergeResults } from './merge.ts';
import { Pace, placesOf } from './pace.ts';
import type { RunOptions, RunOutcome } from './run.ts';
import { runShare, type ShareOutcome } from './share.ts';

/** Structured clone takes all of it, the compiled module too. */
export interface ShareTask extends Pick<RunOptions, 'connections' | 'limit'> {
  kind: 'task';
  captures: readonly string[];
  image: Image;
  wasm: object;
  share: Share;
  /** How far all are (pace.ts). */
  places: Int32Array;
}

/** A task first; then perhaps that it is to stop, and, when all threads have told how far they are, behind which packet (none: at the end of all). */
export type ToWorker = ShareTask | { kind: 'stop' } | { kind: 'limit'; packets?: number };

export type FromWorker =
  /** Asked to stop: packets read so far. */
  { kind: 'at'; packets: number } | ({ kind: 'done' } & ShareOutcome);

export interface SharedOptions extends Pick<RunOptions, 'onProgress' | 'signal' | 'connections' | 'limit'> {
  tree: boolean;
  /** Packets like those to come. */
  traffic?: Traffic;
}

/** One thread has to judge everything anew; of an interrupted replay as many packets as they had come to. */
export interface Unshared {
  again: string;
  packets?: number;
}

const INEXACT = 'fragments that wait, IPv6 redirects or errors that the capture cut were met';
const CHANGED = 'a capture was written to, or went away, while it was read';

/** This thread and others, which load their program while this one reads rules and compiles them, and keep no process alive before they have work. */
export class Threads {
  readonly #others: readonly Worker[];
  /** Why one of them ended before it had work. */
  #failure: unknown;

  /** `count`: with this one, and with one that has begun to load, if there is one. */
  constructor(count: number, begun?: Worker) {
    const others = begun === undefined ? [] : [begun];
    while (others.length < count - 1) others.push(new Worker(new URL('./replay-thread.js', import.meta.url)));
    this.#others = others;
    for (const worker of this.#others) {
      worker.unref();
      worker.on('error', (error: unknown) => {
        this.#failure ??= error;
      });
    }
  }

  /**
   * Replays captures that can be read more than once, and ends the threads; shares.ts says whether the rules allow it. Unshared: a packet was met that one pair of addresses does not
   * decide (a fragment that waits, a redirect), so that only one engine knows the answer, or they did not read the same packets.
   * @throws RuleError, as one thread does.
   */
  async replay(captures: readonly string[], job: Job, options: SharedOptions): Promise<RunOutcome | Unshared> {
    const { tree, traffic, signal, onProgress, connections = false, limit } = options;
    const asked = { connections, ...(limit !== undefined && { limit }) };
    const of = this.#others.length + 1;
    const halt = new Halt(this.#others, signal);
    const failed = new AbortController();
    try {
      const [image, wasm] = [await compiled(job, { tree, ...(traffic && { traffic }) }), await engineModule()];
      if (this.#failure !== undefined) throw this.#failure;
      const start = process.hrtime.bigint();
      const places = placesOf(of);
      const others = this.#others.map((worker, index) =>
        oneShare(worker, { kind: 'task', captures, image, wasm, share: { index: index + 1, of }, places, ...asked }, halt),
      );
      for (const other of others) other.catch(() => failed.abort());
      const session = await sharedSession(image, wasm, { index: 0, of }, asked);
      const own = runShare(captures, session, halt, new Pace(places, 0), {
        ...asked,
        signal: failed.signal,
        ...(onProgress && { onProgress }),
      }).finally(() => halt.at(0, 'the end'));
      const outcome = merged(await Promise.all([own, ...others]), start, halt.stopped);
      return traffic && !('again' in outcome) ? { ...outcome, sampled: packetsOf(traffic) } : outcome;
    } finally {
      halt.close();
      for (const worker of this.#others) void worker.terminate();
    }
  }
}

/** What the shares of one replay say together. `start`: of hrtime; `isStopped`: they were interrupted, behind the same packet. */
export function merged(shares: readonly ShareOutcome[], start: bigint, isStopped: boolean): RunOutcome | Unshared {
  const outcomes = shares.map(({ outcome }) => outcome);
  const results = outcomes.map((outcome) => outcome.result);
  // A thread that was stopped may have opened what comes behind the last packet, one thread alone does not.
  if (isStopped) {
    for (const { captures } of results) while (captures.length > 1 && captures.at(-1)?.packets === 0) captures.pop();
  }
  const behind = isStopped ? { packets: Math.max(...results.map(({ packets }) => packets)) } : {};
  if (shares.some(({ exact }) => !exact)) return { again: INEXACT, ...behind };
  const read = results.map(({ captures }) => captures.map(({ packets, damage }) => (isStopped ? packets : [packets, damage])));
  if (read.some((one) => JSON.stringify(one) !== JSON.stringify(read[0]))) return { again: CHANGED, ...behind };
  const result = mergeResults(results);
  const whole: RunOutcome = {
    result,
    seconds: Number(process.hrtime.bigint() - start) / 1e9,
    damaged: outcomes.some(({ damaged }) => damaged),
    ...(isStopped && { interrupted: true }),
  };
  const connections = outcomes.flatMap((outcome) => (outcome.connections === undefined ? [] : [outcome.connections]));
  return connections.length === 0 ? whole : { ...whole, connections: mergeConnections(connections) };
}

/** All threads stop at the packet that the fastest of them has come to; where that is the end, none does. This thread is number 0. */
export class Halt {
  readonly #threads: readonly Pick<Worker, 'postMessage'>[];
  readonly #signal: AbortSignal | undefined;
  readonly #limit: Promise<number | undefined>;
  readonly #told = new Set<number>();
  #onLimit = (_packets: number | undefined): void => {};
  #furthest = 0;
  #isAtEnd = false;
  #isStopped = false;

  constructor(threads: readonly Pick<Worker, 'postMessage'>[], signal: AbortSignal | undefined) {
    this.#threads = threads;
    this.#signal = signal;
    this.#limit = new Promise((resolve) => {
      this.#onLimit = resolve;
    });
    if (this.asked()) this.#stop();
    else signal?.addEventListener('abort', this.#stop);
  }

  readonly #stop = (): void => this.#say({ kind: 'stop' });

  asked(): boolean {
    return this.#signal?.aborted === true;
  }

  /** They stopped before the end. */
  get stopped(): boolean {
    return this.#isStopped;
  }

  agree(packets: number): Promise<number | undefined> {
    this.at(0, packets);
    return this.#limit;
  }

  /** A thread has come so far and waits, or has ended there (then it says so again). */
  at(thread: number, packets: number | 'the end'): void {
    if (this.#told.has(thread)) return;
    this.#told.add(thread);
    if (packets === 'the end') this.#isAtEnd = true;
    else this.#furthest = Math.max(this.#furthest, packets);
    if (this.#told.size <= this.#threads.length) return;
    this.#isStopped = !this.#isAtEnd;
    const behind = this.#isStopped ? this.#furthest : undefined;
    this.#onLimit(behind);
    this.#say({ kind: 'limit', ...(behind !== undefined && { packets: behind }) });
  }

  close(): void {
    this.#signal?.removeEventListener('abort', this.#stop);
  }

  #say(message: ToWorker): void {
    for (const worker of this.#threads) worker.postMessage(message);
  }
}

function oneShare(worker: Worker, task: ShareTask, halt: Halt): Promise<ShareOutcome> {
  return new Promise((resolve, reject) => {
    worker.ref();
    worker.postMessage(task);
    const failed = (error: Error): void => {
      halt.at(task.share.index, 'the end');
      reject(error);
    };
    worker.on('message', (message: FromWorker) => {
      halt.at(task.share.index, message.kind === 'at' ? message.packets : 'the end');
      if (message.kind === 'done') resolve(message);
    });
    worker.on('error', failed);
    worker.on('exit', () => failed(new Error('a thread of the replay ended without a result')));
  });
}
