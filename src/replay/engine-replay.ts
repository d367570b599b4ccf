/** An engine that is open, as a session; without the compiler, which a thread that shares a replay does not need. */
import type { Image } from '../compile/index.ts';
import type { HashKey } from '../engine/connections.ts';
import { openImage } from '../engine/open.ts';
import type { Reading } from '../engine/regions.ts';
import type { EngineSession, Share } from '../engine/session.ts';
import type { IpSet } from '../model/ipset.ts';
import type { ConntrackEntry, ConntrackExpectation } from '../model/outcome.ts';
import type { HashlimitTable, RecentTable } from '../model/proc-tables.ts';
import type { CaptureInfo, ReplayResult } from '../model/witness.ts';
import type { Ending, Session } from './session.ts';

export class EngineReplay implements Session {
  readonly #engine: EngineSession;
  readonly #sets: readonly IpSet[];

  /** `sets`: the job's, as they were before the first packet. */
  constructor(engine: EngineSession, sets: readonly IpSet[] = []) {
    this.#engine = engine;
    this.#sets = sets;
  }

  startCapture(file: string): void {
    this.#engine.startCapture(file);
  }

  feed(chunk: Uint8Array): void {
    this.#engine.feed(chunk);
  }

  inputBuffer(): Uint8Array {
    return this.#engine.inputBuffer();
  }

  advance(bytes: number): void {
    this.#engine.advance(bytes);
  }

  /** Of an engine that another one reads for (pipeline.ts): what that is told. */
  reading(): Reading {
    return this.#engine.reading();
  }

  /** Likewise: judges some of what it read. True: that was all. */
  judge(): boolean {
    return this.#engine.judge();
  }

  /** Likewise: what it says of the captures. */
  setCaptures(captures: readonly CaptureInfo[]): void {
    this.#engine.setCaptures(captures);
  }

  done(): boolean {
    return this.#engine.done();
  }

  endCapture(ending: Ending = {}): CaptureInfo {
    return this.#engine.endCapture(ending);
  }

  result(): ReplayResult {
    return this.#engine.result();
  }

  connections(at?: bigint): ConntrackEntry[] {
    return this.#engine.connections(at);
  }

  expectations(at?: bigint): ConntrackExpectation[] {
    return this.#engine.expectations(at);
  }

  sets(at?: bigint): IpSet[] {
    return this.#engine.sets(this.#sets, at);
  }

  recent(): RecentTable[] {
    return this.#engine.recent();
  }

  hashlimit(at?: bigint): HashlimitTable[] {
    return this.#engine.hashlimit(at);
  }

  packets(): number {
    return this.#engine.packets();
  }

  setLimit(packets: number): void {
    this.#engine.setLimit(packets);
  }

  /** Of an engine with a share: false when the shares do not add up to what one engine says. */
  shareIsExact(): boolean {
    return this.#engine.shareIsExact();
  }
}

/** A session that judges one share of the packets. */
export async function sharedSession(
  image: Image,
  wasm: object,
  share: Share,
  options: { limit?: number; hashKey?: HashKey } = {},
): Promise<EngineReplay> {
  return new EngineReplay(await openImage(image, { wasm, share, ...options }, undefined));
}
