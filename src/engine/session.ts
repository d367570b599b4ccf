/** One job on one engine: memory regions, captures in, results out. */
import { TRACKING_LIMIT } from '../abi/conntrack.ts';
import * as control from '../abi/control.ts';
import { HOST_FLAG_SUMS_DCCP, HOST_FLAGS } from '../abi/host.ts';
import * as abi from '../abi/image.ts';
import type { CompileStatistics, Image } from '../compile/index.ts';
import type { IpSet } from '../model/ipset.ts';
import type { NotFollowed } from '../model/not-followed.ts';
import type { ConntrackEntry, ConntrackExpectation } from '../model/outcome.ts';
import type { HashlimitTable, RecentTable } from '../model/proc-tables.ts';
import { jiffiesAt } from '../model/profile.ts';
import { INVALID_WORDS, STACK_WORDS, UNSEEN_WORDS } from '../model/reasons.ts';
import type { Sighted } from '../model/vantage.ts';
import type { CaptureInfo, OnPacket, ReplayResult } from '../model/witness.ts';
import { type CaptureEnding, CaptureLog } from './capture-log.ts';
import { type HashKey, listConnections, listExpectations } from './connections.ts';
import { countRules, PathWords } from './counters.ts';
import { type ImageView, readImage } from './image-view.ts';
import { type Kept, readHashlimit, readNfacct, readRecent } from './kept-tables.ts';
import type { EngineExports } from './loader.ts';
import { interfaceNames, readLogs } from './logs.ts';
import { notesOf } from './notes.ts';
import { HOOKS, readRecords, STATES, VERDICTS } from './outcomes.ts';
import { allocateRegions, CHUNK, EngineError, INPUT_START, type Reading, type Regions, SHARED_CHUNK } from './regions.ts';
import { readSets } from './sets.ts';

export interface SessionOptions {
  onPacket?: OnPacket;
  /** Outcomes with their paths. */
  path: boolean;
  /** Outcomes with the packets' bytes. */
  bytes?: boolean;
  /** Outcomes with what LOG rules write down; the image was compiled for it. */
  logs?: boolean;
  /** Packets at most, over all captures. */
  limit?: number;
  /** Of several engines that read the same captures, this one judges the packets of its share; all number packets and tell times alike. */
  share?: Share;
  /** The key of the hash of connections; drawn when not given. The same job, captures and key always run the same way, bucket by bucket. */
  hashKey?: HashKey;
  /** Another engine reads for this one, in the same memory (reader.ts). */
  pipeline?: boolean;
}

/** From 0. */
export interface Share {
  index: number;
  of: number;
}

export class EngineSession {
  private readonly engine: EngineExports;
  private readonly image: ImageView;
  private readonly statisticsOf: CompileStatistics;
  private readonly options: SessionOptions;
  private readonly words: PathWords;
  private readonly at: Regions;
  private readonly nameOf: (id: number) => string;
  private readonly log: CaptureLog;
  /** Bytes that are not consumed; they end at INPUT_START of the input region. */
  private held = 0;
  /** The most a call takes in. */
  private readonly chunk: number;

  constructor(engine: EngineExports, image: Image, options: SessionOptions) {
    this.engine = engine;
    this.image = readImage(image.bytes);
    this.statisticsOf = image.statistics;
    this.options = options;
    this.words = new PathWords(this.image);
    this.chunk = options.share === undefined ? CHUNK : SHARED_CHUNK;
    this.at = allocateRegions(engine, this.image, options);
    this.log = new CaptureLog(() => this.view(), this.at);
    this.nameOf = interfaceNames(this.image.interfaces);
    if (options.bytes === true) engine.setRecordBytes(1);
    if (options.limit !== undefined) engine.setLimit(options.limit);
    if (options.share !== undefined) engine.setShare(options.share.index, options.share.of);
  }

  startCapture(file: string): void {
    this.log.start(file);
    this.engine.startCapture();
    this.held = 0;
  }

  /**
   * Where the next bytes of the capture go: read straight into it, then `advance`. The view is good until then (memory may grow).
   */
  inputBuffer(): Uint8Array {
    return new Uint8Array(this.engine.memory.buffer, this.at.input + INPUT_START, this.chunk);
  }

  /** `length` more bytes are in the input buffer. False when nothing further is wanted (the capture is damaged). */
  advance(length: number): boolean {
    if (this.log.isOver()) return false;
    this.consume(length, false);
    return !this.log.isOver();
  }

  /** Bytes of the capture, however many. */
  feed(chunk: Uint8Array): boolean {
    for (let from = 0; from < chunk.length; from += this.chunk) {
      const part = chunk.subarray(from, from + this.chunk);
      this.inputBuffer().set(part);
      if (!this.advance(part.length)) return false;
    }
    return true;
  }

