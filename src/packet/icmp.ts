/** ICMP (RFC 792) and ICMPv6 (RFC 4443): check once, then read. */
import { u8, u16 } from './bytes.ts';

export const HEADER_LENGTH = 8;

export const hasHeader = (bytes: Uint8Array): boolean => bytes.length >= HEADER_LENGTH;
export const type = (bytes: Uint8Array): number => u8(bytes, 0);
export const code = (bytes: Uint8Array): number => u8(bytes, 1);
/** Identifier of echo and its like. */
export const identifier = (bytes: Uint8Array): number => u16(bytes, 4);
