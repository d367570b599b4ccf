/** A thread of a shared replay (parallel.ts), other than the one that started it. */
import type { MessagePort } from 'node:worker_threads';
import { sharedSession } from './engine-replay.ts';
import { Pace } from './pace.ts';
import type { FromWorker, ShareTask, ToWorker } from './parallel.ts';
import { runShare } from './share.ts';

export class ShareThread {
  readonly #port: MessagePort;
  #isStopped = false;
  #onLimit = (_packets: number | undefined): void => {};
  readonly #limited = new Promise<number | undefined>((resolve) => {
    this.#onLimit = resolve;
  });

  constructor(port: MessagePort) {
    this.#port = port;
  }

  async hear(message: ToWorker): Promise<void> {
    if (message.kind === 'task') await this.#judge(message);
    else if (message.kind === 'stop') this.#isStopped = true;
    else this.#onLimit(message.packets);
  }

  #tell(message: FromWorker): void {
    this.#port.postMessage(message);
  }

  async #judge({ captures, image, wasm, share, places, ...options }: ShareTask): Promise<void> {
    const session = await sharedSession(image, wasm, share, options);
    const stop = {
      asked: () => this.#isStopped,
      agree: (packets: number) => {
        this.#tell({ kind: 'at', packets });
        return this.#limited;
      },
    };
    this.#tell({ kind: 'done', ...(await runShare(captures, session, stop, new Pace(places, share.index), options)) });
    this.#port.close();
  }
}
