/** Opens named pipes; a file of its own, because it loads what Node has for networks. Node only. */
import { constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';

/** A named pipe, without waiting for its writer: a thread that waits in open() or read() could not be called back, and would keep the process alive. */
export const openPipe = (path: string): Readable =>
  new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false });
