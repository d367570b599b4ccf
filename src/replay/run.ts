/** The loop of a replay: captures, one after the other, into a session. Node only. */
import { CaptureReader, type Damage, type OnFrame } from '../capture/frames.ts';
import type { IpSet } from '../model/ipset.ts';
import type { ConntrackEntry, ConntrackExpectation } from '../model/outcome.ts';
import type { HashlimitTable, RecentTable } from '../model/proc-tables.ts';
import type { CaptureInfo, ReplayResult } from '../model/witness.ts';
import { CaptureOpenError, nameOf, openPlain, type PlainFile, readChunks } from './open.ts';
import type { Session } from './session.ts';

export interface RunOptions {
  /** Called now and then: bytes read of the current file, its size (undefined when nobody knows), its name. */
  onProgress?: (read: number, size: number | undefined, file: string) => void;
  /** Told every frame before it is judged, and perhaps some behind the last that is. Its bytes may change after the call. */
  onFrame?: OnFrame;
  /** Aborted: the replay ends with what was judged so far. */
  signal?: AbortSignal;
  /** What was read ahead (to guess the host) of standard input or a pipe: given before the rest of it. */
  ahead?: ReadAhead;
  /** Tell the connections and expectations at the end. */
  connections?: boolean;
  /** Tell the sets of ipset at the end. */
  sets?: boolean;
  /** Tell the lists of recent at the end. */
  recent?: boolean;
  /** Tell the tables of hashlimit at the end. */
  hashlimit?: boolean;
  /** Packets at most, over all captures; the session stops by itself, here it ends the list of captures. Looked at before every one: it may be lowered on the way. */
  limit?: number;
  /** Called now and then, while the event loop has its turn anyway; nothing is read until it is through. */
  onTurn?: () => Promise<void>;
  /** Called behind every piece that was read and judged; nothing is read until it is through. undefined: at once. */
  onPiece?: () => Promise<void> | undefined;
}

/** What was already taken from a stream that cannot be read twice. */
export interface ReadAhead {
  path: string;
  chunks: readonly Uint8Array[];
  rest: ChunkSource;
}

export interface RunOutcome {
  result: ReplayResult;
  /** Seconds of reading and judging. */
  seconds: number;
  damaged: boolean;
  /** The signal came before all was read. */
  interrupted?: boolean;
  /** When they were asked for: those that live at the time of the last packet. */
  connections?: ConntrackEntry[];
  expectations?: ConntrackExpectation[];
  /** When they were asked for: as they are then. */
  sets?: IpSet[];
  recent?: RecentTable[];
  hashlimit?: HashlimitTable[];
  /** Packets for which the decision tree was cut; undefined: for what is expected, or there is none. */
  sampled?: number;
}

/** Milliseconds of work before the event loop gets its turn (signals, progress). */
const TURN = 100;

/** The event loop's turns, over all captures: there may be many small ones. */
export class Turns {
  #last = Date.now();

  due(): boolean {
    return Date.now() - this.#last >= TURN;
  }

  async take(options: Pick<RunOptions, 'onTurn'> = {}): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    await options.onTurn?.();
    this.#last = Date.now();
  }
}

/** What captures are read into: a session, or what reads for one in another thread. */
export type Sink = Pick<Session, 'startCapture' | 'feed' | 'inputBuffer' | 'advance' | 'done' | 'endCapture'>;

/** Replays the captures in order. Damage inside a file is in the result, and so is what could not be opened, or be read to its end. */
export async function run(paths: readonly string[], session: Session, options: RunOptions = {}): Promise<RunOutcome> {
  const start = process.hrtime.bigint();
  const ended = await readCaptures(paths, session, options);
  return outcomeOf(session, start, ended, options);
}

/** How the reading of captures ended: one of them is damaged; a signal came before all was read. */
export interface ReadOutcome {
  damaged: boolean;
  interrupted: boolean;
}

