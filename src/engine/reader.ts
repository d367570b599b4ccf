/** An engine that only reads captures, in a thread of its own, for one in another thread that judges (assembly/pipeline.ts). Both have the same memory. */
import { RUN_AGAIN, RUN_DAMAGED, RUN_MORE } from '../abi/control.ts';
import type { CaptureInfo } from '../model/witness.ts';
import { type CaptureEnding, CaptureLog } from './capture-log.ts';
import type { EngineExports } from './loader.ts';
import { CHUNK, EngineError, INPUT_SIZE, type Reading } from './regions.ts';

export class EngineReader {
  readonly #engine: EngineExports;
  readonly #log: CaptureLog;
  /** Each with the number of batches behind which nothing lies in it. */
  readonly #inputs: { at: number; until: number }[];
  #input = 0;
  /** Where in it the bytes begin that are not consumed, and how many they are. */
  #from = 0;
  #held = 0;

  /** `engine`: an instance of its own. `reading`: what the session of the other says. `limit`: packets at most, over all captures. */
  constructor(engine: EngineExports, reading: Reading, limit?: number) {
    this.#engine = engine;
    this.#log = new CaptureLog(() => new DataView(engine.memory.buffer), reading);
    this.#inputs = reading.inputs.map((at) => ({ at, until: 0 }));
    engine.setupHost(reading.host, reading.capture, reading.names, reading.hz, reading.flags);
    engine.setupResults(reading.control, reading.slots, 0, 0);
    engine.setPipeline(reading.pipeline, reading.slots);
    engine.setMarksBare(reading.marks);
    if (limit !== undefined) engine.setLimit(limit);
  }

  startCapture(file: string): void {
    this.#log.start(file);
    this.#engine.startCapture();
    this.#next();
    this.#held = 0;
  }

  /** Where the next bytes of the capture go; then `advance`. */
  inputBuffer(): Uint8Array {
    return new Uint8Array(this.#engine.memory.buffer, this.#inputs[this.#input]!.at + this.#from + this.#held, CHUNK);
  }

  /** `length` more bytes are in the input buffer. */
  advance(length: number): void {
    if (this.#log.isOver()) return;
    this.#held += length;
    this.#consume(false);
  }

  /** Bytes of the capture, however many. */
  feed(chunk: Uint8Array): void {
    for (let from = 0; from < chunk.length && !this.done(); from += CHUNK) {
      const part = chunk.subarray(from, from + CHUNK);
      this.inputBuffer().set(part);
      this.advance(part.length);
    }
  }

  /** True when nothing further of this capture is wanted: the limit is reached, or it is damaged. */
  done(): boolean {
    return this.#log.isOver();
  }

  /** The capture has no more bytes, or no more are read. */
  endCapture(ending: CaptureEnding = {}): CaptureInfo {
    if (!this.#log.isOver() && ending.stopped !== true && ending.damage === undefined) this.#consume(true);
    return this.#log.end(ending);
  }

  /** Nothing comes any more. What is told of the captures. */
  end(): readonly CaptureInfo[] {
    while (this.#engine.endPipeline() === 0);
    return this.#log.infos;
  }

  #consume(last: boolean): void {
    const at = this.#inputs[this.#input]!.at + this.#from;
    this.#engine.feedOn(at, this.#held, last ? 1 : 0);
    let answer = this.#engine.readOn();
    while (answer === RUN_AGAIN) answer = this.#engine.readOn();
    if (answer !== RUN_MORE) {
      this.#log.over(answer === RUN_DAMAGED);
      return;
    }
    const used = this.#engine.consumed() >>> 0;
    this.#from += used;
    this.#held -= used;
    if (this.#held + CHUNK > INPUT_SIZE) throw new EngineError('a record does not fit the input buffer');
    if (this.#from < CHUNK && this.#from + this.#held + CHUNK <= INPUT_SIZE) return;
    this.#next();
    const memory = new Uint8Array(this.#engine.memory.buffer);
    memory.copyWithin(this.#inputs[this.#input]!.at, at + used, at + used + this.#held);
  }

  /** To another input: the first in which nobody needs anything, so that few are in use, and those in the core's cache. */
  #next(): void {
    this.#inputs[this.#input]!.until = this.#engine.pipelineWritten();
    const others = this.#inputs.filter((_, index) => index !== this.#input);
    let free = others.find(({ until }) => this.#engine.isJudged(until) !== 0);
    if (free === undefined) {
      // Batches come in order: the oldest is free first.
      const [oldest] = others.sort((one, other) => (one.until - other.until) | 0);
      while (this.#engine.awaitJudged(oldest!.until) === 0);
      free = oldest!;
    }
    this.#input = this.#inputs.indexOf(free);
    this.#from = 0;
  }
}
