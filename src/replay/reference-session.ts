/** The reference as a session: its frames come from the readers in capture/. */
import { CaptureReader } from '../capture/frames.ts';
import type { CaptureInfo, Job, OnPacket, ReplayResult } from '../model/witness.ts';
import { createReference, type ReferenceSession } from '../reference/index.ts';
import type { Ending, Session } from './session.ts';

class ReferenceReplay implements Session {
  readonly #reference: ReferenceSession;
  #reader = new CaptureReader(() => {});
  #left: number;

  constructor(reference: ReferenceSession, limit: number) {
    this.#reference = reference;
    this.#left = limit;
  }

  startCapture(file: string): void {
    this.#reference.startCapture(file);
    this.#reader = new CaptureReader((frame) => {
      if (this.#left <= 0) return;
      this.#left--;
      this.#reference.frame(frame);
    });
  }

  feed(chunk: Uint8Array): void {
    if (this.#left > 0) this.#reader.push(chunk);
  }

  done(): boolean {
    return this.#left <= 0;
  }

  endCapture(ending: Ending = {}): CaptureInfo {
    const stopped = ending.stopped === true || this.#left <= 0;
    this.#reference.endCapture(stopped ? undefined : (this.#reader.end() ?? ending.damage));
    return this.#reference.result().captures.at(-1)!;
  }

  result(): ReplayResult {
    return this.#reference.result();
  }
}

/** A session of the reference over `limit` packets at most. */
export function referenceSession(job: Job, options: { onPacket?: OnPacket; limit?: number } = {}): Session {
  return new ReferenceReplay(createReference(job, options.onPacket), options.limit ?? Number.POSITIVE_INFINITY);
}
