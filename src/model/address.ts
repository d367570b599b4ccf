/** Addresses and masks: u32 words in host order, most significant first (one for IPv4, four for IPv6), read and printed as iptables does. */
import { parseUnsigned } from './numbers.ts';
import type { Family, Words } from './ruleset.ts';

/** Bits of an address. */
export const widthOf = (family: Family): number => (family === 4 ? 32 : 128);

/**
 * A numeric address: IPv4 in one to four parts, each decimal, octal or hexadecimal; IPv6 in every form of RFC 4291, a scope behind `%` (a device's
 * name for link-local addresses only, a number for all, as getaddrinfo has it) is dropped. undefined for host names and nonsense.
 *
 * IPv4 parts are network bytes first (`10.1` is 10.1.0.0, as libxtables completes it); where that does not fit, inet_aton's reading
 * (`167772161`, `1.2.65535`) is taken, as getaddrinfo would.
 */
export function parseAddress(text: string, family: Family): Words | undefined {
  if (family === 6) return parseAddress6(text);
  const value = networkBytes(text) ?? inetAton(text);
  return value === undefined ? undefined : [value];
}

/** An address of either family, an IPv4 one with all its four parts: of fewer the tools make an address too, and hardly the one that was meant. */
export function parseWhole(text: string): { family: Family; address: Words } | undefined {
  const family: Family = text.includes(':') ? 6 : 4;
  const address = family === 6 || text.split('.').length === 4 ? parseAddress(text, family) : undefined;
  return address === undefined ? undefined : { family, address };
}

/** The same where iptables asks inet_pton: an IPv6 address has no scope. */
export function parseUnscoped(text: string, family: Family): Words | undefined {
  return text.includes('%') ? undefined : parseAddress(text, family);
}

/** As getaddrinfo reads a number of the family: IPv4 parts as inet_aton takes them (`24` is 0.0.0.24). undefined for host names and nonsense. */
export function parseHost(text: string, family: Family): Words | undefined {
  if (family === 6) return parseAddress6(text);
  const value = inetAton(text);
  return value === undefined ? undefined : [value];
}

function networkBytes(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length > 4) return undefined;
  let value = 0;
  for (let i = 0; i < 4; i++) {
    const part = parts[i];
    const byte = part === undefined ? 0 : parseUnsigned(part, 255);
    if (byte === undefined) return undefined;
    value = value * 256 + byte;
  }
  return value;
}

function inetAton(text: string): number | undefined {
  if (!/^[0-9a-fA-FxX.]+$/.test(text)) return undefined;
  const parts = text.split('.');
  const last = parts.pop() ?? '';
  if (parts.length > 3) return undefined;
  let value = 0;
  for (const part of parts) {
    const byte = parseUnsigned(part, 255);
    if (byte === undefined) return undefined;
    value = value * 256 + byte;
  }
  const room = 2 ** (8 * (4 - parts.length));
  const rest = parseUnsigned(last, room - 1);
  return rest === undefined ? undefined : value * room + rest;
}

function parseAddress6(text: string): Words | undefined {
  const bare = text.replace(/%[^%]+$/, '');
  if (bare !== text && !/^fe[89ab]|^ff.2|%\d+$/i.test(text)) return undefined;
  const halves = bare.split('::');
  if (halves.length > 2) return undefined;
  const head = groups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return [0, 2, 4, 6].map((i) => (all[i] ?? 0) * 65536 + (all[i + 1] ?? 0));
}

/** Colon-separated groups; the last may be a dotted quad when it ends the address. */
function groups(text: string, endsAddress: boolean): number[] | undefined {
  if (text === '') return [];
  const out: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      out.push(Number.parseInt(part, 16));
      continue;
    }
    const quad = endsAddress && i === parts.length - 1 ? dottedQuad(part) : undefined;
    if (quad === undefined) return undefined;
    out.push(quad >>> 16, quad & 0xffff);
  }
  return out;
}

function dottedQuad(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

/** What stands behind the slash: a prefix length or a whole mask (all four bytes in IPv4); it need not be contiguous. */
export function parseMask(text: string, family: Family): Words | undefined {
  if (family === 4) {
    const dotted = text.split('.').length === 4 ? networkBytes(text) : undefined;
    if (dotted !== undefined) return [dotted];
  } else {
    const address = text.includes('%') ? undefined : parseAddress6(text);
    if (address !== undefined) return address;
  }
  const bits = parseUnsigned(text, widthOf(family));
  return bits === undefined ? undefined : prefixMask(bits, family);
}

/** The mask of a prefix length. */
export function prefixMask(bits: number, family: Family): Words {
  if (family === 4) return [ones(bits)];
  return [ones(bits), ones(bits - 32), ones(bits - 64), ones(bits - 96)];
}

/** A word whose first bits are set: so many, or none, or all. */
function ones(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0;
}

/** The prefix length of a contiguous mask, else undefined. */
export function prefixOf(mask: Words): number | undefined {
  const bits = mask.map((word) => (word >>> 0).toString(2).padStart(32, '0')).join('');
  const ones = bits.indexOf('0') < 0 ? bits.length : bits.indexOf('0');
  return bits.indexOf('1', ones) < 0 ? ones : undefined;
}

/** Word by word AND. */
export function maskAddress(address: Words, mask: Words): Words {
  return address.map((word, i) => (word & (mask[i] ?? 0)) >>> 0);
}

/** Dotted quad, or IPv6 as inet_ntop of the GNU library prints it (lower case, longest run of zeros shortened, `::1.2.3.4` and `::ffff:1.2.3.4`). */
export function formatAddress(address: Words): string {
  return address.length === 1 ? quad(address[0] ?? 0) : formatAddress6(address);
}

function quad(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

function formatAddress6(address: Words): string {
  const all = address.flatMap((word) => [word >>> 16, word & 0xffff]);
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && all[i + run] === 0) run++;
    if (run > length) {
      start = i;
      length = run;
    }
  }
  const embedded = start === 0 && (length === 6 || (length === 5 && all[5] === 0xffff));
  const text = all.map((group) => group.toString(16));
  if (embedded) text.splice(6, 2, quad(address[3] ?? 0));
  if (start < 0) return text.join(':');
  return `${text.slice(0, start).join(':')}::${text.slice(start + length).join(':')}`;
}

/** What iptables-save prints behind the slash: the prefix length, or the mask when it is not contiguous. */
export function formatMask(mask: Words): string {
  const prefix = prefixOf(mask);
  return prefix === undefined ? formatAddress(mask) : String(prefix);
}

/** A mask of all ones: it leaves an address as it is. */
export const isWhole = (mask: Words): boolean => mask.every((word) => word >>> 0 === 0xffffffff);
