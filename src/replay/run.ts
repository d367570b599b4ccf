/** The loop of a replay: captures, one after the other, into a session. Node only. */
import type { CaptureInfo, ReplayResult } from '../model/witness.ts';
import { openPlain, readChunks } from './open.ts';
import type { Session } from './session.ts';

export interface RunOptions {
  /** Called now and then: bytes read of the current file, its size (undefined when nobody knows), its name. */
  onProgress?: (read: number, size: number | undefined, file: string) => void;
  /** Asked between chunks; true ends the replay with what was judged so far. */
  interrupted?: () => boolean;
  /** Standard input that was read ahead (to guess the host): given before the rest of `-`. */
  ahead?: ReadAhead;
}

/** What was already taken from a stream that cannot be read twice. */
export interface ReadAhead {
  chunks: readonly Uint8Array[];
  rest: AsyncGenerator<Uint8Array, CaptureInfo['damage'] | undefined>;
}

export interface RunOutcome {
  result: ReplayResult;
  /** Seconds of reading and judging. */
  seconds: number;
  damaged: boolean;
}

/** How much is read before the event loop gets its turn (signals, progress). */
const TURN = 32 * 1024 * 1024;

/**
 * Replays the captures in order.
 * @throws CaptureOpenError when a file cannot be opened; damage inside a file is in the result.
 */
export async function run(paths: readonly string[], session: Session, options: RunOptions = {}): Promise<RunOutcome> {
  const start = process.hrtime.bigint();
  let damaged = false;
  for (const path of paths) {
    if (options.interrupted?.() === true) break;
    const info = await one(path, session, options);
    damaged ||= info.damage !== undefined;
  }
  const result = session.result();
  return { result, seconds: Number(process.hrtime.bigint() - start) / 1e9, damaged };
}

async function one(path: string, session: Session, options: RunOptions): Promise<CaptureInfo> {
  const plain = openPlain(path);
  if (plain !== undefined) {
    try {
      return await wholeFile(path, plain, session, options);
    } finally {
      plain.close();
    }
  }
  session.startCapture(path === '-' ? 'standard input' : path);
  const ahead = path === '-' ? options.ahead : undefined;
  let read = 0;
  for (const chunk of ahead?.chunks ?? []) {
    read += chunk.length;
    session.feed(chunk);
  }
  const chunks = ahead?.rest ?? readChunks(path);
  while (!session.done() && options.interrupted?.() !== true) {
    const next = await chunks.next();
    if (next.done === true) return session.endCapture(next.value === undefined ? {} : { damage: next.value });
    read += next.value.length;
    session.feed(next.value);
    options.onProgress?.(read, undefined, path);
  }
  await chunks.return(undefined);
  return session.endCapture({ stopped: true });
}

async function wholeFile(
  path: string,
  file: { size: number; read(into: Uint8Array): number },
  session: Session,
  options: RunOptions,
): Promise<CaptureInfo> {
  session.startCapture(path);
  const own = session.inputBuffer === undefined ? new Uint8Array(1 << 20) : undefined;
  let read = 0;
  let turn = 0;
  let stopped = false;
  while (!session.done()) {
    const buffer = own ?? session.inputBuffer!();
    const bytes = file.read(buffer);
    if (bytes === 0) break;
    read += bytes;
    turn += bytes;
    if (own === undefined) session.advance!(bytes);
    else session.feed(own.slice(0, bytes));
    if (turn < TURN) continue;
    turn = 0;
    options.onProgress?.(read, file.size, path);
    await new Promise((resolve) => setImmediate(resolve));
    stopped = options.interrupted?.() === true;
    if (stopped) break;
  }
  return session.endCapture({ stopped: stopped || session.done() });
}
