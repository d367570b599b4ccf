/** TCP (RFC 9293): check once, then read. */
import { u8, u16, u32 } from './bytes.ts';

export const MINIMUM_HEADER = 20;
export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;
export const URG = 32;

/** `bytes` from the TCP header on hold a fixed header; then the accessors may be used. */
export const hasHeader = (bytes: Uint8Array): boolean => bytes.length >= MINIMUM_HEADER;
export const sourcePort = (bytes: Uint8Array): number => u16(bytes, 0);
export const destinationPort = (bytes: Uint8Array): number => u16(bytes, 2);
export const sequence = (bytes: Uint8Array): number => u32(bytes, 4);
export const acknowledgement = (bytes: Uint8Array): number => u32(bytes, 8);
/** Header length in bytes, as the header says. */
export const headerLength = (bytes: Uint8Array): number => (u8(bytes, 12) >> 4) * 4;
/** URG ACK PSH RST SYN FIN, and above them ECE and CWR. */
export const flags = (bytes: Uint8Array): number => u8(bytes, 13);
export const window = (bytes: Uint8Array): number => u16(bytes, 14);

export interface TcpOption {
  kind: number;
  /** Without kind and length. */
  data: Uint8Array;
}

/** Options up to the end of the list or the first that is broken, as conntrack walks them. Empty when the header is cut. */
export function options(bytes: Uint8Array): TcpOption[] {
  const end = headerLength(bytes);
  const out: TcpOption[] = [];
  if (bytes.length < end) return out;
  let at = MINIMUM_HEADER;
  while (at < end) {
    const kind = u8(bytes, at);
    if (kind === 0) break;
    if (kind === 1) {
      at++;
      continue;
    }
    if (at + 2 > end) break;
    const length = u8(bytes, at + 1);
    if (length < 2 || at + length > end) break;
    out.push({ kind, data: bytes.subarray(at + 2, at + length) });
    at += length;
  }
  return out;
}
