/**
 * Capture bytes -> frames, for the reference (the engine reads captures by itself). Push chunks of any size; frames come out in order.
 * A damaged file gives every frame before the damage. What counts as damage is what libpcap refuses; the words are those of model/capture-reasons.ts.
 */
import { DAMAGE_CUT, DAMAGE_NOT_A_CAPTURE } from '../abi/capture.ts';
import { ClassicReader } from './classic.ts';
import { PcapngReader } from './pcapng.ts';
import { type Damage, damageAt, type FrameReader, joinBytes, type OnFrame } from './reader.ts';

export type { Damage, FrameReader, OnFrame } from './reader.ts';

const SECTION_HEADER = 0x0a0d0d0a;
const PCAP_MAGICS = new Set([0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1, 0xa1b2cd34, 0x34cdb2a1]);

/** Chooses the reader by the first four bytes; fewer than four, or unknown ones, are damage at offset 0. */
export class CaptureReader implements FrameReader {
  readonly #onFrame: OnFrame;
  #head = new Uint8Array(0);
  #inner: FrameReader | undefined;
  #damage: Damage | undefined;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  get damage(): Damage | undefined {
    return this.#inner?.damage ?? this.#damage;
  }

  get linktypes(): readonly number[] {
    return this.#inner?.linktypes ?? [];
  }

  get frameEnd(): number {
    return this.#inner?.frameEnd ?? 0;
  }

  push(chunk: Uint8Array): void {
    if (this.damage !== undefined) return;
    if (this.#inner !== undefined) {
      this.#inner.push(chunk);
      return;
    }
    this.#head = joinBytes(this.#head, chunk);
    if (this.#head.length < 4) return;
    const magic = new DataView(this.#head.buffer).getUint32(0, false);
    if (magic === SECTION_HEADER) this.#inner = new PcapngReader(this.#onFrame);
    else if (PCAP_MAGICS.has(magic)) this.#inner = new ClassicReader(this.#onFrame);
    else this.#damage = damageAt(0, DAMAGE_NOT_A_CAPTURE);
    this.#inner?.push(this.#head);
  }

  end(): Damage | undefined {
    if (this.#inner !== undefined) return this.#inner.end();
    return this.#damage ?? damageAt(0, DAMAGE_CUT);
  }
}
