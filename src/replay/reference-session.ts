/** The reference as a session: its frames come from the readers in capture/. */
import { CaptureReader, type Damage } from '../capture/frames.ts';
import type { IpSet } from '../model/ipset.ts';
import type { ConntrackEntry, ConntrackExpectation } from '../model/outcome.ts';
import type { HashlimitTable, RecentTable } from '../model/proc-tables.ts';
import type { CaptureInfo, Job, OnPacket, ReplayResult } from '../model/witness.ts';
import { createReference, type Listener, type ReferenceSession } from '../reference/index.ts';
import type { Ending, Session } from './session.ts';

class ReferenceReplay implements Session {
  readonly #reference: ReferenceSession;
  #reader = new CaptureReader(() => {});
  readonly #captures: CaptureInfo[] = [];
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
    if (!this.done()) this.#reader.push(chunk);
  }

  done(): boolean {
    return this.#left <= 0 || this.#reader.damage !== undefined;
  }

  endCapture(ending: Ending = {}): CaptureInfo {
    this.#reference.endCapture(this.#damage(ending));
    // The file says which link types it has, also when it has no packets.
    const info = { ...this.#reference.result().captures.at(-1)!, linktypes: [...this.#reader.linktypes] };
    this.#captures.push(info);
    return info;
  }

  result(): ReplayResult {
    return { ...this.#reference.result(), captures: this.#captures };
  }

  connections(at?: bigint): ConntrackEntry[] {
    return this.#reference.connections(at);
  }

  expectations(at?: bigint): ConntrackExpectation[] {
    return this.#reference.expectations(at);
  }

  sets(at?: bigint): IpSet[] {
    return this.#reference.sets(at);
  }

  recent(): RecentTable[] {
    return this.#reference.recent();
  }

  hashlimit(at?: bigint): HashlimitTable[] {
    return this.#reference.hashlimit(at);
  }

  #damage(ending: Ending): Damage | undefined {
    if (this.#left <= 0) return undefined;
    const met = this.#reader.damage ?? ending.damage;
    return met ?? (ending.stopped === true ? undefined : this.#reader.end());
  }
}

/** A session of the reference over `limit` packets at most. `listener` is told all that happens on the way. */
export function referenceSession(job: Job, options: { onPacket?: OnPacket; limit?: number; listener?: Listener } = {}): Session {
  return new ReferenceReplay(createReference(job, options.onPacket, options.listener), options.limit ?? Number.POSITIVE_INFINITY);
}
