/** A thread of a shared replay (parallel.ts), other than the one that started it. */
import { parentPort } from 'node:worker_threads';
import { sharedSession } from './engine-replay.ts';
import { CaptureOpenError } from './open.ts';
import type { FromWorker, ShareTask, ToWorker } from './parallel.ts';
import { runShare } from './share.ts';

const port = parentPort!;
const tell = (message: FromWorker): void => port.postMessage(message);

let isStopped = false;
let onLimit = (_packets: number): void => {};
const limited = new Promise<number>((resolve) => {
  onLimit = resolve;
});

async function judge({ captures, image, wasm, share, ...options }: ShareTask): Promise<void> {
  const session = await sharedSession(image, wasm, share, options);
  const stop = {
    asked: () => isStopped,
    agree: (packets: number) => {
      tell({ kind: 'at', packets });
      return limited;
    },
  };
  try {
    tell({ kind: 'done', ...(await runShare(captures, session, stop, options)) });
  } catch (error) {
    if (!(error instanceof CaptureOpenError)) throw error;
    tell({ kind: 'unread', message: error.message });
  }
  port.close();
}

port.on('message', async (message: ToWorker) => {
  if (message.kind === 'task') await judge(message);
  else if (message.kind === 'stop') isStopped = true;
  else onLimit(message.packets);
});
