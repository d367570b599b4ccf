/** UDP (RFC 768): check once, then read. */
import { u16 } from './bytes.ts';

export const HEADER_LENGTH = 8;

export const hasHeader = (bytes: Uint8Array): boolean => bytes.length >= HEADER_LENGTH;
export const sourcePort = (bytes: Uint8Array): number => u16(bytes, 0);
export const destinationPort = (bytes: Uint8Array): number => u16(bytes, 2);
/** Header and data, as the header says. */
export const length = (bytes: Uint8Array): number => u16(bytes, 4);
/** 0: none was computed. */
export const checksum = (bytes: Uint8Array): number => u16(bytes, 6);
