/** The module of the engine, read from the package. Node only. */
import { readFileSync } from 'node:fs';
import { compileModule } from '../engine/loader.ts';

/** The builds of the engine; they answer alike. `threads` wants a memory (pipeline.ts). */
export type Build = 'release' | 'debug' | 'scalar' | 'threads';

const FILES: Record<Build, string> = {
  release: '../../build/engine.wasm',
  debug: '../../build/engine.debug.wasm',
  scalar: '../../build/engine.scalar.wasm',
  threads: '../../build/engine.threads.wasm',
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
