/** One thread of a shared replay (parallel.ts): reads all captures and judges its share. */
import { parentPort } from 'node:worker_threads';
import { type EngineReplay, sharedSession } from './engine-replay.ts';
import type { FromWorker, ShareTask, ToWorker } from './parallel.ts';
import { run } from './run.ts';

const port = parentPort!;
const tell = (message: FromWorker): void => port.postMessage(message);

async function judge(session: EngineReplay, { captures, share, limit, connections }: ShareTask): Promise<void> {
  const outcome = await run(captures, session, {
    connections,
    ...(limit !== undefined && { limit }),
    ...(share.index === 0 && { onProgress: (read, size, file) => tell({ kind: 'progress', read, size, file }) }),
  });
  tell({ kind: 'done', outcome, exact: session.shareIsExact() });
  port.close();
}

/** Asked to stop: all threads stop at the packet that the fastest of them has come to. Nothing is read until it is known. */
function stopTogether(session: EngineReplay, halt: SharedArrayBuffer): void {
  tell({ kind: 'at', packets: session.packets() });
  Atomics.wait(new Int32Array(halt, 0, 1), 0, 0);
  session.setLimit(new Float64Array(halt, 8, 1)[0]!);
}

let began: { session: EngineReplay; halt: SharedArrayBuffer } | undefined;
let stops = false;

port.on('message', async (message: ToWorker) => {
  if (message === 'stop') {
    stops = true;
    if (began !== undefined) stopTogether(began.session, began.halt);
    return;
  }
  const { image, wasm, share, limit, halt } = message;
  const session = await sharedSession(image, wasm, share, limit === undefined ? {} : { limit });
  began = { session, halt };
  if (stops) stopTogether(session, halt);
  await judge(session, message);
});
