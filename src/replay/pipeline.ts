/** A replay by two threads: one reads captures, the other judges what was read, in order, as one thread alone would (assembly/pipeline.ts). So it is exact for all rules. Node only. */
import { Worker } from 'node:worker_threads';
import { packetsOf, type Traffic } from '../compile/traffic.ts';
import { openImage, sharedMemory } from '../engine/index.ts';
import type { Job, OnPacket } from '../model/witness.ts';
import { compiled } from './compiled.ts';
import { EngineReplay } from './engine-replay.ts';
import { engineModule } from './engine-session.ts';
import type { FromReader, ReaderDone, ToReader } from './pipeline-reader.ts';
import { outcomeOf, type RunOptions, type RunOutcome, Turns } from './run.ts';

export interface PipelineOptions
  extends Pick<RunOptions, 'onProgress' | 'signal' | 'connections' | 'sets' | 'recent' | 'hashlimit' | 'limit'> {
  tree: boolean;
  /** Packets like those to come. */
  traffic?: Traffic;
  onPacket?: OnPacket;
}

/** This thread, and one that reads for it: it loads its program while this one reads rules and compiles them, and keeps no process alive before it has work. */
export class Pipeline {
  readonly #worker: Worker;
  readonly #memory = sharedMemory();
  /** The other engine is there. */
  readonly #joined: Promise<void>;
  readonly #done: Promise<ReaderDone>;
  #onProgress: RunOptions['onProgress'];

  /** `begun`: a worker that has begun to load, if there is one. */
  constructor(begun?: Worker) {
    this.#worker = begun ?? new Worker(new URL('./replay-thread.js', import.meta.url));
    let onJoined = (): void => {};
    let onDone = (_done: ReaderDone): void => {};
    const failed = new Promise<never>((_, reject) => {
      this.#worker.on('error', reject);
      this.#worker.on('exit', () => reject(new Error('the thread that reads ended without a result')));
      this.#worker.on('message', (message: FromReader) => {
        if (message.kind === 'joined') onJoined();
        else if (message.kind === 'progress') this.#onProgress?.(message.read, message.size, message.file);
        else onDone(message);
      });
    });
    failed.catch(() => {});
    this.#joined = Promise.race([
      failed,
      new Promise<void>((resolve) => {
        onJoined = resolve;
      }),
    ]);
    this.#done = Promise.race([
      failed,
      new Promise<ReaderDone>((resolve) => {
        onDone = resolve;
      }),
    ]);
    this.#joined.catch(() => {});
    this.#done.catch(() => {});
    // Listening to its messages keeps a process alive, too.
    this.#worker.unref();
    this.#say({ kind: 'join', memory: this.#memory });
    engineModule('threads').catch(() => {});
  }

  /**
   * Replays captures, and ends the thread.
   * @throws RuleError, as one thread does.
   */
  async replay(captures: readonly string[], job: Job, options: PipelineOptions): Promise<RunOutcome> {
    const { tree, traffic, signal, limit, onPacket } = options;
    this.#onProgress = options.onProgress;
    this.#worker.ref();
    const onAbort = (): void => this.#say({ kind: 'stop' });
    try {
      const image = await compiled(job, { tree, ...(traffic && { traffic }) });
      const wasm = await engineModule('threads');
      // An instance puts its data in the memory: before the other one begins, all of them are there.
      await this.#joined;
      const engine = await openImage(image, { wasm, memory: this.#memory, ...(onPacket && { onPacket }) }, job.packets);
      const session = new EngineReplay(engine, job.sets);
      const start = process.hrtime.bigint();
      if (signal?.aborted === true) onAbort();
      this.#say({ kind: 'read', captures, reading: session.reading(), ...(limit !== undefined && { limit }) });
      signal?.addEventListener('abort', onAbort);
      await this.#judge(session);
      const done = await this.#done;
      session.setCaptures(done.captures);
      const outcome = outcomeOf(session, start, done, options);
      return traffic ? { ...outcome, sampled: packetsOf(traffic) } : outcome;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      void this.#worker.terminate();
    }
  }

  /** All that is read. A thread that fails says so while the event loop has its turn. */
  async #judge(session: EngineReplay): Promise<void> {
    const turns = new Turns();
    let failure: unknown;
    this.#done.catch((error: unknown) => {
      failure = error;
    });
    while (!session.judge()) {
      if (!turns.due()) continue;
      await turns.take();
      if (failure !== undefined) throw failure;
    }
  }

  #say(message: ToReader): void {
    this.#worker.postMessage(message);
  }
}
