/** A run on several processors: the command is started again for every share, and tells what each batch brought. */
import { fork } from 'node:child_process';
import type { News } from './run.ts';

/** What a worker sends: news, or why it ends. */
export type Message = { news: News } | { failed: string; code: number };

/** A worker ended other than it should. */
export class WorkerFailed extends Error {
  override readonly name = 'WorkerFailed';
  readonly code: number;

  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

/** True in a process that `runWorkers` started. */
export const isWorker = (): boolean => process.send !== undefined && process.env[MARK] === '1';

/** So that a program that happens to start wasmtables with a channel is not taken for a parent. */
const MARK = 'WASMTABLES_FUZZ_WORKER';

export function tell(message: Message): void {
  process.send?.(message);
}

/**
 * Starts this program again for every share, `words` with `--share I/OF` behind them; resolves when all ended. Aborting `signal` lets each end its batch. Rejects with WorkerFailed when one fails;
 * the others are stopped then.
 */
export async function runWorkers(
  words: readonly string[],
  jobs: number,
  onNews: (news: News) => void,
  signal: AbortSignal,
): Promise<void> {
  const failure = new AbortController();
  const stop = AbortSignal.any([signal, failure.signal]);
  const ends = Array.from({ length: jobs }, (_, index) => worker([...words, '--share', `${index}/${jobs}`], onNews, stop));
  for (const end of ends) end.catch(() => failure.abort());
  const [bad] = (await Promise.allSettled(ends)).flatMap((end) => (end.status === 'rejected' ? [end.reason as Error] : []));
  if (bad !== undefined) throw bad;
}

function worker(words: readonly string[], onNews: (news: News) => void, stop: AbortSignal): Promise<void> {
  const child = fork(process.argv[1]!, [...words], {
    env: { ...process.env, [MARK]: '1' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const onStop = (): void => {
    if (child.connected) child.send('stop');
  };
  stop.addEventListener('abort', onStop);
  let failed: WorkerFailed | undefined;
  child.on('message', (message: Message) => {
    if ('news' in message) onNews(message.news);
    else failed = new WorkerFailed(message.failed, message.code);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      stop.removeEventListener('abort', onStop);
      if (failed === undefined && code === 0) resolve();
      else reject(failed ?? new WorkerFailed(`a worker ended with ${signal ?? `exit ${code}`}`, 70));
    });
  });
}

/** In a worker: runs `onStop` when the parent wants it, or is gone. */
export function whenStopped(onStop: () => void): void {
  process.on('message', onStop);
  process.on('disconnect', onStop);
  // The channel alone keeps no worker alive.
  process.channel?.unref();
}
