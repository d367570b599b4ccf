/** A whole replay: the host model (given or guessed), one witness, the captures. Node only. */
import { CaptureReader } from '../capture/frames.ts';
import { packetsOf } from '../compile/traffic.ts';
import type { Host } from '../model/host.ts';
import { buildHost, type HostGiven } from '../model/host-build.ts';
import { routedFamilies } from '../model/ip-route.ts';
import { translatesSources } from '../model/nat.ts';
import type { Family, RuleSet } from '../model/ruleset.ts';
import { sentOnNote } from '../model/vantage.ts';
import type { Frame, Job, OnPacket } from '../model/witness.ts';
import { engineSession } from './engine-session.ts';
import { HostGuess } from './guess.ts';
import { isNumberless, NumberedPackets } from './numberless.ts';
import { CaptureOpenError, isReadOnce, openPlain } from './open.ts';
import { ChunkSource, type ReadAhead, type RunOptions, type RunOutcome, run } from './run.ts';
import type { PacketSample } from './sample.ts';
import type { Session } from './session.ts';
import { lookAtVantage, VANTAGE_FRAMES } from './vantage.ts';

/** Captures with the host model they are judged under. */
export interface Prepared {
  captures: readonly string[];
  host: Host;
  /** What the first packets tell of where the captures were taken. */
  notes?: readonly string[];
  ahead?: ReadAhead;
  /** What the first packets are like. */
  sample?: PacketSample;
}

/** Bytes of a capture looked at to guess the host. */
const GUESS_BYTES = 4 * 1024 * 1024;
/** Of every frame: more than its headers. */
const GUESS_CAPTURED = 128;
/** Milliseconds that a pipe is waited for where only a sample is wanted. */
const PATIENCE = 500;
/** Bytes of it that are shown to the guess before it is asked whether it has seen enough. */
const GLANCE = 1 << 16;

/**
 * Settles the host model: from the flags when they say who is local, else guessed from the first packets of the captures.
 * `signal`, aborted, guesses from what was read by then. `sample` is shown the first packets, too.
 * What cannot be opened has no packets here. @throws HostError.
 */
export async function prepare(
  captures: readonly string[],
  rules: readonly Partial<Record<Family, RuleSet>>[],
  given: HostGiven | undefined,
  signal?: AbortSignal,
  sample?: PacketSample,
): Promise<Prepared> {
  const saysWho =
    given !== undefined &&
    (given.forward === true || given.local !== undefined || given.addresses !== undefined || given.routes !== undefined);
  const sets = rules.flatMap((dual) => [dual[4], dual[6]]).filter((ruleset) => ruleset !== undefined);
  if (saysWho) {
    const host = buildHost(given);
    host.notes.push(...unrouted(given, sets));
    // A look costs time, and a pipe may be silent for long: only where it is likely to find something.
    const once = isReadOnce(captures[0]!);
    const looks = (host.forward || sets.some(translatesSources)) && !once;
    const numbered = isNumberless(host) ? new NumberedPackets() : undefined;
    if (!looks && numbered === undefined && sample === undefined) return { captures, host };
    const first = new Look(numbered, sample);
    const ahead = await first.at(captures[0]!, once ? soon(signal) : signal);
    if (numbered !== undefined) await lookForNumbers(captures.slice(1), numbered);
    host.notes.push(...(numbered?.notes(given.addresses !== undefined) ?? []));
    return { captures, host, ...kept(ahead, sample), ...(looks && { notes: sightOf(first, sets, host) }) };
  }
  const guess = new HostGuess(sets, given);
  const first = new Look(guess, sample);
  const [path, ...others] = captures;
  const ahead = await first.at(path!, signal);
  const again = isReadOnce(path!) ? [] : others;
  for (const next of again) {
    if (!first.isWhole || isReadOnce(next)) break;
    const { rest } = await first.at(next, signal);
    rest.close();
  }
  if (!first.isWhole) await lookForNumbers(again, guess.numbered());
  const host = guess.host(first.isWhole && again.length === others.length && !others.some(isReadOnce));
  return { captures, host, notes: sightOf(first, sets, host), ...kept(ahead, sample) };
}

