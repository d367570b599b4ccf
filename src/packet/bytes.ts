/** Reading numbers out of bytes. All big-endian; callers have checked the length. */
import type { Words } from '../model/ruleset.ts';

export function u8(bytes: Uint8Array, at: number): number {
  return bytes[at]!;
}

export function u16(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 256 + bytes[at + 1]!;
}

/** Unsigned. */
export function u32(bytes: Uint8Array, at: number): number {
  return u16(bytes, at) * 65536 + u16(bytes, at + 2);
}

/** The six bytes of a MAC address. Written out: Array.from goes by the iterator, for microseconds. */
export function macAt(bytes: Uint8Array, at: number): number[] {
  return [bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!, bytes[at + 4]!, bytes[at + 5]!];
}

/** `count` words, most significant first. */
export function words(bytes: Uint8Array, at: number, count: number): Words {
  const out: number[] = [];
  for (let i = 0; i < count; i++) out.push(u32(bytes, at + 4 * i));
  return out;
}

export function sameWords(a: Words, b: Words): boolean {
  return a.length === b.length && a.every((word, i) => word === b[i]);
}

/** A word with its bytes turned round: as a little-endian machine reads it from the network. */
export const swapped = (word: number): number =>
  ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
