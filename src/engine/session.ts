/** One job on one engine: memory regions, captures in, results out. */
import {
  CAPTURE_DAMAGE_OFFSET,
  CAPTURE_LINKTYPE_COUNT,
  CAPTURE_LINKTYPES,
  CAPTURE_REASON,
  CAPTURE_STATE_SIZE,
  LINKTYPES_MAXIMUM,
} from '../abi/capture.ts';
import { CONNECTION_SIZE, EXPECTATION_SIZE } from '../abi/connections.ts';
import { TRACKING_LIMIT } from '../abi/conntrack.ts';
import * as control from '../abi/control.ts';
import * as abi from '../abi/image.ts';
import type { CompileStatistics, Image } from '../compile/index.ts';
import { DAMAGE_WORDS } from '../model/capture-reasons.ts';
import type { IpSet } from '../model/ipset.ts';
import type { ConntrackEntry, ConntrackExpectation } from '../model/outcome.ts';
import type { HashlimitTable, RecentTable } from '../model/proc-tables.ts';
import { jiffiesAt } from '../model/profile.ts';
import { INVALID_WORDS, STACK_WORDS, UNSEEN_WORDS } from '../model/reasons.ts';
import type { CaptureInfo, OnPacket, ReplayResult } from '../model/witness.ts';
import { drawHashKey, type HashKey, listConnections, listExpectations, putHashKey } from './connections.ts';
import { countRules, PathWords } from './counters.ts';
import { type ImageView, readImage } from './image-view.ts';
import { type Kept, readHashlimit, readNfacct, readRecent } from './kept-tables.ts';
import type { EngineExports } from './loader.ts';
import { interfaceNames, readLogs } from './logs.ts';
import { notesOf } from './notes.ts';
import { HOOKS, readRecords, STATES, VERDICTS } from './outcomes.ts';
import { readSets, setsBehind } from './sets.ts';

/** The most a call takes in: longer calls stay in the baseline compiler (no on-stack replacement), and more of it drives connections out of the core's cache. */
const CHUNK = 1 << 18;
/** What a call leaves unread is at most one block or record. */
const LARGEST = 1 << 20;
const INPUT_SIZE = CHUNK + LARGEST + 4096;
const RING_SIZE = 1 << 20;
const LOG_SIZE = 1 << 20;

/** The engine ran out of memory, or was used out of order. */
export class EngineError extends Error {}

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
}

/** From 0. */
export interface Share {
  index: number;
  of: number;
}

/** How a capture ended, other than by its last byte. */
export interface CaptureEnding {
  /** What the packing met, at an offset of the uncompressed bytes. Damage met before comes first; a record that is cut there is its doing. */
  damage?: NonNullable<CaptureInfo['damage']>;
  /** Reading was given up: a record that is cut here is no damage. */
  stopped?: boolean;
}

export class EngineSession {
  private readonly engine: EngineExports;
  private readonly image: ImageView;
  private readonly statisticsOf: CompileStatistics;
  private readonly options: SessionOptions;
  private readonly words: PathWords;
  private readonly at: Regions;
  private readonly nameOf: (id: number) => string;
  private readonly captures: CaptureInfo[] = [];
  private current: { file: string; packets: number; bytes: number; over: boolean; damaged: boolean } | null = null;
  /** Bytes in the input region that are not consumed. */
  private held = 0;

  constructor(engine: EngineExports, image: Image, options: SessionOptions) {
    this.engine = engine;
    this.image = readImage(image.bytes);
    this.statisticsOf = image.statistics;
    this.options = options;
    this.words = new PathWords(this.image);
    this.at = allocateRegions(engine, this.image, options);
    this.nameOf = interfaceNames(this.image.interfaces);
    if (options.bytes === true) engine.setRecordBytes(1);
    if (options.limit !== undefined) engine.setLimit(options.limit);
    if (options.share !== undefined) engine.setShare(options.share.index, options.share.of);
  }

  startCapture(file: string): void {
    if (this.current !== null) throw new EngineError('startCapture: the capture before was not ended');
    this.engine.startCapture();
    this.held = 0;
    this.current = {
      file,
      packets: this.control(control.CONTROL_PACKETS),
      bytes: this.control(control.CONTROL_WIRE),
      over: false,
      damaged: false,
    };
  }

  /**
   * Where the next bytes of the capture go: read straight into it, then `advance`. The view is good until then (memory may grow).
   */
  inputBuffer(): Uint8Array {
    return new Uint8Array(this.engine.memory.buffer, this.at.input + this.held, CHUNK);
  }

  /** `length` more bytes are in the input buffer. False when nothing further is wanted (the capture is damaged). */
  advance(length: number): boolean {
    const capture = this.open('advance');
    if (capture.over) return false;
    this.held += length;
    this.consume(false);
    return !capture.over;
  }

  /** Bytes of the capture, however many. */
  feed(chunk: Uint8Array): boolean {
    for (let from = 0; from < chunk.length; from += CHUNK) {
      const part = chunk.subarray(from, from + CHUNK);
      this.inputBuffer().set(part);
      if (!this.advance(part.length)) return false;
    }
    return true;
  }

  /** True when nothing further of this capture is wanted: the limit is reached, or it is damaged. */
  done(): boolean {
    return this.open('done').over;
  }

