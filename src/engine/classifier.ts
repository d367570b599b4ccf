/** Classification alone: the walks of an image on packets given as fields, without captures, routing or connections. For tests and the bench. */

import { FIELD_COUNT } from '../abi/fields.ts';
import * as abi from '../abi/image.ts';
import { SEGMENT_SIZE, STATE_SIZE } from '../abi/image.ts';
import { PACKET_JIFFIES, PACKET_SIZE } from '../abi/packet.ts';
import { type HOOK_NAMES, walkNumber } from '../compile/walks.ts';
import type { Family, TableName } from '../model/ruleset.ts';
import { type Counted, countRules } from './counters.ts';
import { type ImageView, readImage } from './image-view.ts';
import { type EngineExports, loadEngine, type WasmSource } from './loader.ts';

/** Which base chain: `4`, `FORWARD`, `filter`. */
export interface WalkName {
  family: Family;
  hook: (typeof HOOK_NAMES)[number];
  table: TableName;
}

export class Classifier {
  readonly image: ImageView;
  private readonly engine: EngineExports;
  private readonly segments: number;
  private readonly slots: number;
  private readonly answers: number;

  private constructor(engine: EngineExports, image: ImageView, packets: number) {
    const { header } = image;
    this.engine = engine;
    this.image = image;
    const code = engine.allocate(image.code.length);
    this.segments = engine.allocate((image.segments.length / 2) * SEGMENT_SIZE);
    const states = engine.allocate(header[abi.IMAGE_WORD_STATES]! * STATE_SIZE + 8);
    const depth = header[abi.IMAGE_WORD_STACK]!;
    const stack = engine.allocate(depth * 4);
    this.slots = engine.allocate(packets * PACKET_SIZE);
    this.answers = engine.allocate(packets * 4);
    if (this.slots === 0 || this.answers === 0) throw new RangeError(`no memory for ${packets} packets`);
    new Uint8Array(engine.memory.buffer).set(image.code, code);
    engine.setupProgram(
      code,
      this.segments,
      states,
      stack,
      depth,
      header[abi.IMAGE_WORD_CREDITS]!,
      header[abi.IMAGE_WORD_VISIBLE]!,
    );
  }

  /** An engine for the image with room for so many packets at a time. Throws ImageError, RangeError. */
  static async open(wasm: WasmSource, image: Uint8Array, packets: number): Promise<Classifier> {
    return new Classifier(await loadEngine(wasm), readImage(image), packets);
  }

  /** Puts a packet into place `index`: its fields (abi/fields.ts) and the kernel's clock. */
  put(index: number, fields: Uint32Array, jiffies = 0n): void {
    this.fields(index).set(fields);
    new DataView(this.engine.memory.buffer).setBigUint64(this.slots + index * PACKET_SIZE + PACKET_JIFFIES, jiffies, true);
  }

  /** The fields of the packet in place `index` as they are now, in the engine's own memory. */
  fields(index: number): Uint32Array {
    return new Uint32Array(this.engine.memory.buffer, this.slots + index * PACKET_SIZE, FIELD_COUNT);
  }

  /** NEXT_* of the packet in place `index`; `bytes` is what rules count for it. */
  classify(walk: WalkName, index: number, bytes: number): number {
    return this.engine.classify(numberOf(walk), this.slots + index * PACKET_SIZE, bytes) >>> 0;
  }

  /** NEXT_* of `packets` packets from place `from` on, in the engine's own memory. Thousands in one call at most: a loop in one long call stays in V8's baseline compiler. */
  classifyMany(walk: WalkName, packets: number, bytes: number, from = 0): Uint32Array {
    const answers = this.answers + from * 4;
    this.engine.classifyMany(numberOf(walk), this.slots + from * PACKET_SIZE, packets, bytes, answers);
    return new Uint32Array(this.engine.memory.buffer, answers, packets);
  }

  /** What the rules counted. */
  counted(): Counted {
    return countRules(this.image, new BigUint64Array(this.engine.memory.buffer, this.segments, this.image.segments.length));
  }
}

const numberOf = ({ family, hook, table }: WalkName): number => walkNumber(family, hook, table);
