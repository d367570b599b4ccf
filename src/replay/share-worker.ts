/** One thread of a shared replay (parallel.ts): reads all captures and judges its share. */
import { parentPort, workerData } from 'node:worker_threads';
import { sharedSession } from './engine-session.ts';
import type { FromWorker, ShareTask } from './parallel.ts';
import { run } from './run.ts';

const { captures, image, wasm, share, limit, connections, halt } = workerData as ShareTask;
const port = parentPort!;
const tell = (message: FromWorker): void => port.postMessage(message);
const session = await sharedSession(image, wasm, share, limit === undefined ? {} : { limit });

// Asked to stop: all threads stop at the packet that the fastest of them has come to. Nothing is read until it is known.
port.once('message', () => {
  tell({ kind: 'at', packets: session.packets() });
  Atomics.wait(new Int32Array(halt, 0, 1), 0, 0);
  session.setLimit(new Float64Array(halt, 8, 1)[0]!);
});

const outcome = await run(captures, session, {
  connections,
  ...(limit !== undefined && { limit }),
  ...(share.index === 0 && { onProgress: (read, size, file) => tell({ kind: 'progress', read, size, file }) }),
});
tell({ kind: 'done', outcome, exact: session.shareIsExact() });
port.close();
