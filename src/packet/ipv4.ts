/** IPv4 (RFC 791): check once, then read. */
import type { Words } from '../model/ruleset.ts';
import { u8, u16, words } from './bytes.ts';
import { checksumRight } from './checksum.ts';

export type Ipv4Fault = 'short' | 'version' | 'header-length' | 'checksum' | 'truncated' | 'total-length';

/** The accessors may be used once `checkIpv4` found no fault. */
export const headerLength = (bytes: Uint8Array): number => (u8(bytes, 0) & 15) * 4;
export const totalLength = (bytes: Uint8Array): number => u16(bytes, 2);
export const identification = (bytes: Uint8Array): number => u16(bytes, 4);
export const tos = (bytes: Uint8Array): number => u8(bytes, 1);
export const ttl = (bytes: Uint8Array): number => u8(bytes, 8);
export const protocol = (bytes: Uint8Array): number => u8(bytes, 9);
export const source = (bytes: Uint8Array): Words => words(bytes, 12, 1);
export const destination = (bytes: Uint8Array): Words => words(bytes, 16, 1);
export const dontFragment = (bytes: Uint8Array): boolean => (u16(bytes, 6) & 0x4000) !== 0;
export const moreFragments = (bytes: Uint8Array): boolean => (u16(bytes, 6) & 0x2000) !== 0;
/** In units of eight bytes. */
export const fragmentOffset = (bytes: Uint8Array): number => u16(bytes, 6) & 0x1fff;
export const options = (bytes: Uint8Array): Uint8Array => bytes.subarray(20, headerLength(bytes));

/** Right sum over the header, options included. */
export const headerChecksumRight = (bytes: Uint8Array): boolean => checksumRight(bytes.subarray(0, headerLength(bytes)));

/** What the first 20 bytes and the header length say; null: the header may be read. Order of faults as ip_rcv_core (net/ipv4/ip_input.c). */
export function checkHeader(bytes: Uint8Array): Ipv4Fault | null {
  if (bytes.length < 20) return 'short';
  if (u8(bytes, 0) >> 4 !== 4) return 'version';
  if (headerLength(bytes) < 20) return 'header-length';
  if (bytes.length < headerLength(bytes)) return 'short';
  return null;
}
