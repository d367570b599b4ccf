/** Where data of a replay goes: a file, or standard output. */
import { closeSync, openSync, writeSync } from 'node:fs';

const STANDARD_OUTPUT = 1;
/** Milliseconds to wait for a full pipe to be read. */
const PIPE_WAIT = 5;

function opened(option: string, path: string): number {
  try {
    return openSync(path, 'w');
  } catch (error) {
    throw Object.assign(error as Error, { option });
  }
}

/** A file of bytes, or standard output for `-`. Writes are synchronous: the engine does not wait for callbacks. */
export class ByteFile {
  readonly #option: string;
  readonly #path: string;
  readonly #descriptor: number;
  readonly #onUnread: () => void;
  #unread = false;

  /**
   * `option`: whose file it is (`--log`), for errors. `onUnread` is told when nobody reads any more (`| head`): the bytes to come are dropped.
   * @throws a system error when the file cannot be made.
   */
  constructor(option: string, path: string, onUnread: () => void) {
    this.#option = option;
    this.#path = path === '-' ? 'standard output' : path;
    this.#descriptor = path === '-' ? STANDARD_OUTPUT : opened(option, path);
    this.#onUnread = onUnread;
  }

  /** @throws a system error, with option and path, where they cannot be written. */
  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.#unread; ) at += this.#put(bytes, at);
  }

  close(): void {
    if (this.#descriptor !== STANDARD_OUTPUT) closeSync(this.#descriptor);
  }

  #put(bytes: Uint8Array, at: number): number {
    try {
      return writeSync(this.#descriptor, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN') {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PIPE_WAIT);
        return 0;
      }
      if (code !== 'EPIPE') throw Object.assign(error as Error, { option: this.#option, path: this.#path });
      this.#unread = true;
      this.#onUnread();
      return 0;
    }
  }
}
