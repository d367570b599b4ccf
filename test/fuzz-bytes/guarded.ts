/**
 * An engine whose input lies where a read outside of it shows: so that its last byte is the last byte of memory (what is read behind it traps), or between bytes of one value (a
 * read outside makes the answers of two values differ). Every region the host asks for lies between such bytes too, and must leave them alone.
 */
import { type EngineExports, loadEngine, type WasmSource } from '../../src/engine/loader.ts';

/** `end`: at the end of memory; a number: everything around regions and input has this value. */
export type Place = 'end' | 0x00 | 0xff;
export const PLACES: readonly Place[] = ['end', 0x00, 0xff];

/** Bytes between regions. */
const GUARD = 4096;
/** More than the connections of a test take: the end of memory stays the end, and nobody's. */
const SPARE_PAGES = 512;
/** What the input buffer of the session holds, at most. */
const INPUT = 2 * 1_048_576 + 4096;

/** The engine wrote where nothing of its own is, or said something impossible. */
export class GuardError extends Error {}

type Memory = { readonly buffer: ArrayBuffer; grow(pages: number): number };

/** An engine for EngineSession; `check` looks at the bytes between the regions. */
export interface Guarded {
  engine: EngineExports;
  check(): void;
}

/** `rewrites`: rules may change packets, which they do where those lie; otherwise the input must stay what it is. */
export async function guarded(wasm: WasmSource, place: Place, rewrites = false): Promise<Guarded> {
  const inner = await loadEngine(wasm);
  const guards = new Guards(inner, place === 'end' ? 0x5a : place);
  const input = new Input(inner, guards, place, rewrites);
  const engine: EngineExports = {
    ...inner,
    memory: inner.memory,
    allocate: (bytes) => guards.allocate(bytes),
    start: (conntrack) => {
      input.reserve();
      const answer = inner.start(conntrack);
      input.grow();
      return answer;
    },
    feed: (at, length, last) => input.feed(at, length, last),
    run: () => input.run(),
    consumed: () => input.consumed(),
  };
  return { engine, check: () => guards.check() };
}

/** Regions of the host with bytes of one value between them. */
class Guards {
  readonly #engine: EngineExports;
  readonly #value: number;
  readonly #ranges: [from: number, to: number][] = [];

  constructor(engine: EngineExports, value: number) {
    this.#engine = engine;
    this.#value = value;
  }

  allocate(bytes: number): number {
    const before = this.#engine.allocate(GUARD) >>> 0;
    const at = this.#engine.allocate(bytes) >>> 0;
    const behind = this.#engine.allocate(GUARD) >>> 0;
    if (before === 0 || at === 0 || behind === 0) return 0;
    this.#fill(before, at);
    this.#fill(at + bytes, behind + GUARD);
    return at;
  }

  fill(from: number, to: number): void {
    new Uint8Array(this.#engine.memory.buffer).fill(this.#value, from, to);
  }

  #fill(from: number, to: number): void {
    this.fill(from, to);
    this.#ranges.push([from, to]);
  }

  check(): void {
    for (const [from, to] of this.#ranges) this.checkRange(from, to);
  }

  checkRange(from: number, to: number): void {
    const bytes = new Uint8Array(this.#engine.memory.buffer, from, to - from);
    const wrong = bytes.findIndex((byte) => byte !== this.#value);
    if (wrong >= 0) throw new GuardError(`the engine wrote at ${from + wrong}, outside its regions`);
  }
}

/** Moves what the session feeds to its place. */
class Input {
  readonly #engine: EngineExports;
  readonly #guards: Guards;
  readonly #place: Place;
  readonly #rewrites: boolean;
  #arena = 0;
  /** What was fed last, and where it lies. */
  #fed = new Uint8Array(0);
  #at = 0;
  #runs = 0;

  constructor(engine: EngineExports, guards: Guards, place: Place, rewrites: boolean) {
    this.#rewrites = rewrites;
    this.#engine = engine;
    this.#guards = guards;
    this.#place = place;
  }

  /** The last region before conntrack's. */
  reserve(): void {
    if (this.#place !== 'end') this.#arena = this.#engine.allocate(INPUT + 2 * GUARD + 8) >>> 0;
  }

  grow(): void {
    if (this.#place === 'end') (this.#engine.memory as Memory).grow(SPARE_PAGES);
  }

  feed(from: number, length: number, last: number): number {
    this.#fed = new Uint8Array(this.#engine.memory.buffer).slice(from, from + length);
    this.#runs = 0;
    const size = this.#engine.memory.buffer.byteLength;
    const answer = this.#put(last);
    // Memory that grew for connections has another end; what was fed and not read may be fed again.
    return size === this.#engine.memory.buffer.byteLength ? answer : this.#put(last);
  }

  #put(last: number): number {
    const { length } = this.#fed;
    const size = this.#engine.memory.buffer.byteLength;
    // Odd places too: the length makes them so.
    this.#at = this.#place === 'end' ? size - length : this.#arena + GUARD + (length & 7);
    this.#guards.fill(this.#at - GUARD, this.#at);
    new Uint8Array(this.#engine.memory.buffer).set(this.#fed, this.#at);
    if (this.#place !== 'end') this.#guards.fill(this.#at + length, this.#at + length + GUARD);
    return this.#engine.feed(this.#at, length, last);
  }

  /** A call reads on, or is the last. */
  run(): number {
    const answer = this.#engine.run();
    if (++this.#runs > 8 + this.#fed.length / 16) throw new GuardError('the engine runs without getting on');
    this.consumed();
    this.#guards.checkRange(this.#at - GUARD, this.#at);
    if (this.#place !== 'end') this.#guards.checkRange(this.#at + this.#fed.length, this.#at + this.#fed.length + GUARD);
    const now = new Uint8Array(this.#engine.memory.buffer, this.#at, this.#fed.length);
    if (!this.#rewrites && Buffer.compare(now, this.#fed) !== 0) throw new GuardError('the engine changed its input');
    return answer;
  }

  consumed(): number {
    const bytes = this.#engine.consumed() >>> 0;
    if (bytes > this.#fed.length) throw new GuardError(`${bytes} of ${this.#fed.length} bytes were consumed`);
    return bytes;
  }
}
