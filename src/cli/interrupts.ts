/** Ctrl-C (SIGINT), SIGTERM and SIGHUP: what was judged by then is told; a second one ends the process at once. bin/wasmtables.js hears them from the first moment on. */
import { Script } from 'node:vm';
import { EXIT } from './exit.ts';
import { say } from './terminal.ts';

export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Milliseconds within which a second signal is the same: timeout(1) sends it to the process, and to its group. */
const SAME = 200;
/** And within which it comes, on a machine that is not very busy. */
const BETWEEN = 50;

/** Ended before there was anything to tell. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

export const NOTHING_JUDGED = 'wasmtables: interrupted before anything was judged';

/** What a signal does now. */
let onSignal = (): void => {
  say(NOTHING_JUDGED);
  process.exit(EXIT.interrupted);
};

/** A signal came. */
export const interrupted = (): void => onSignal();

/** From now on signals do nothing but `instead`. Returns what takes it back. */
export function hearSignals(instead: () => void): () => void {
  const before = onSignal;
  onSignal = instead;
  return () => {
    onSignal = before;
  };
}

/** Runs `work` with a signal that Ctrl-C, SIGTERM or SIGHUP aborts. A second one ends the process at once. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<{ value: T; interrupted: boolean }> {
  const controller = new AbortController();
  let first = 0;
  const done = hearSignals(() => {
    if (!controller.signal.aborted) {
      first = Date.now();
      controller.abort();
      // The system ends the process then, whatever it is busy with.
      setTimeout(leaveToTheSystem, SAME).unref();
    } else if (Date.now() - first >= SAME) process.exit(EXIT.interrupted);
  });
  try {
    const value = await work(controller.signal);
    // One that came while the work let nobody have a turn (the reference judges a whole piece of a capture at once) is heard now, and not behind the report.
    await new Promise((resolve) => setImmediate(resolve));
    // While Node leaves, signals are the system's: one that is the same has come by then.
    if (controller.signal.aborted) await new Promise((resolve) => setTimeout(resolve, Math.max(0, first + BETWEEN - Date.now())));
    return { value, interrupted: controller.signal.aborted };
  } finally {
    done();
  }
}

function leaveToTheSystem(): void {
  for (const signal of SIGNALS) process.removeAllListeners(signal);
}

/** Where work is while it can be broken off: a script of its own finds it there. */
const place = Symbol.for('wasmtables.work');

/**
 * Work that does not let the event loop have its turn, and loses nothing when it is broken off: Ctrl-C does so at once. What it does up to its first `await` is meant, if it is asynchronous.
 * `isLong`: it takes more than a moment; the other signals, which are heard behind it, end the process at once, too, as the system does.
 * @throws Interrupted; what `work` throws.
 */
export async function breakable<T>(work: () => T, isLong: boolean): Promise<Awaited<T>> {
  // Signals that came before are heard.
  await new Promise((resolve) => setImmediate(resolve));
  const hear = unheard(isLong ? ['SIGTERM', 'SIGHUP'] : []);
  const global = globalThis as { [place]?: () => T };
  global[place] = work;
  let begun: T;
  try {
    begun = new Script("globalThis[Symbol.for('wasmtables.work')]()").runInThisContext({ breakOnSigint: true }) as T;
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED' ? new Interrupted() : error;
  } finally {
    delete global[place];
    hear();
  }
  return await begun;
}

/** Nobody hears these signals until it is taken back. */
function unheard(signals: readonly NodeJS.Signals[]): () => void {
  const listeners = signals.flatMap((signal) => process.listeners(signal).map((listener) => ({ signal, listener })));
  for (const { signal, listener } of listeners) process.off(signal, listener);
  return () => {
    for (const { signal, listener } of listeners) process.on(signal, listener);
  };
}
