/** An engine for an image: all a thread needs that is given what another one compiled. */
import type { Image } from '../compile/index.ts';
import type { Job, OnPacket } from '../model/witness.ts';
import type { HashKey } from './connections.ts';
import { loadEngine, type WasmSource } from './loader.ts';
import { EngineSession, type Share } from './session.ts';

export interface OpenOptions {
  /** build/engine.wasm, or a module compiled from it. */
  wasm: WasmSource;
  /** Called for every packet in order, where the job asks for packets; slower. The paths come with job.packets.path. */
  onPacket?: OnPacket;
  /** Packets at most, over all captures. */
  limit?: number;
  /** Only a share of the packets is judged. */
  share?: Share;
  /** The key of the hash of connections, two u32; drawn when not given, so that no capture can be made to collide. With one, a run can be repeated bucket by bucket. */
  hashKey?: HashKey;
  /** Of engine.threads.wasm: a memory of threads, in which another engine reads for this one. */
  memory?: object;
}

/** Starts an engine for an image that was compiled before. */
export async function openImage(image: Image, options: OpenOptions, packets: Job['packets']): Promise<EngineSession> {
  const { wasm, memory, onPacket, limit, share, hashKey } = options;
  const engine = await loadEngine(wasm, memory);
  return new EngineSession(engine, image, {
    path: packets?.path ?? false,
    bytes: packets?.bytes ?? false,
    logs: packets?.logs ?? false,
    ...(packets && onPacket && { onPacket }),
    ...(limit !== undefined && { limit }),
    ...(share && { share }),
    ...(hashKey && { hashKey }),
    ...(memory && { pipeline: true }),
  });
}