/** Notes of what the first frames tell; the host model learns of copies. */
function sightOf({ frames }: Look, sets: readonly RuleSet[], host: Host): string[] {
  const { notes, sentOn } = lookAtVantage(frames, sets, host);
  if (sentOn !== undefined) {
    host.copiesLeave = true;
    host.notes.push(sentOnNote(sentOn));
  }
  return notes;
}

/** Notes about families of which there are rules, and no routes where there are some of the other. */
function unrouted({ routes = [], forward = false }: HostGiven, sets: readonly RuleSet[]): string[] {
  if (routes.length === 0 || forward) return [];
  const told = routedFamilies(routes);
  return sets
    .filter(({ family }, index) => !told.has(family) && sets.findIndex((one) => one.family === family) === index)
    .map(
      ({ family }) =>
        `--route has no IPv${family} routes: what is for none of this host's own networks has no route; "ip -j -${family} route" prints them, and --route may be given twice`,
    );
}

/** The beginnings of further captures, until it is sure that there are several devices. */
async function lookForNumbers(captures: readonly string[], numbered: NumberedPackets): Promise<void> {
  let read = 0;
  for (const path of captures) {
    if (numbered.isSure || read >= GUESS_BYTES) return;
    if (isReadOnce(path)) continue;
    const beginning = await beginningOf(path);
    read += beginning.length;
    new CaptureReader((frame) => numbered.see(frame)).push(beginning);
  }
}

/** The first bytes of a capture, unpacked, `most` at most; none of one that cannot be read: who judges it says so. */
export async function beginningOf(path: string, most = GLANCE): Promise<Uint8Array> {
  try {
    return await firstBytes(path, most);
  } catch (error) {
    if (!(error instanceof CaptureOpenError)) throw error;
    return new Uint8Array(0);
  }
}

async function firstBytes(path: string, most: number): Promise<Uint8Array> {
  const plain = openPlain(path);
  if (plain !== undefined) {
    try {
      const bytes = new Uint8Array(most);
      return bytes.subarray(0, plain.read(bytes));
    } finally {
      plain.close();
    }
  }
  const source = new ChunkSource(path);
  try {
    const next = await source.next();
    return next === 'aborted' || next.done === true ? new Uint8Array(0) : next.value.subarray(0, most);
  } finally {
    source.close();
  }
}

/** What was read ahead is kept of what cannot be read twice. */
function kept(ahead: ReadAhead, sample: PacketSample | undefined): Pick<Prepared, 'ahead' | 'sample'> {
  const again = !isReadOnce(ahead.path);
  if (again) ahead.rest.close();
  return { ...(!again && { ahead }), ...(sample && { sample }) };
}

/** Aborted with `signal`, or after a while. */
function soon(signal: AbortSignal | undefined): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  setTimeout(stop, PATIENCE).unref();
  if (signal?.aborted === true) stop();
  signal?.addEventListener('abort', stop, { once: true });
  return controller.signal;
}

/** Who is shown the first packets; keeps none. */
type Watcher = Pick<HostGuess, 'wanted' | 'see'>;

/** Shows the first frames of captures to the guess and the sample, and keeps those that tell where they were taken. */
class Look {
  /** Those with which the captures begin. */
  readonly frames: Frame[] = [];
  /** Every frame of the captures that were looked at was seen. */
  isWhole = true;
  readonly #guess: Watcher | undefined;
  readonly #sample: PacketSample | undefined;
  readonly #most: number;
  #seen = 0;
  #read = 0;

