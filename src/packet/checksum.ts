/** The Internet checksum (RFC 1071). */
import type { Words } from '../model/ruleset.ts';

/** Folded sum of 16-bit words over `bytes` (an odd last byte counts as high byte), starting from `start`. 0xffff over data that carries its own right checksum. */
export function sum16(bytes: Uint8Array, start = 0): number {
  let sum = start;
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += bytes[i]! * 256 + bytes[i + 1]!;
  if (bytes.length % 2 === 1) sum += bytes[bytes.length - 1]! * 256;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
  return sum;
}

/** Sum of the pseudo header of TCP, UDP and ICMPv6 (RFC 793, RFC 8200 8.1); `length` in bytes of the transport header and all behind it. */
export function pseudoHeaderSum(source: Words, destination: Words, protocol: number, length: number): number {
  let sum = protocol + (length >>> 16) + (length & 0xffff);
  for (const word of [...source, ...destination]) sum += (word >>> 16) + (word & 0xffff);
  return sum;
}

/** True when header and data of an IPv4 header or ICMP message sum up right. */
export function checksumRight(bytes: Uint8Array, start = 0): boolean {
  return sum16(bytes, start) === 0xffff;
}