/** Reads the captures in order, as `run`. */
export async function readCaptures(paths: readonly string[], sink: Sink, options: RunOptions): Promise<ReadOutcome> {
  let damaged = false;
  let interrupted = false;
  const turns = new Turns();
  let packets = 0;
  for (const [index, path] of paths.entries()) {
    if (turns.due()) await turns.take(options);
    if (packets >= (options.limit ?? Number.POSITIVE_INFINITY)) break;
    // What was read ahead was read before the interrupt: it counts.
    interrupted ||= options.signal?.aborted === true && path !== options.ahead?.path;
    if (interrupted) break;
    const ended = await one(path, sink, turns, options, index === paths.length - 1);
    damaged ||= ended.info.damage !== undefined;
    interrupted = ended.interrupted;
    packets += ended.info.packets;
  }
  return { damaged, interrupted };
}

/** What a session that has judged everything says. `start`: of hrtime. */
export function outcomeOf(
  session: Session,
  start: bigint,
  { damaged, interrupted }: ReadOutcome,
  options: Pick<RunOptions, 'connections' | 'sets' | 'recent' | 'hashlimit'>,
): RunOutcome {
  const result = session.result();
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  return {
    result,
    seconds,
    damaged,
    ...(interrupted && { interrupted }),
    ...(options.connections === true ? { connections: session.connections(), expectations: session.expectations() } : {}),
    ...(options.sets === true ? { sets: session.sets() } : {}),
    ...(options.recent === true ? { recent: session.recent() } : {}),
    ...(options.hashlimit === true ? { hashlimit: session.hashlimit() } : {}),
  };
}

/** How the reading of a capture ended. */
interface Ended {
  info: CaptureInfo;
  interrupted: boolean;
}

const wholly = (info: CaptureInfo): Ended => ({ info, interrupted: false });

/** A capture that is read. */
interface Reading {
  path: string;
  session: Sink;
  turns: Turns;
  options: RunOptions;
  /** Behind it there is nothing. */
  isLast: boolean;
  /** Bytes of it, unpacked, that the witness was given. */
  read: number;
}

async function one(path: string, session: Sink, turns: Turns, options: RunOptions, isLast: boolean): Promise<Ended> {
  session.startCapture(nameOf(path));
  const reading = { path, session, turns, options, isLast, read: 0 };
  let plain: PlainFile | undefined;
  try {
    plain = openPlain(path);
    return await (plain === undefined ? stream(reading) : wholeFile(reading, plain));
  } catch (error) {
    if (!(error instanceof CaptureOpenError)) throw error;
    return wholly(session.endCapture({ damage: { offset: reading.read, reason: error.reason, unread: true } }));
  } finally {
    plain?.close();
  }
}

/** The plain reader beside the witness, where frames are asked for. */
const frameTeller = ({ onFrame }: RunOptions): CaptureReader | undefined =>
  onFrame === undefined ? undefined : new CaptureReader(onFrame);

async function stream(reading: Reading): Promise<Ended> {
  const { path, session, turns, options } = reading;
  const ahead = options.ahead?.path === path ? options.ahead : undefined;
  const told = frameTeller(options);
  const take = (chunk: Uint8Array): void => {
    told?.push(chunk);
    session.feed(chunk);
    reading.read += chunk.length;
  };
  for (const chunk of ahead?.chunks ?? []) take(chunk);
  const source = ahead?.rest ?? new ChunkSource(path);
  try {
    while (!session.done()) {
      const next = await source.next(options.signal);
      if (next === 'aborted') return { info: session.endCapture({ stopped: true }), interrupted: true };
      if (next.done === true) return wholly(session.endCapture(next.value === undefined ? {} : { damage: next.value }));
      take(next.value);
      options.onProgress?.(reading.read, undefined, path);
      await options.onPiece?.();
      if (turns.due()) await turns.take(options);
    }
    return wholly(session.endCapture({ stopped: true }));
  } finally {
    source.close();
  }
}

