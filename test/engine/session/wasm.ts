/** The engine's builds, made when the sources are newer than what lies in build/. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = new URL('../../../', import.meta.url).pathname;

export type Target = 'release' | 'debug' | 'scalar';
/** Those that most tests run on: scalar differs only where SIMD is. */
export const TARGETS: readonly Target[] = ['release', 'debug'];

/** The bytes of build/engine.wasm, build/engine.debug.wasm or build/engine.scalar.wasm. */
export function engineWasm(target: Target): Uint8Array<ArrayBuffer> {
  const file = join(ROOT, 'build', target === 'release' ? 'engine.wasm' : `engine.${target}.wasm`);
  const newest = Math.max(
    newestIn(join(ROOT, 'assembly')),
    newestIn(join(ROOT, 'src/abi')),
    statSync(join(ROOT, 'asconfig.json')).mtimeMs,
  );
  if (!existsSync(file) || statSync(file).mtimeMs < newest) {
    mkdirSync(join(ROOT, 'build'), { recursive: true });
    const fresh = `build/engine.${target}.${process.pid}.wasm`;
    const asc = join(ROOT, 'node_modules/assemblyscript/bin/asc.js');
    execFileSync(process.execPath, [asc, '--config', 'asconfig.json', '--target', target, '-o', fresh], {
      cwd: ROOT,
      stdio: 'pipe',
    });
    renameSync(join(ROOT, fresh), file);
  }
  return new Uint8Array(readFileSync(file));
}

/** The same, compiled once. (The project's TypeScript library does not know WebAssembly.) */
export function engineModule(target: Target): object {
  const { Module } = Reflect.get(globalThis, 'WebAssembly') as { Module: new (bytes: Uint8Array) => object };
  return new Module(engineWasm(target));
}

function newestIn(folder: string): number {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    newest = Math.max(newest, entry.isDirectory() ? newestIn(path) : statSync(path).mtimeMs);
  }
  return newest;
}
