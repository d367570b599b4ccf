/** A thread of a replay by several, other than the one that started it: it reads for one that judges (pipeline-reader.ts), or judges a share (share-thread.ts). */
import { parentPort } from 'node:worker_threads';
import type { ToWorker } from './parallel.ts';
import { PipelineReader, type ToReader } from './pipeline-reader.ts';
import { ShareThread } from './share-thread.ts';

const port = parentPort!;

/** It is what the first message makes it. */
port.once('message', (first: ToReader | ToWorker) => {
  if (first.kind === 'join') listen<ToReader>(new PipelineReader(port), first);
  else listen<ToWorker>(new ShareThread(port), first as ToWorker);
});

function listen<T>(thread: { hear(message: T): Promise<void> }, first: T): void {
  port.on('message', (message: T) => void thread.hear(message));
  void thread.hear(first);
}