/** Everything is read, payloads nobody looks at too: a call for each header alone costs as much as reading 9 KB, and conntrack sums payloads up unless nf_conntrack_checksum is 0. */
async function wholeFile(reading: Reading, file: PlainFile): Promise<Ended> {
  const { path, session, turns, options } = reading;
  const pieces = new Pieces(reading, file);
  for (;;) {
    const waits = pieces.read();
    if (waits === 'end') return wholly(session.endCapture());
    if (waits === 'done') return wholly(session.endCapture({ stopped: true }));
    if (waits !== undefined) await waits;
    // At the end of all there is nothing left to interrupt.
    if (!turns.due() || (reading.isLast && reading.read === file.size)) continue;
    options.onProgress?.(reading.read, file.size, path);
    await turns.take(options);
    if (options.signal?.aborted === true) {
      const interrupted = !session.done();
      return { info: session.endCapture({ stopped: true }), interrupted };
    }
  }
}

/** Pieces of a plain file. What is done a piece is kept apart from what waits: V8 compiles it sooner, and once. */
class Pieces {
  readonly #reading: Reading;
  readonly #file: PlainFile;
  readonly #own: Uint8Array | undefined;
  readonly #told: CaptureReader | undefined;

  constructor(reading: Reading, file: PlainFile) {
    this.#reading = reading;
    this.#file = file;
    this.#own = reading.session.inputBuffer === undefined ? new Uint8Array(1 << 20) : undefined;
    this.#told = frameTeller(reading.options);
  }

  /** Reads pieces and has them judged until there are none, nothing further is wanted, or something is to be waited for: that, or undefined where a turn is due. */
  read(): Promise<void> | 'end' | 'done' | undefined {
    const { session, turns, options } = this.#reading;
    while (!session.done()) {
      if (!this.#one(session)) return 'end';
      const waits = options.onPiece?.();
      if (waits !== undefined) return waits;
      if (turns.due()) return undefined;
    }
    return 'done';
  }

  /** False: there is no more. */
  #one(session: Sink): boolean {
    const buffer = this.#own ?? session.inputBuffer!();
    const bytes = this.#file.read(buffer);
    if (bytes === 0) return false;
    // A copy: the reader may keep a part of it, and the memory is the witness's.
    this.#told?.push(buffer.slice(0, bytes));
    if (this.#own === undefined) session.advance!(bytes);
    else session.feed(this.#own.slice(0, bytes));
    this.#reading.read += bytes;
    return true;
  }
}

type Step = IteratorResult<Uint8Array, Damage | undefined>;

/** The chunks of a stream, waited for no longer than until a signal is aborted: a pipe may be silent for hours. */
export class ChunkSource {
  readonly #chunks: AsyncGenerator<Uint8Array, Damage | undefined>;
  readonly #close: AbortController;
  /** The end is remembered: who asks again is told the same (a generator tells its return value once). */
  #ended: Step | undefined;
  /** A step that was not waited for to its end: who asks again gets it. */
  #under: Promise<Step> | undefined;

  constructor(path: string) {
    this.#close = new AbortController();
    this.#chunks = readChunks(path, this.#close.signal);
  }

  /** All of it was given. */
  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** @throws CaptureOpenError. */
  async next(signal?: AbortSignal): Promise<Step | 'aborted'> {
    if (this.#ended !== undefined) return this.#ended;
    if (signal?.aborted === true) return 'aborted';
    this.#under ??= this.#chunks.next();
    const step = await this.#wait(this.#under, signal);
    if (step === 'aborted') return step;
    this.#under = undefined;
    if (step.done === true) this.#ended = step;
    return step;
  }

  async #wait(step: Promise<Step>, signal: AbortSignal | undefined): Promise<Step | 'aborted'> {
    if (signal === undefined) return step;
    let onAbort = (): void => {};
    const aborted = new Promise<'aborted'>((resolve) => {
      onAbort = () => resolve('aborted');
      signal.addEventListener('abort', onAbort);
    });
    try {
      return await Promise.race([step, aborted]);
    } finally {
      signal.removeEventListener('abort', onAbort);
      // A step nobody waits for any more fails when the stream is closed.
      step.catch(() => {});
    }
  }

  /** Gives the file or pipe back, also while a step is under way. */
  close(): void {
    this.#close.abort();
  }
}
