/** The thread of a pipeline (pipeline.ts) that reads. */
import type { MessagePort } from 'node:worker_threads';
import type { EngineExports } from '../engine/loader.ts';
import { loadEngine } from '../engine/loader.ts';
import { EngineReader } from '../engine/reader.ts';
import type { Reading } from '../engine/regions.ts';
import type { CaptureInfo } from '../model/witness.ts';
import { engineModule } from './engine-module.ts';
import { type ReadOutcome, readCaptures } from './run.ts';

/** A memory first, in which an engine is to be; then what it is to read; then perhaps that it is to stop. */
export type ToReader =
  | { kind: 'join'; memory: object }
  | { kind: 'read'; captures: readonly string[]; reading: Reading; limit?: number }
  | { kind: 'stop' };

export interface ReaderDone extends ReadOutcome {
  kind: 'read';
  captures: readonly CaptureInfo[];
}

export type FromReader =
  | { kind: 'joined' }
  | { kind: 'progress'; read: number; size: number | undefined; file: string }
  | ReaderDone;

export class PipelineReader {
  readonly #tell: (message: FromReader) => void;
  readonly #stop = new AbortController();
  #engine: EngineExports | undefined;

  constructor(port: MessagePort) {
    this.#tell = (message) => port.postMessage(message);
  }

  async hear(message: ToReader): Promise<void> {
    if (message.kind === 'join') {
      this.#engine = await loadEngine(await engineModule('threads'), message.memory);
      this.#tell({ kind: 'joined' });
    } else if (message.kind === 'stop') this.#stop.abort();
    else await this.#read(message);
  }

  async #read({ captures, reading, limit }: Extract<ToReader, { kind: 'read' }>): Promise<void> {
    const reader = new EngineReader(this.#engine!, reading, limit);
    const tell = this.#tell;
    const ended = await readCaptures(captures, reader, {
      signal: this.#stop.signal,
      onProgress: (read, size, file) => tell({ kind: 'progress', read, size, file }),
      ...(limit !== undefined && { limit }),
    });
    tell({ kind: 'read', ...ended, captures: reader.end() });
  }
}
