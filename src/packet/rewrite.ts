/** Changing header bytes, checksums kept right by what changes (RFC 1624), byte for byte as the kernel does it (csum_replace4, inet_proto_csum_replace16). */
import type { Family, Words } from '../model/ruleset.ts';
import { u16 } from './bytes.ts';

/** A sum of 16-bit words folded to 1..0xffff: never 0, as the kernel, which sums 32 bits of which the upper ones are set. */
function fold(sum: number): number {
  let folded = sum + 0xffff;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 65536);
  return folded;
}

/** The checksum field `old` after some 16-bit words of what it covers, `from`, became `to`. Gives 0..0xfffe. */
export function updatedChecksum(old: number, from: readonly number[], to: readonly number[]): number {
  const sum = from.reduce((total, word) => total + (~word & 0xffff), ~old & 0xffff);
  return ~fold(to.reduce((total, word) => total + word, sum)) & 0xffff;
}

/** 16-bit halves of 32-bit words. */
export const halves = (words: Words): number[] => words.flatMap((word) => [word >>> 16, word & 0xffff]);

export function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value & 0xff;
}

export function putWords(bytes: Uint8Array, at: number, words: Words): void {
  for (const [index, half] of halves(words).entries()) putU16(bytes, at + 2 * index, half);
}

/** The checksum at `at` follows a change of words it covers. */
export function updateChecksumAt(bytes: Uint8Array, at: number, from: readonly number[], to: readonly number[]): void {
  putU16(bytes, at, updatedChecksum(u16(bytes, at), from, to));
}

/** Where the addresses of the IP header at `ip` lie. */
export const addressAt = (family: Family, ip: number, source: boolean): number =>
  ip + (family === 4 ? (source ? 12 : 16) : source ? 8 : 24);

/** Another source or destination for the IP header at `ip`; IPv4's header checksum follows, transport checksums do not. */
export function putAddress(bytes: Uint8Array, family: Family, ip: number, source: boolean, address: Words): void {
  const at = addressAt(family, ip, source);
  if (family === 4) updateChecksumAt(bytes, ip + 10, [u16(bytes, at), u16(bytes, at + 2)], halves(address));
  putWords(bytes, at, address);
}

/** Adds to TTL or hop limit (modulo 256). */
export function addHops(bytes: Uint8Array, family: Family, hops: number): void {
  if (family === 4) putIpv4Byte(bytes, 8, bytes[8]! + hops);
  else bytes[7] = bytes[7]! + hops;
}

/** Another byte at an even or odd place of the IPv4 header (TOS, TTL), whose checksum follows. */
export function putIpv4Byte(bytes: Uint8Array, at: number, value: number): void {
  const word = at & ~1;
  const from = u16(bytes, word);
  bytes[at] = value;
  updateChecksumAt(bytes, 10, [from], [u16(bytes, word)]);
}
