/** The engine as a session: the module is read from the package, captures go straight into its memory. Node only. */
import { readFileSync } from 'node:fs';
import { compile, type Image } from '../compile/index.ts';
import type { Traffic } from '../compile/traffic.ts';
import { compileModule, type HashKey, openImage } from '../engine/index.ts';
import type { Job, OnPacket } from '../model/witness.ts';
import { EngineReplay } from './engine-replay.ts';
import type { Session } from './session.ts';

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

/** A session of the engine. `tree` false: rule by rule. `traffic`: packets like those to come. `limit`: packets at most. `image`: the job's rules, compiled before (then `tree` and `traffic` say nothing). `hashKey`: as in EngineOptions. */
export async function engineSession(
  job: Job,
  options: {
    onPacket?: OnPacket;
    limit?: number;
    tree?: boolean;
    traffic?: Traffic;
    build?: Build;
    image?: Image;
    hashKey?: HashKey;
  } = {},
): Promise<Session> {
  const { build, image = compile(job, options), ...rest } = options;
  return new EngineReplay(await openImage(image, { wasm: await engineModule(build), ...rest }, job.packets), job.sets);
}
