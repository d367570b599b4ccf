/** --jobs: the other threads of a replay. */
import type { Worker } from 'node:worker_threads';
import type { Profile } from '../model/profile.ts';
import { isReadOnce } from '../replay/open.ts';
import type { Threads } from '../replay/parallel.ts';
import type { Pipeline } from '../replay/pipeline.ts';
import { whyNotShared } from '../replay/shares.ts';
import { areThreadsWorthwhile } from '../replay/worthwhile.ts';
import { type DumpOptions, wholeDump } from './dumps.ts';
import { UsageError } from './exit.ts';
import type { DualRules } from './rules.ts';

/** What decides whether there can be several. */
interface Asked extends DumpOptions {
  jobs: number;
  count?: number;
  engine: 'wasm' | 'reference';
  write?: string;
  verdicts?: string;
  log?: string;
}

/** The other threads of a replay by more than two begin to load before rules are read; of two, the one that has begun to (`thread`) is told later what it is to do. */
export async function startThreads(jobs: number, thread: Worker | undefined): Promise<Threads | undefined> {
  return jobs > 2 ? new (await import('../replay/parallel.ts')).Threads(jobs, thread) : undefined;
}

/**
 * Threads that share the packets, where the rules and what is asked for let them: they have nothing to say to each other. Two others are one that reads and one that judges, which is exact for all rules.
 * undefined: one thread is done sooner, for there is little to judge, or one core.
 * @throws UsageError where several threads cannot do it.
 */
export async function threadsFor(
  asked: Asked,
  captures: readonly string[],
  rules: readonly DualRules[],
  profile: Profile,
  started: Threads | undefined,
  thread: Worker | undefined,
): Promise<Threads | Pipeline | undefined> {
  const refused = (why: string, hint: string): UsageError => new UsageError(`--jobs: ${why}; ${hint}`);
  const never = whyOne(asked, captures, rules.length);
  if (never !== undefined) throw refused(never, 'leave --jobs out');
  const unshared = whyNotParted(asked) ?? whyNotShared(rules[0]!, profile);
  if (started !== undefined && unshared !== undefined) throw refused(unshared, 'two threads do it (--jobs 2)');
  const how = unshared === undefined ? 'shared' : 'read';
  if (!areAlwaysWanted() && !(await wouldGain(captures, rules[0]!, how, asked.count))) return undefined;
  if (unshared !== undefined) return new (await import('../replay/pipeline.ts')).Pipeline(thread);
  return started ?? new (await import('../replay/parallel.ts')).Threads(asked.jobs, thread);
}

async function wouldGain(...asked: Parameters<typeof areThreadsWorthwhile>): Promise<boolean> {
  const { coresThere } = await import('./cores.ts');
  return coresThere() > 1 && areThreadsWorthwhile(...asked);
}

/** Tests have several threads judge captures of some packets. */
const areAlwaysWanted = (): boolean => process.env.WASMTABLES_THREADS === 'always';

/** Why one thread has to do it all, or undefined. */
function whyOne({ engine, write }: Asked, captures: readonly string[], ruleSets: number): string | undefined {
  if (engine !== 'wasm') return 'the interpreter works in one thread';
  if (write !== undefined) return '--write is of frames as this thread reads them';
  if (ruleSets > 1) return 'rule sets are compared packet by packet';
  return captures.some(isReadOnce)
    ? 'another thread reads the captures, and what can be read once (a pipe, a device) this one reads'
    : undefined;
}

/** Why what is asked for cannot be told by threads that judge a share each, or undefined: they tell sums. */
function whyNotParted({ verdicts, log, ...dumps }: Asked): string | undefined {
  if (verdicts !== undefined) return '--verdicts tells packets in their order';
  if (log !== undefined) return '--log tells packets in their order';
  const dumped = wholeDump(dumps);
  return dumped === undefined ? undefined : `--${dumped} tells what all packets did together`;
}
