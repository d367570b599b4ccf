/** The witnesses the kernel is compared with: the reference, and the engine's builds, with its tree and rule by rule. */
import { existsSync } from 'node:fs';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { createReference } from '../../src/reference/index.ts';
import { type Build, engineSession } from '../../src/replay/engine-session.ts';
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
    return { result: reference.result(), outcomes };
  },
};

/** The engine; `tree` false evaluates rule by rule. */
export function engineWitness(name: string, build: Build, tree: boolean): Witness {
  return {
    name,
    async replay(job, frames) {
      const outcomes: PacketOutcome[] = [];
      const session = await engineSession(job, { build, tree, onPacket: (outcome) => outcomes.push(outcome) });
      session.startCapture('frames');
      session.feed(stampedCapture(frames));
      const info = session.endCapture();
      if (info.damage !== undefined) throw new Error(`${name}: damaged at ${info.damage.offset}: ${info.damage.reason}`);
      return { result: session.result(), outcomes };
    },
  };
}

function engines(): Witness[] {
  const files = ['build/engine.wasm', 'build/engine.debug.wasm'];
  const missing = files.filter((file) => !existsSync(file));
  if (missing.length > 0) {
    if (process.env.CI === 'true') throw new Error(`build the engine first: ${missing.join(', ')} missing`);
    console.warn(`the engine is left out: ${missing.join(', ')} missing (npm run build)`);
    return [];
  }
  return [
    engineWitness('engine', 'release', true),
    engineWitness('engine debug', 'debug', true),
    engineWitness('engine linear', 'release', false),
  ];
}

export const WITNESSES: readonly Witness[] = [REFERENCE, ...engines()];
