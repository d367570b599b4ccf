/** --jobs: the other threads of a replay. */
import type { Worker } from 'node:worker_threads';
import type { Profile } from '../model/profile.ts';
import { isReadOnce } from '../replay/open.ts';
import type { Threads } from '../replay/parallel.ts';
import type { Pipeline } from '../replay/pipeline.ts';
import { whyNotShared } from '../replay/shares.ts';
import { type DumpOptions, wholeDump } from './dumps.ts';
import { UsageError } from './exit.ts';
import type { DualRules } from './rules.ts';

/** What decides whether there can be several. */
interface Asked extends DumpOptions {
  jobs: number;
  engine: 'wasm' | 'reference';
  write?: string;
  verdicts?: string;
  log?: string;
}

/** What several threads cannot do. */
export function checkThreads(
  { write, engine, jobs, ...asked }: Asked,
  captures: readonly string[],
  rules: readonly DualRules[],
  profile: Profile,
): void {
  const refused = (why: string, hint = 'leave --jobs out'): UsageError => new UsageError(`--jobs: ${why}; ${hint}`);
  if (engine !== 'wasm') throw refused('the interpreter works in one thread');
  if (write !== undefined) throw refused('--write has packets in their order');
  if (rules.length > 1) throw refused('rule sets are compared packet by packet');
  if (captures.some(isReadOnce)) throw refused('a thread of its own reads the captures, and a pipe is read by this one');
  if (jobs === 2) return;
  // They read the captures each for itself, and tell sums.
  const two = 'two threads do it (--jobs 2)';
  if (asked.verdicts !== undefined) throw refused('--verdicts tells packets in their order', two);
  if (asked.log !== undefined) throw refused('--log tells packets in their order', two);
  const dumped = wholeDump(asked);
  if (dumped !== undefined) throw refused(`--${dumped} tells what all packets did together`, two);
  const why = whyNotShared(rules[0]!, profile);
  if (why !== undefined) throw refused(why, two);
}

/** The other threads of a replay, as soon as it is known that there are to be some. */
export async function startThreads(jobs: number, thread: Worker | undefined): Promise<Threads | Pipeline> {
  if (jobs === 2) return new (await import('../replay/pipeline.ts')).Pipeline(thread);
  return new (await import('../replay/parallel.ts')).Threads(jobs, thread);
}