  /** The capture has no more bytes, or no more are read. */
  endCapture(ending: CaptureEnding = {}): CaptureInfo {
    const capture = this.open('endCapture');
    if (!capture.over && ending.stopped !== true && ending.damage === undefined) this.consume(true);
    const info: CaptureInfo = {
      file: capture.file,
      packets: this.control(control.CONTROL_PACKETS) - capture.packets,
      bytes: this.control(control.CONTROL_WIRE) - capture.bytes,
      linktypes: this.linktypes(),
    };
    const damage = capture.damaged ? this.damage() : ending.damage;
    if (damage !== undefined) info.damage = damage;
    this.current = null;
    this.captures.push(info);
    return info;
  }

  result(): ReplayResult {
    this.engine.settle();
    const counts = new BigUint64Array(this.engine.memory.buffer, this.at.segments, this.image.segments.length);
    const { counters, evaluations } = countRules(this.image, counts);
    const nfacct = readNfacct(this.kept());
    return {
      captures: [...this.captures],
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
      counters,
      evaluations,
      connections: this.engine.connections() >>> 0,
      ...(nfacct && { nfacct }),
      notes: [...this.image.names.notes, ...this.notes()],
    };
  }

  private notes(): string[] {
    const { buffer, byteOffset } = this.image.conntrack;
    const limit = new DataView(buffer, byteOffset).getUint32(TRACKING_LIMIT, true);
    return notesOf(new DataView(this.engine.memory.buffer, this.at.control, control.CONTROL_SIZE), limit);
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

  private open(what: string): NonNullable<EngineSession['current']> {
    if (this.current === null) throw new EngineError(`${what}: no capture was started`);
    return this.current;
  }

  /** Lets the engine work on what is held, and moves what it left to the front. */
  private consume(last: boolean): void {
    const capture = this.open('consume');
    if (this.engine.feed(this.at.input, this.held, last ? 1 : 0) === 0) throw new EngineError('out of memory for connections');
    let answer = this.engine.run();
    while (answer === control.RUN_AGAIN || answer === control.RUN_DRAIN) {
      if (answer === control.RUN_DRAIN) this.drain();
      answer = this.engine.run();
    }
    this.drain();
    if (answer !== control.RUN_MORE) {
      capture.over = true;
      capture.damaged = answer === control.RUN_DAMAGED;
      return;
    }
    const used = this.engine.consumed() >>> 0;
    new Uint8Array(this.engine.memory.buffer).copyWithin(this.at.input, this.at.input + used, this.at.input + this.held);
    this.held -= used;
    if (this.held + CHUNK > INPUT_SIZE) throw new EngineError('a record does not fit the input buffer');
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

  private linktypes(): number[] {
    const view = this.view();
    const count = Math.min(view.getUint32(this.at.capture + CAPTURE_LINKTYPE_COUNT, true), LINKTYPES_MAXIMUM);
    return Array.from({ length: count }, (_, index) => view.getUint32(this.at.capture + CAPTURE_LINKTYPES + index * 4, true));
  }

  private damage(): { offset: number; reason: string } {
    const view = this.view();
    return {
      offset: Number(view.getBigUint64(this.at.capture + CAPTURE_DAMAGE_OFFSET, true)),
      reason: DAMAGE_WORDS[view.getUint32(this.at.capture + CAPTURE_REASON, true)] ?? '',
    };
  }
}

/** Addresses of what the host allocated. */
interface Regions {
  segments: number;
  states: number;
  control: number;
  capture: number;
  ring: number;
  log: number;
  input: number;
  /** What is listed, one after the other. */
  connection: number;
  sets: number;
}

/** Asks for all regions, copies the image's parts and starts the engine. Throws EngineError without memory. */
function allocateRegions(engine: EngineExports, image: ImageView, options: SessionOptions): Regions {
  const { onPacket, logs = false, hashKey = drawHashKey() } = options;
  const [ringSize, logSize] = onPacket === undefined ? [0, 0] : [RING_SIZE, logs ? LOG_SIZE : 0];
  const { header } = image;
  const room = (bytes: number): number => {
    const at = engine.allocate(Math.max(bytes, 8)) >>> 0;
    if (at === 0) throw new EngineError('out of memory for the image');
    return at;
  };
  const copy = (bytes: Uint8Array, behind = 0): number => {
    const at = room(bytes.length + behind);
    new Uint8Array(engine.memory.buffer).set(bytes, at);
    return at;
  };
  const depth = header[abi.IMAGE_WORD_STACK]!;
  const code = copy(image.code);
  const segments = room((image.segments.length / 2) * abi.SEGMENT_SIZE);
  const states = room(header[abi.IMAGE_WORD_STATES]! * abi.STATE_SIZE);
  const stack = room(depth * 4);
  engine.setupProgram(code, segments, states, stack, depth, header[abi.IMAGE_WORD_CREDITS]!, header[abi.IMAGE_WORD_VISIBLE]!);
  const conntrack = copy(image.conntrack);
  putHashKey(new Uint8Array(engine.memory.buffer, conntrack, image.conntrack.length), hashKey);
  const capture = room(CAPTURE_STATE_SIZE);
  engine.setupHost(copy(image.host), capture, copy(image.interfaces), header[abi.IMAGE_WORD_HZ]!, header[abi.IMAGE_WORD_FLAGS]!);
  const controlAt = room(control.CONTROL_SIZE);
  const slots = room(engine.slotBytes());
  const ring = room(ringSize);
  engine.setupResults(controlAt, slots, ring, ringSize);
  const sets = copy(image.sets, setsBehind(image.sets));
  engine.setSets(sets);
  const log = room(logSize);
  engine.setLogRegion(log, logSize);
  const input = room(INPUT_SIZE);
  const connection = room(Math.max(CONNECTION_SIZE, EXPECTATION_SIZE));
  engine.start(conntrack);
  return { segments, states, control: controlAt, capture, ring, log, input, connection, sets };
}
