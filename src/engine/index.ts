/** The engine as a witness: a job in, a session that eats captures and answers with the common result. */
import { type CompileOptions, compile, type Image } from '../compile/index.ts';
import type { Job, OnPacket } from '../model/witness.ts';
import type { HashKey } from './connections.ts';
import { loadEngine, type WasmSource } from './loader.ts';
import { EngineSession, type Share } from './session.ts';

export type { HashKey } from './connections.ts';
export { ImageError, type ImageFault } from './image-error.ts';
export { readImage } from './image-view.ts';
export { compileModule } from './loader.ts';
export { type CaptureEnding, EngineError, type EngineSession, type Share } from './session.ts';

export interface EngineOptions extends CompileOptions {
  /** build/engine.wasm, or a module compiled from it. */
  wasm: WasmSource;
  /** Called for every packet in order; slower. The paths come with job.packets.path. */
  onPacket?: OnPacket;
  /** Packets at most, over all captures. */
  limit?: number;
  /** Only a share of the packets is judged. */
  share?: Share;
  /** The key of the hash of connections, two u32; drawn when not given, so that no capture can be made to collide. With one, a run can be repeated bucket by bucket. */
  hashKey?: HashKey;
}

/** Compiles the job's rules and starts an engine of its own for them. Throws RuleError, WalkError, ImageError. */
export async function createEngine(job: Job, options: EngineOptions): Promise<EngineSession> {
  return openImage(compile(job, options), options, job.packets);
}

/** Starts an engine for an image that was compiled before. */
export async function openImage(
  image: Image,
  options: Pick<EngineOptions, 'wasm' | 'onPacket' | 'limit' | 'share' | 'hashKey'>,
  packets: Job['packets'],
): Promise<EngineSession> {
  const engine = await loadEngine(options.wasm);
  const { onPacket, limit, share, hashKey } = options;
  return new EngineSession(engine, image, {
    path: packets?.path ?? false,
    bytes: packets?.bytes ?? false,
    logs: packets?.logs ?? false,
    ...(onPacket && { onPacket }),
    ...(limit !== undefined && { limit }),
    ...(share && { share }),
    ...(hashKey && { hashKey }),
  });
}
