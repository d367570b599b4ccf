/** The engine as a witness: a job in, a session that eats captures and answers with the common result. */
import { type CompileOptions, compile } from '../compile/index.ts';
import type { Job } from '../model/witness.ts';
import { type OpenOptions, openImage } from './open.ts';
import type { EngineSession } from './session.ts';

export type { CaptureEnding } from './capture-log.ts';
export type { HashKey } from './connections.ts';
export { ImageError, type ImageFault } from './image-error.ts';
export { readImage } from './image-view.ts';
export { compileModule, sharedMemory } from './loader.ts';
export { openImage } from './open.ts';
export { EngineError } from './regions.ts';
export type { EngineSession, Share } from './session.ts';

export type EngineOptions = CompileOptions & OpenOptions;

/** Compiles the job's rules and starts an engine of its own for them. Throws RuleError, WalkError, ImageError. */
export async function createEngine(job: Job, options: EngineOptions): Promise<EngineSession> {
  return openImage(compile(job, options), options, job.packets);
}
