/** Addresses in the text of protocols: IPv6 as in6_pton (net/core/utils.c) reads it (leading zeros in any number, the last two words in dotted decimal if they like), and what lib/vsprintf.c prints. */
import type { Words } from '../../../model/ruleset.ts';
import { halves } from '../../../packet/rewrite.ts';

const ZERO = 0;

/**
 * The address from the begin of the text to `end` (a byte), a zero byte or the end of the text. Out: four words of 32 bits, and how long the text of it is; null: there is
 * none, or something else.
 */
export function readAddress6(text: Uint8Array, end: number): { address: number[]; length: number } | null {
  const stop = text.findIndex((byte) => byte === end || byte === ZERO);
  const length = stop < 0 ? text.length : stop;
  const written = String.fromCharCode(...text.subarray(0, length));
  const dotted = /^([0-9a-f:]*:)([0-9.]*)(?::.*)?$/is.exec(written);
  const tail = dotted?.[2]?.includes('.') ? readDotted(dotted[2]) : undefined;
  if (tail === null) return null;
  // A colon behind the dotted part ends the address, too.
  const spoken = tail === undefined ? written : `${dotted![1]}${tail.map((half) => half.toString(16)).join(':')}`;
  const halves = readHalves(spoken);
  if (halves === null) return null;
  const used = tail === undefined ? length : dotted![1]!.length + dotted![2]!.length;
  const address = [0, 2, 4, 6].map((i) => ((halves[i]! << 16) | halves[i + 1]!) >>> 0);
  return used === 0 ? null : { address, length: used };
}

/** Eight halves of words; a double colon stands for one or more of zeros. */
function readHalves(written: string): number[] | null {
  const sides = written.split('::');
  if (sides.length > 2) return null;
  const [left = [], right] = sides.map((side) => (side === '' ? [] : side.split(':')));
  const all = [...left, ...(right ?? [])];
  if (all.some((half) => !/^0*[0-9a-f]{1,4}$/i.test(half))) return null;
  if (right === undefined ? all.length !== 8 : all.length > 7) return null;
  const zeros = new Array<string>(8 - all.length).fill('0');
  return [...left, ...zeros, ...(right ?? [])].map((half) => Number.parseInt(half, 16));
}

/** Two halves of four numbers up to 255. */
function readDotted(written: string): [number, number] | null {
  const words = written.split('.');
  const parts = words.map(Number);
  if (parts.length !== 4 || words.includes('') || parts.some((part) => part > 255)) return null;
  const [a = 0, b = 0, c = 0, d = 0] = parts;
  return [a * 256 + b, c * 256 + d];
}

/** An address as the kernel prints it (%pI4, %pI6c): the first longest run of two zeros and more is left out; one that holds an address of IPv4 (mapped, ISATAP) ends with that. */
export function printAddress(address: Words): string {
  const quad = (word: number): string => [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff).join('.');
  if (address.length === 1) return quad(address[0]!);
  const [first, second, third, last] = address as readonly [number, number, number, number];
  const holds = (first === 0 && second === 0 && third === 0xffff) || (third | 0x02000000) >>> 0 === 0x02005efe;
  const groups = halves(holds ? [first, second, third] : address).map((half) => half.toString(16));
  const runs = groups.map((_, at) => {
    const end = groups.findIndex((group, i) => i >= at && group !== '0');
    return (end < 0 ? groups.length : end) - at;
  });
  const longest = Math.max(...runs);
  const all = holds ? [...groups, quad(last)] : groups;
  if (longest < 2) return all.join(':');
  const at = runs.indexOf(longest);
  return `${all.slice(0, at).join(':')}::${all.slice(at + longest).join(':')}`;
}