  /** True when nothing further of this capture is wanted: the limit is reached, or it is damaged. */
  done(): boolean {
    return this.log.isOver();
  }

  /** The capture has no more bytes, or no more are read. */
  endCapture(ending: CaptureEnding = {}): CaptureInfo {
    if (!this.log.isOver() && ending.stopped !== true && ending.damage === undefined) this.consume(0, true);
    return this.log.end(ending);
  }

  /** What the engine wants to be told that reads for this one. */
  reading(): Reading {
    return this.at.reading!;
  }

  /** Judges some of what the engine that reads has put in, and waits a little where there is nothing. True: nothing comes any more. */
  judge(): boolean {
    const answer = this.engine.judgeOn();
    if (answer === control.RUN_FULL) throw new EngineError('out of memory for connections');
    if (answer !== control.RUN_AGAIN) this.drain();
    return answer === control.RUN_END;
  }

  /** What the engine that reads says of the captures. */
  setCaptures(captures: readonly CaptureInfo[]): void {
    this.log.infos.push(...captures);
  }

  result(): ReplayResult {
    this.engine.settle();
    const counts = new BigUint64Array(this.engine.memory.buffer, this.at.segments, this.image.segments.length);
    const { counters, evaluations } = countRules(this.image, counts);
    const nfacct = readNfacct(this.kept());
    return {
      captures: [...this.log.infos],
      packets: this.control(control.CONTROL_PACKETS),
      bytes: this.control(control.CONTROL_BYTES),
      verdicts: this.outcomes(VERDICTS, (entry) => (entry >>> 3) & 3),
      hooks: this.outcomes(HOOKS, (entry) => entry >>> 5),
      unseen: this.occurred(control.CONTROL_UNSEEN, UNSEEN_WORDS),
      stack: this.occurred(control.CONTROL_STACK, STACK_WORDS),
      invalid: this.occurred(control.CONTROL_INVALID, INVALID_WORDS),
      ctstates: this.outcomes(STATES, (entry) => entry & 7),
      answers: this.control(control.CONTROL_ANSWERS),
      pickedUp: this.control(control.CONTROL_PICKED_UP),
      strays: this.sighted(control.CONTROL_STRAYS),
      unjudged: this.sighted(control.CONTROL_UNJUDGED),
      unfinished: this.control(control.CONTROL_UNFINISHED),
      notFollowed: this.notFollowed(),
      counters,
      evaluations,
      connections: this.engine.connections() >>> 0,
      ...(nfacct && { nfacct }),
      notes: [...this.image.names.notes, ...this.notes()],
    };
  }

  /** Packets of a kind: their count, and behind it the number of the first of them. */
  private sighted(at: number): Sighted {
    return { packets: this.control(at), first: this.control(at + 8) };
  }

  private notes(): string[] {
    const limit = word(this.image.conntrack, TRACKING_LIMIT);
    const block = new DataView(this.engine.memory.buffer, this.at.control, control.CONTROL_SIZE);
    return notesOf(block, { limit, hz: this.image.header[abi.IMAGE_WORD_HZ]! });
  }

  private notFollowed(): NotFollowed {
    const { header, host } = this.image;
    const hasRules = (flag: number): boolean => (header[abi.IMAGE_WORD_FLAGS]! & flag) !== 0;
    // The kernel has no tracker for it where it sums it up as any other protocol.
    const isTracked = (word(host, HOST_FLAGS) & HOST_FLAG_SUMS_DCCP) === 0;
    return {
      dccp: isTracked && this.control(control.CONTROL_DCCP) > 0,
      toGroups:
        (hasRules(abi.IMAGE_FLAG_FAMILY4) && this.control(control.CONTROL_TO_GROUPS) > 0) ||
        (hasRules(abi.IMAGE_FLAG_FAMILY6) && this.control(control.CONTROL_TO_GROUPS + 8) > 0),
      loopedParts: this.control(control.CONTROL_LOOPED_PARTS) > 0,
    };
  }

  /** Confirmed connections whose time is not over at `at` (nanoseconds; the latest time of all packets when not given), sorted (model/connections.ts). */
  connections(at?: bigint): ConntrackEntry[] {
    const { now, hz } = this.moment(at);
    return listConnections(this.engine, this.at.connection, now, hz);
  }

  /** What helpers expect at `at`, as for connections. */
  expectations(at?: bigint): ConntrackExpectation[] {
    const { now, hz } = this.moment(at);
    return listExpectations(this.engine, this.at.connection, now, hz);
  }

