/** What the readers of both formats share: what a reader is, what damage is, and what both do with clocks and frame check sequences. */
import { DAMAGE_WORDS } from '../model/capture-reasons.ts';
import type { Frame } from '../model/witness.ts';

/** Where a file stops making sense: byte offset of the bad record or block in the (uncompressed) file, and why. */
export interface Damage {
  offset: number;
  /** Of damage of the packing: where it shows in the packed file. */
  packed?: number;
  reason: string;
  /** The system did not let it be opened, or be read any further: what the file holds nobody knows. */
  unread?: true;
}

export type OnFrame = (frame: Frame) => void;

export interface FrameReader {
  /** Takes the next bytes of the file. Calls onFrame for every frame that is complete. After damage it takes bytes and gives nothing. */
  push(chunk: Uint8Array): void;
  /** Damage met so far; the reader gives no further frames. */
  readonly damage: Damage | undefined;
  /** Link types the file announced so far, each once, in their order. */
  readonly linktypes: readonly number[];
  /** Offset behind the last frame that was given: a file cut there ends well. */
  readonly frameEnd: number;
  /** The file ends here. Tells damage met anywhere, also a last record that is cut. */
  end(): Damage | undefined;
}

/** Damage by its number in abi/capture.ts. */
export function damageAt(offset: number, reason: number): Damage {
  return { offset, reason: DAMAGE_WORDS[reason] ?? '' };
}

/**
 * Bytes of a packet without the frame check sequence, which stands at the end of the packet on the wire: `fcs` bytes of it are counted in `wire`, and some,
 * all or none of them were captured.
 */
export function withoutFcs(captured: number, wire: number, fcs: number): number {
  return fcs === 0 ? captured : Math.min(captured, Math.max(0, wire - fcs));
}

/** The engine's clock is 64 bits of nanoseconds since the epoch; what lies outside stands still at its ends. */
export function clampTime(nanoseconds: bigint): bigint {
  if (nanoseconds < 0n) return 0n;
  return nanoseconds > 0xffff_ffff_ffff_ffffn ? 0xffff_ffff_ffff_ffffn : nanoseconds;
}

export function joinBytes(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}
