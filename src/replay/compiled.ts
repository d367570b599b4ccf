/** The image of a job, compiled for a replay. Node only. */
import { type CompileInput, type CompileOptions, compile, type Image } from '../compile/index.ts';

/** As `compile`; trees are grown without haste (unhurried.ts). */
export async function compiled(job: CompileInput, options: CompileOptions): Promise<Image> {
  if (options.tree === false) return compile(job, options);
  const { unhurried } = await import('./unhurried.ts');
  return unhurried(() => compile(job, options));
}
