/** SCTP (RFC 9260): common header, chunks, and the CRC32c over both. Callers of the readers have checked the length. */
import { u8, u16, u32 } from './bytes.ts';

export const HEADER_LENGTH = 12;
export const CHUNK_HEADER_LENGTH = 4;

export const DATA = 0;
export const INIT = 1;
export const INIT_ACK = 2;
export const HEARTBEAT = 4;
export const HEARTBEAT_ACK = 5;
export const ABORT = 6;
export const SHUTDOWN = 7;
export const SHUTDOWN_ACK = 8;
export const ERROR = 9;
export const COOKIE_ECHO = 10;
export const COOKIE_ACK = 11;
export const SHUTDOWN_COMPLETE = 14;

/** Of ABORT and SHUTDOWN COMPLETE: the verification tag is the peer's own, given back. */
export const FLAG_T = 1;

/** One chunk: where its header stands in the message, and what the header says. `length` is that of the header and all it announces, without padding. */
export interface Chunk {
  at: number;
  type: number;
  flags: number;
  length: number;
}

export const hasHeader = (message: Uint8Array): boolean => message.length >= HEADER_LENGTH;

/** Zero in a packet that begins an association. */
export const verificationTag = (message: Uint8Array): number => u32(message, 4);

/** The chunks whose headers are there, one behind the other at multiples of four bytes. One of length 0, which leads nowhere, is the last. */
export function* chunksOf(message: Uint8Array): Iterable<Chunk> {
  for (let at = HEADER_LENGTH; at + CHUNK_HEADER_LENGTH <= message.length; ) {
    const length = u16(message, at + 2);
    yield { at, type: u8(message, at), flags: u8(message, at + 1), length };
    if (length === 0) return;
    at += (length + 3) & ~3;
  }
}

/** The initiate tag of an INIT or INIT ACK; undefined when not all of the chunk's fixed part is there. */
export function initiateTag(message: Uint8Array, { at }: Chunk): number | undefined {
  const fixed = 16;
  return at + CHUNK_HEADER_LENGTH + fixed <= message.length ? u32(message, at + CHUNK_HEADER_LENGTH) : undefined;
}

/** CRC32c (RFC 3309): the polynomial 0x1EDC6F41 with its bits turned around. */
const POLYNOMIAL = 0x82f63b78;
let table: Uint32Array | undefined;

/** What each byte makes of the checksum; worked out for the first message. */
function remainders(): Uint32Array {
  table ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
    return value;
  });
  return table;
}

/** The checksum of a message whose own checksum counts as zeros, as a number whose lowest byte comes first on the wire. */
export function crc32c(message: Uint8Array): number {
  const ofByte = remainders();
  let crc = 0xffffffff;
  for (let at = 0; at < message.length; at++) {
    const byte = at >= 8 && at < HEADER_LENGTH ? 0 : message[at]!;
    crc = (crc >>> 8) ^ ofByte[(crc ^ byte) & 255]!;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

export function checksumRight(message: Uint8Array): boolean {
  const stored = message[8]! + message[9]! * 0x100 + message[10]! * 0x10000 + message[11]! * 0x1000000;
  return crc32c(message) === stored;
}
