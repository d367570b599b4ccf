/** What is told of the captures that an engine read, one after the other: out of the reader's state and the control block. */
import {
  CAPTURE_DAMAGE_OFFSET,
  CAPTURE_LINKTYPE_COUNT,
  CAPTURE_LINKTYPES,
  CAPTURE_REASON,
  LINKTYPES_MAXIMUM,
} from '../abi/capture.ts';
import { CONTROL_PACKETS, CONTROL_WIRE } from '../abi/control.ts';
import { DAMAGE_WORDS } from '../model/capture-reasons.ts';
import type { CaptureInfo } from '../model/witness.ts';
import { EngineError } from './regions.ts';

/** How a capture ended, other than by its last byte. */
export interface CaptureEnding {
  /** What the packing met, at an offset of the uncompressed bytes. Damage met before comes first; a record that is cut there is its doing. */
  damage?: NonNullable<CaptureInfo['damage']>;
  /** Reading was given up: a record that is cut here is no damage. */
  stopped?: boolean;
}

/** The capture under way: packets and bytes of those before. */
interface Current {
  file: string;
  packets: number;
  bytes: number;
  over: boolean;
  damaged: boolean;
}

export class CaptureLog {
  /** Those that were ended. */
  readonly infos: CaptureInfo[] = [];
  readonly #view: () => DataView;
  readonly #at: { control: number; capture: number };
  #current: Current | null = null;

  /** `view`: the engine's memory as it is now; `at`: where the control block and the reader's state lie. */
  constructor(view: () => DataView, at: { control: number; capture: number }) {
    this.#view = view;
    this.#at = at;
  }

  start(file: string): void {
    if (this.#current !== null) throw new EngineError('startCapture: the capture before was not ended');
    this.#current = {
      file,
      packets: this.#count(CONTROL_PACKETS),
      bytes: this.#count(CONTROL_WIRE),
      over: false,
      damaged: false,
    };
  }

  /** Nothing further of this capture is wanted. */
  isOver(): boolean {
    return this.#open().over;
  }

  /** The engine wants nothing further of it. */
  over(damaged: boolean): void {
    Object.assign(this.#open(), { over: true, damaged });
  }

  end(ending: CaptureEnding): CaptureInfo {
    const { file, packets, bytes, damaged } = this.#open();
    const info: CaptureInfo = {
      file,
      packets: this.#count(CONTROL_PACKETS) - packets,
      bytes: this.#count(CONTROL_WIRE) - bytes,
      linktypes: this.#linktypes(),
    };
    const damage = damaged ? this.#damage() : ending.damage;
    if (damage !== undefined) info.damage = damage;
    this.#current = null;
    this.infos.push(info);
    return info;
  }

  #open(): Current {
    if (this.#current === null) throw new EngineError('no capture was started');
    return this.#current;
  }

  #count(offset: number): number {
    return Number(this.#view().getBigUint64(this.#at.control + offset, true));
  }

  #linktypes(): number[] {
    const view = this.#view();
    const { capture } = this.#at;
    const count = Math.min(view.getUint32(capture + CAPTURE_LINKTYPE_COUNT, true), LINKTYPES_MAXIMUM);
    return Array.from({ length: count }, (_, index) => view.getUint32(capture + CAPTURE_LINKTYPES + index * 4, true));
  }

  #damage(): { offset: number; reason: string } {
    const view = this.#view();
    const { capture } = this.#at;
    return {
      offset: Number(view.getBigUint64(capture + CAPTURE_DAMAGE_OFFSET, true)),
      reason: DAMAGE_WORDS[view.getUint32(capture + CAPTURE_REASON, true)] ?? '',
    };
  }
}
