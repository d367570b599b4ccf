/** The witnesses the kernel is compared with: the reference, and the engine's builds, with its tree and rule by rule. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEngine } from '../../src/engine/index.ts';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { createReference } from '../../src/reference/index.ts';
import type { Witness } from './differential.ts';
import { stampedCapture } from './stamped.ts';

export const REFERENCE: Witness = {
  name: 'reference',
  async replay(job, frames) {
    const outcomes: PacketOutcome[] = [];
    const reference = createReference(job, (outcome) => outcomes.push(outcome));
    reference.startCapture('frames');
    for (const frame of frames) reference.frame(frame);
    reference.endCapture();
    return { result: reference.result(), outcomes, memory: reference };
  },
};

/** Where the engine's modules lie; another folder judges another build. */
const BUILD = process.env.WASMTABLES_BUILD ?? 'build';

/** The engine; `tree` false evaluates rule by rule. */
export function engineWitness(name: string, file: string, tree: boolean): Witness {
  let wasm: Uint8Array | undefined;
  return {
    name,
    async replay(job, frames) {
      const outcomes: PacketOutcome[] = [];
      wasm ??= readFileSync(join(BUILD, file));
      const session = await createEngine(job, {
        wasm,
        tree,
        onPacket: (outcome) => outcomes.push(outcome),
        hashKey: hashKeyOf(job),
      });
      session.startCapture('frames');
      session.feed(stampedCapture(frames));
      const info = session.endCapture();
      if (info.damage !== undefined) throw new Error(`${name}: damaged at ${info.damage.offset}: ${info.damage.reason}`);
      return { result: session.result(), outcomes, memory: session };
    },
  };
}

function engines(): Witness[] {
  const missing = ['engine.wasm', 'engine.debug.wasm'].filter((file) => !existsSync(join(BUILD, file)));
  if (missing.length > 0) {
    if (process.env.CI === 'true') throw new Error(`build the engine first: ${missing.join(', ')} missing`);
    console.warn(`the engine is left out: ${missing.join(', ')} missing (npm run build)`);
    return [];
  }
  return [
    engineWitness('engine', 'engine.wasm', true),
    engineWitness('engine debug', 'engine.debug.wasm', true),
    engineWitness('engine linear', 'engine.wasm', false),
  ];
}

export const WITNESSES: readonly Witness[] = [REFERENCE, ...engines()];