  constructor(guess: Watcher | undefined, sample: PacketSample | undefined) {
    this.#guess = guess;
    this.#sample = sample;
    this.#most = Math.max(guess?.wanted ?? 0, sample?.wanted ?? 0, VANTAGE_FRAMES);
  }

  /** The next capture. Out: the bytes that were read. */
  async at(path: string, signal?: AbortSignal): Promise<ReadAhead> {
    const reader = new CaptureReader((frame) => this.#see(frame));
    const chunks: Uint8Array[] = [];
    const rest = new ChunkSource(path);
    for (;;) {
      this.isWhole &&= this.#read < GUESS_BYTES && this.#seen < this.#most;
      const next = this.isWhole ? await nextOf(rest, signal) : 'aborted';
      this.isWhole &&= next !== 'aborted';
      if (next === 'aborted' || next.done === true) return { path, chunks, rest };
      chunks.push(next.value);
      this.#read += next.value.length;
      for (let at = 0; at < next.value.length && this.#seen < this.#most; at += GLANCE)
        reader.push(next.value.subarray(at, at + GLANCE));
    }
  }

  #see(frame: Frame): void {
    if (this.#seen === this.#most) {
      this.isWhole = false;
      return;
    }
    this.#seen++;
    frame.bytes = frame.bytes.subarray(0, GUESS_CAPTURED);
    this.#guess?.see(frame);
    this.#sample?.see(frame);
    if (this.frames.length < VANTAGE_FRAMES) this.frames.push(frame);
  }
}

/** One that cannot be read ends there: who judges it asks again, and says so. */
async function nextOf(source: ChunkSource, signal: AbortSignal | undefined): ReturnType<ChunkSource['next']> {
  try {
    return await source.next(signal);
  } catch (error) {
    if (!(error instanceof CaptureOpenError)) throw error;
    return { done: true, value: undefined };
  }
}

export interface ReplayOptions extends RunOptions {
  engine: 'wasm' | 'reference';
  /** Off: the engine evaluates rule by rule. */
  tree: boolean;
  limit?: number;
  onPacket?: OnPacket;
}

/** Replays prepared captures by one job. */
export async function replayOne(prepared: Prepared, job: Job, options: ReplayOptions): Promise<RunOutcome> {
  const asked = {
    ...(options.onPacket === undefined ? {} : { onPacket: options.onPacket }),
    ...(options.limit === undefined ? {} : { limit: options.limit }),
  };
  const isCut = options.engine === 'wasm' && options.tree;
  const traffic = isCut ? prepared.sample?.trafficFor(job.rules) : undefined;
  const session = await start(job, options.engine, { ...asked, tree: options.tree, ...(traffic && { traffic }) });
  const outcome = await run(
    prepared.captures,
    session,
    prepared.ahead === undefined ? options : { ...options, ahead: prepared.ahead },
  );
  return traffic === undefined ? outcome : { ...outcome, sampled: packetsOf(traffic) };
}

/** The interpreter is loaded when it is wanted: it is as large as all the rest. */
async function start(job: Job, engine: ReplayOptions['engine'], options: Parameters<typeof engineSession>[1]): Promise<Session> {
  if (engine === 'wasm') return engineSession(job, options);
  const { referenceSession } = await import('./reference-session.ts');
  return referenceSession(job, options);
}

/** Every frame of the captures, decompressed and read by the plain readers, until `take` answers false. Damage ends a capture silently: a replay has told it. @throws CaptureOpenError. */
export async function forEachFrame(captures: readonly string[], take: (frame: Frame, index: number) => boolean): Promise<void> {
  let index = 0;
  let going = true;
  for (const path of captures) {
    const reader = new CaptureReader((frame) => {
      if (going) going = take(frame, index++);
    });
    const source = new ChunkSource(path);
    try {
      while (going && reader.damage === undefined) {
        const next = await source.next();
        if (next === 'aborted' || next.done === true) break;
        reader.push(next.value);
      }
    } finally {
      source.close();
    }
    if (!going) return;
  }
}
