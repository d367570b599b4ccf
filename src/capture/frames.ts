/**
 * Capture bytes -> frames, for the reference (the engine reads captures by itself). Push chunks of any size; frames come out in order.
 * A damaged file gives every frame before the damage.
 */
import type { Frame } from '../model/witness.ts';
import { ClassicReader } from './classic.ts';
import { PcapngReader } from './pcapng.ts';

/** Where a file stops making sense: byte offset of the bad record or block in the (uncompressed) file, and why. */
export interface Damage {
  offset: number;
  reason: string;
}

export type OnFrame = (frame: Frame) => void;

export interface FrameReader {
  /** Takes the next bytes of the file. Calls onFrame for every frame that is complete. After damage it takes bytes and gives nothing. */
  push(chunk: Uint8Array): void;
  /** The file ends here. Tells damage met anywhere, also a last record that is cut. */
  end(): Damage | undefined;
}

const SECTION_HEADER = 0x0a0d0d0a;

/** Chooses the reader by the first four bytes; fewer than four, or unknown ones, are damage at offset 0. */
export class CaptureReader implements FrameReader {
  readonly #onFrame: OnFrame;
  #head = new Uint8Array(0);
  #inner: FrameReader | undefined;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  push(chunk: Uint8Array): void {
    if (this.#inner !== undefined) {
      this.#inner.push(chunk);
      return;
    }
    const joined = new Uint8Array(this.#head.length + chunk.length);
    joined.set(this.#head);
    joined.set(chunk, this.#head.length);
    this.#head = joined;
    if (joined.length < 4) return;
    const magic = new DataView(joined.buffer).getUint32(0, false);
    this.#inner = magic === SECTION_HEADER ? new PcapngReader(this.#onFrame) : new ClassicReader(this.#onFrame);
    this.#inner.push(joined);
  }

  end(): Damage | undefined {
    if (this.#inner !== undefined) return this.#inner.end();
    if (this.#head.length === 0) return { offset: 0, reason: 'empty file' };
    return { offset: 0, reason: 'file header cut' };
  }
}
