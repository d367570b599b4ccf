/** `sctp --chunk-types`: kinds of chunks and their flags, read, printed, and looked for in a packet (xt_sctp.c, match_packet). */
import * as sctp from '../packet/sctp.ts';
import type { GivenOption } from './extension.ts';
import { bang, type Given } from './given.ts';

const WAYS = ['any', 'all', 'only'] as const;

export interface ChunkTypes {
  way: (typeof WAYS)[number];
  /** Sorted. Every number from 0 to 255 for ALL. */
  types: readonly number[];
  /** (flags of the chunk & mask) === value, for chunk types that are asked for their flags. */
  flags: readonly { type: number; mask: number; value: number }[];
  invert: boolean;
}

const TYPES: readonly (readonly [string, number])[] = [
  ['DATA', 0],
  ['INIT', 1],
  ['INIT_ACK', 2],
  ['SACK', 3],
  ['HEARTBEAT', 4],
  ['HEARTBEAT_ACK', 5],
  ['ABORT', 6],
  ['SHUTDOWN', 7],
  ['SHUTDOWN_ACK', 8],
  ['ERROR', 9],
  ['COOKIE_ECHO', 10],
  ['COOKIE_ACK', 11],
  ['ECN_ECNE', 12],
  ['ECN_CWR', 13],
  ['SHUTDOWN_COMPLETE', 14],
  ['I_DATA', 64],
  ['ASCONF_ACK', 128],
  ['RE_CONFIG', 130],
  ['PAD', 132],
  ['FORWARD_TSN', 192],
  ['ASCONF', 193],
  ['I_FORWARD_TSN', 194],
];
/** Letters of the flag bits, from bit 7 to bit 0; where one stands several times iptables takes the first. */
const LETTERS: Readonly<Record<number, string>> = { 0: '----IUBE', 6: '-------T', 14: '-------T' };
const EVERY = Array.from({ length: 256 }, (_, type) => type);
/** Names of the chunk types that `generate` writes, with flags where there are any. */
export const CHUNK_WORDS = [...TYPES.map(([name]) => name), 'DATA:Be', 'DATA:u', 'DATA:UBEi', 'ABORT:T', 'SHUTDOWN_COMPLETE:t'];

export function readChunkTypes(all: Given, one: GivenOption): ChunkTypes {
  const [word = '', list] = one.values;
  const way = WAYS.find((each) => each === word.toLowerCase());
  if (way === undefined || list === undefined)
    throw all.wants(one, 'any, all or only, then a list of chunk types', '--chunk-types any INIT,DATA');
  if (list.toUpperCase() === 'ALL') return { way, types: EVERY, flags: [], invert: one.invert };
  if (list.toUpperCase() === 'NONE') return { way, types: [], flags: [], invert: one.invert };
  const types = new Set<number>();
  const flags = new Map<number, { type: number; mask: number; value: number }>();
  for (const part of list.split(',')) {
    if (part === '') continue;
    const colon = part.indexOf(':');
    const type = typeNamed(colon < 0 ? part : part.slice(0, colon));
    if (type === undefined) throw all.wants(one, `a list of ${TYPES.map(([name]) => name).join(', ')}, or ALL or NONE`);
    types.add(type);
    for (const letter of colon < 0 ? '' : part.slice(colon + 1)) {
      const place = (LETTERS[type] ?? '').indexOf(letter.toUpperCase());
      if (place < 0) throw all.wants(one, `flags of the chunk type: ${flagHint(type)}`);
      const before = flags.get(type) ?? { type, mask: 0, value: 0 };
      const bit = 0x80 >> place;
      const set = letter !== letter.toLowerCase();
      flags.set(type, { type, mask: before.mask | bit, value: set ? before.value | bit : before.value });
    }
  }
  const byType = (a: number, b: number): number => a - b;
  return {
    way,
    types: [...types].sort(byType),
    flags: [...flags.values()].sort((a, b) => byType(a.type, b.type)),
    invert: one.invert,
  };
}

const typeNamed = (name: string): number | undefined => TYPES.find(([word]) => word === name.toUpperCase())?.[1];

function flagHint(type: number): string {
  const letters = (LETTERS[type] ?? '').replaceAll('-', '');
  return letters === '' ? 'it has none' : `${letters} set, ${letters.toLowerCase()} not set`;
}

export function printChunkTypes({ way, types, flags, invert }: ChunkTypes): string {
  const one = (type: number): string => {
    const name = TYPES.find(([, number]) => number === type)?.[0] ?? '';
    const asked = flags.find((each) => each.type === type);
    return asked === undefined ? name : `${name}:${letters(type, asked.mask, asked.value)}`;
  };
  const list = types.length === EVERY.length ? 'ALL' : types.length === 0 ? 'NONE' : types.map(one).join(',');
  return `${bang(invert)} --chunk-types ${way} ${list}`;
}

function letters(type: number, mask: number, value: number): string {
  return [...(LETTERS[type] ?? '')]
    .map((letter, place) => {
      const bit = 0x80 >> place;
      return (mask & bit) === 0 ? '' : (value & bit) !== 0 ? letter : letter.toLowerCase();
    })
    .join('');
}

/** What the chunks say, before inversion; `malformed` when one is reached that is not there or has no length, which drops the packet. */
export function chunksMatch({ way, types, flags }: ChunkTypes, message: Uint8Array): boolean | 'malformed' {
  const missing = new Set(types);
  let at = sctp.HEADER_LENGTH;
  do {
    if (at + sctp.CHUNK_HEADER_LENGTH > message.length) return 'malformed';
    const [type = 0, chunkFlags = 0, high = 0, low = 0] = message.subarray(at);
    const length = high * 256 + low;
    if (length === 0) return 'malformed';
    at += (length + 3) & ~3;
    const asked = flags.find((each) => each.type === type);
    const fits = types.includes(type) && (asked === undefined || (chunkFlags & asked.mask) === asked.value);
    if (way === 'any' && fits) return true;
    if (way === 'only' && !fits) return false;
    if (fits) missing.delete(type);
  } while (at < message.length);
  if (way === 'all') return missing.size === 0;
  return way === 'only';
}
