/** Classification alone: the walks of an image on packets given as fields, without captures, routing or connections. For tests and the bench. */

import { FIELD_COUNT } from '../abi/fields.ts';
import * as abi from '../abi/image.ts';
import { SEGMENT_SIZE, STATE_SIZE } from '../abi/image.ts';
import { PACKET_JIFFIES, PACKET_SIZE } from '../abi/packet.ts';
import { type WalkName, walkNumber } from '../compile/walks.ts';
import { type Counted, countRules } from './counters.ts';
import { type ImageView, readImage } from './image-view.ts';
import { type EngineExports, loadEngine, type WasmSource } from './loader.ts';

export class Classifier {
  readonly image: ImageView;
  private readonly engine: EngineExports;
  private readonly segments: number;
  private readonly slots: number;

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
    if (this.slots === 0) throw new RangeError(`no memory for ${packets} packets`);
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

  /** What the rules counted. */
  counted(): Counted {
    return countRules(this.image, new BigUint64Array(this.engine.memory.buffer, this.segments, this.image.segments.length));
  }
}

const numberOf = ({ family, hook, table }: WalkName): number => walkNumber(family, hook, table);
