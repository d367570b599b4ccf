/** The engine's builds. None is older than its sources: scripts/fresh-engine.mjs sees to that before any test. */
import { readFileSync } from 'node:fs';

export type Target = 'release' | 'debug' | 'scalar';
/** Those that most tests run on: scalar differs only where SIMD is. */
export const TARGETS: readonly Target[] = ['release', 'debug'];

/** The bytes of build/engine.wasm, build/engine.debug.wasm or build/engine.scalar.wasm. */
export function engineWasm(target: Target): Uint8Array<ArrayBuffer> {
  const file = target === 'release' ? 'engine.wasm' : `engine.${target}.wasm`;
  return new Uint8Array(readFileSync(new URL(`../../../build/${file}`, import.meta.url)));
}

/** The same, compiled. (The project's TypeScript library does not know WebAssembly.) */
export function engineModule(target: Target): object {
  const { Module } = Reflect.get(globalThis, 'WebAssembly') as { Module: new (bytes: Uint8Array) => object };
  return new Module(engineWasm(target));
}
