/** The engine as a session: the module is read from the package, captures go straight into its memory. Node only. */
import { readFileSync } from 'node:fs';
import { compile, type Image } from '../compile/index.ts';
import { compileModule, type EngineSession, type HashKey, openImage, type Share } from '../engine/index.ts';
import type { IpSet } from '../model/ipset.ts';
import type { ConntrackEntry, ConntrackExpectation } from '../model/outcome.ts';
import type { HashlimitTable, RecentTable } from '../model/proc-tables.ts';
import type { CaptureInfo, Job, OnPacket, ReplayResult } from '../model/witness.ts';
import type { Ending, Session } from './session.ts';

/** The builds of the engine; they answer alike. */
export type Build = 'release' | 'debug' | 'scalar';

const FILES: Record<Build, string> = {
  release: '../../build/engine.wasm',
  debug: '../../build/engine.debug.wasm',
  scalar: '../../build/engine.scalar.wasm',
};

const modules = new Map<Build, Promise<object>>();

/** The module of a build, compiled once a process; every session has an instance (and a memory) of its own. */
export function engineModule(build: Build = 'release'): Promise<object> {
  const known = modules.get(build);
  if (known !== undefined) return known;
  const compiled = compileModule(readFileSync(new URL(FILES[build], import.meta.url)));
  modules.set(build, compiled);
  return compiled;
}

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

/** A session of the engine. `tree` false: rule by rule. `limit`: packets at most. `image`: the job's rules, compiled before (then `tree` says nothing). `hashKey`: as in EngineOptions. */
export async function engineSession(
  job: Job,
  options: { onPacket?: OnPacket; limit?: number; tree?: boolean; build?: Build; image?: Image; hashKey?: HashKey } = {},
): Promise<Session> {
  const { build, image = compile(job, options), ...rest } = options;
  return new EngineReplay(await openImage(image, { wasm: await engineModule(build), ...rest }, job.packets), job.sets);
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