  /** In jiffies. */
  private moment(at?: bigint): { now: bigint; hz: number } {
    const hz = this.image.header[abi.IMAGE_WORD_HZ]!;
    return { now: jiffiesAt(at ?? this.time(), hz), hz };
  }

  /** The sets of ipset at `at`, as it is given for `connections`. `given`: what the image was compiled with. */
  sets(given: readonly IpSet[], at?: bigint): IpSet[] {
    const hz = this.image.header[abi.IMAGE_WORD_HZ]!;
    const moment = jiffiesAt(at ?? this.time(), hz) - this.engine.setsStart();
    const how = { now: moment, hz: BigInt(hz), nameOf: this.nameOf };
    return readSets(this.engine.memory.buffer, this.at.sets, given, how);
  }

  /** The lists of recent. */
  recent(): RecentTable[] {
    return readRecent(this.kept());
  }

  /** The tables of hashlimit at `at`, as it is given for `connections`. */
  hashlimit(at?: bigint): HashlimitTable[] {
    const { now, hz } = this.moment(at);
    return readHashlimit(this.kept(), now, hz);
  }

  private kept(): Kept {
    return { memory: this.engine.memory.buffer, states: this.at.states, kept: this.image.names.kept };
  }

  /** Packets read so far, of all captures and shares. */
  packets(): number {
    return this.control(control.CONTROL_PACKETS);
  }

  /** Packets at most, over all captures; not fewer than were read. */
  setLimit(packets: number): void {
    this.engine.setLimit(packets);
  }

  /** False when the shares of a capture do not add up to what one engine says (fragments that wait, redirects). */
  shareIsExact(): boolean {
    return this.engine.shareIsExact() !== 0;
  }

  statistics(): CompileStatistics {
    return this.statisticsOf;
  }

  /** Lets the engine work on what is held and on `length` bytes behind it, and moves what it left in front of the next. */
  private consume(length: number, last: boolean): void {
    const start = this.at.input + INPUT_START;
    const from = start - this.held;
    if (this.engine.feed(from, this.held + length, last ? 1 : 0) === 0) throw new EngineError('out of memory for connections');
    let answer = this.engine.run();
    while (answer === control.RUN_AGAIN || answer === control.RUN_DRAIN) {
      if (answer === control.RUN_DRAIN) this.drain();
      answer = this.engine.run();
    }
    this.drain();
    if (answer !== control.RUN_MORE) {
      this.log.over(answer === control.RUN_DAMAGED);
      return;
    }
    const left = from + (this.engine.consumed() >>> 0);
    this.held = start + length - left;
    if (this.held > INPUT_START) throw new EngineError('a record does not fit the input buffer');
    new Uint8Array(this.engine.memory.buffer).copyWithin(start - this.held, left, start + length);
  }

  private drain(): void {
    const { onPacket, path } = this.options;
    if (onPacket === undefined) return;
    const { buffer } = this.engine.memory;
    const logs = readLogs(buffer, this.at.log, this.engine.drainLog() >>> 0, this.image.names.logs, this.nameOf);
    const tell: OnPacket = (outcome) => {
      const logged = logs.get(outcome.packet);
      onPacket(logged === undefined ? outcome : { ...outcome, logged });
    };
    const bytes = this.engine.drain() >>> 0;
    if (bytes > 0) readRecords(buffer, this.at.ring, bytes, this.words, path, logs.size === 0 ? onPacket : tell);
  }

  /** Of the latest packet, in nanoseconds. */
  private time(): bigint {
    return this.view().getBigUint64(this.at.control + control.CONTROL_TIME, true);
  }

  private view(): DataView {
    return new DataView(this.engine.memory.buffer);
  }

  private control(offset: number): number {
    return Number(this.view().getBigUint64(this.at.control + offset, true));
  }

  /** Sums of the outcomes' numbers by one of their parts. */
  private outcomes<T extends string>(names: readonly T[], part: (entry: number) => number): Record<T, number> {
    const sums = new Array<number>(8).fill(0);
    for (let entry = 0; entry < HOOKS.length * 32; entry++)
      sums[part(entry)]! += this.control(control.CONTROL_OUTCOMES + entry * 8);
    return Object.fromEntries(names.map((name, index) => [name, sums[index]!])) as Record<T, number>;
  }

  /** Reasons share words, so their numbers are added up. */
  private occurred(offset: number, names: readonly string[]): Record<string, number> {
    const out: Record<string, number> = {};
    for (const [index, name] of names.entries()) {
      const number = this.control(offset + index * 8);
      if (index > 0 && number > 0) out[name] = (out[name] ?? 0) + number;
    }
    return out;
  }
}

/** A u32 of a block of the image. */
const word = ({ buffer, byteOffset }: Uint8Array, at: number): number => new DataView(buffer, byteOffset).getUint32(at, true);
