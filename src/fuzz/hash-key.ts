/** The key of the hash of connections, drawn from the case: seed and path, or the folder of a case, repeat the very same run. */
import type { HashKey } from '../engine/index.ts';
import type { Job } from '../model/witness.ts';
import { Xxh64 } from '../replay/xxh64.ts';
import { printSave } from '../syntax/index.ts';

const keys = new WeakMap<Job, HashKey>();

/** Of the rules, as they are printed: another key for other rules, the same for all engines, and for a case of which only packets were taken away. */
export function hashKeyOf(job: Job): HashKey {
  const known = keys.get(job);
  if (known !== undefined) return known;
  const digest = new Xxh64();
  for (const set of Object.values(job.rules)) digest.take(new TextEncoder().encode(printSave(set, { counters: false })));
  const words = digest.hex();
  const key: HashKey = [Number.parseInt(words.slice(8), 16), Number.parseInt(words.slice(0, 8), 16)];
  keys.set(job, key);
  return key;
}
