/** Messages of PPTP control connections, and the data of their calls. */
import { ip, u16 } from '../reference/build.ts';

const text = (bytes: readonly number[]): string => String.fromCharCode(...bytes);

/** Sizes of the bodies of messages, by type. */
const SIZES = [0, 144, 144, 4, 4, 4, 8, 156, 20, 208, 12, 16, 4, 136, 28, 12];

/** A message with these first bytes of its body, which is as long as it should be, or `more` longer. */
export function message(type: number, first: readonly number[] = [], more = 0): string {
  const body = [...first, ...new Array<number>(300).fill(0)].slice(0, (SIZES[type] ?? 8) + more);
  return text([...u16(12 + body.length), ...u16(1), 0x1a, 0x2b, 0x3c, 0x4d, ...u16(type), 0, 0, ...body]);
}

export const start = (): string => message(1, [1, 0]);
export const started = (result = 1): string => message(2, [1, 0, result]);
export const call = (pns: number): string => message(7, u16(pns));
export const answer = (pac: number, pns: number, result = 1): string => message(8, [...u16(pac), ...u16(pns), result]);
export const incoming = (pac: number): string => message(9, u16(pac));
export const accept = (pns: number, pac: number, result = 1): string => message(10, [...u16(pns), ...u16(pac), result]);
export const connected = (pns: number): string => message(11, u16(pns));
export const clear = (pns: number): string => message(12, u16(pns));
export const disconnected = (pac: number): string => message(13, u16(pac));

/** Data to the receiver with that key. */
export const data = (from: string, to: string, key: number, version = 1): Uint8Array =>
  ip(from, to, 47, Uint8Array.from([0x30, version, 0x88, 0x0b, ...u16(4), ...u16(key), 0, 0, 0, 1, 9, 9, 9, 9]));
