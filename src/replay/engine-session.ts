/** The engine as a session: the module is read from the package, captures go straight into its memory. Node only. */
import type { Image } from '../compile/index.ts';
import type { Traffic } from '../compile/traffic.ts';
import { type HashKey, openImage } from '../engine/index.ts';
import type { Job, OnPacket } from '../model/witness.ts';
import { compiled } from './compiled.ts';
import { type Build, engineModule } from './engine-module.ts';
import { EngineReplay } from './engine-replay.ts';
import type { Session } from './session.ts';

export { type Build, engineModule } from './engine-module.ts';

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
  const { build, image = await compiled(job, options), ...rest } = options;
  return new EngineReplay(await openImage(image, { wasm: await engineModule(build), ...rest }, job.packets), job.sets);
}
