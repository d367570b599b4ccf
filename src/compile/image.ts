/** Pass: puts the sections of an image together. Layout: abi/image.ts. */
import * as abi from '../abi/image.ts';
import type { LogRequest } from '../model/log.ts';
import { type Ropes, type Segments, type UsedRopes, usedRopes } from './segments.ts';
import type { KeptState } from './tests.ts';

/** What the host program needs to name things; kept as JSON in the image. */
export interface ImageNames {
  tables: {
    family: 4 | 6;
    name: string;
    /** Number of the table's first chain. */
    first: number;
    chains: { name: string; policy: 'ACCEPT' | 'DROP' | null; rules: number }[];
  }[];
  notes: string[];
  /** What LOG rules ask for, by their numbers. */
  logs: readonly LogRequest[];
  kept: readonly KeptState[];
}

export interface ImageParts {
  code: Uint8Array;
  segments: Segments;
  /** Final segment numbers. */
  final: Uint32Array;
  visible: number;
  ropes: Ropes;
  names: ImageNames;
  /** The host block (abi/host.ts). */
  host: Uint8Array;
  conntrack: Uint8Array;
  /** The interface names (abi/host.ts NAMES_*), for the record reader. */
  interfaces: Uint8Array;
  /** Sets of ipset (abi/sets.ts). */
  sets: Uint8Array;
  states: number;
  stack: number;
  flags: number;
  hz: number;
}

/** The bytes of an image. */
export function assembleImage(parts: ImageParts): Uint8Array {
  const used = usedRopes(parts.ropes, parts.segments);
  const sections = [
    parts.code,
    segmentSection(parts, used),
    ropeSection(used),
    eventSection(used),
    new TextEncoder().encode(JSON.stringify(parts.names)),
    parts.host,
    parts.conntrack,
    parts.interfaces,
    parts.sets,
  ];
  const offsets: number[] = [];
  let size = abi.IMAGE_HEADER_SIZE;
  for (const section of sections) {
    offsets.push(size);
    size += (section.length + 15) & ~15;
  }
  const bytes = new Uint8Array(size);
  for (const [index, section] of sections.entries()) bytes.set(section, offsets[index]!);
  const header = new Uint32Array(bytes.buffer, 0, abi.IMAGE_HEADER_WORDS);
  header[abi.IMAGE_WORD_LABEL] = abi.IMAGE_LABEL;
  header[abi.IMAGE_WORD_VERSION] = abi.IMAGE_VERSION;
  header[abi.IMAGE_WORD_SIZE] = size;
  header[abi.IMAGE_WORD_CODE] = offsets[0]!;
  header[abi.IMAGE_WORD_CODE_SIZE] = parts.code.length;
  header[abi.IMAGE_WORD_SEGMENTS] = offsets[1]!;
  header[abi.IMAGE_WORD_SEGMENT_COUNT] = parts.segments.length;
  header[abi.IMAGE_WORD_VISIBLE] = parts.visible;
  header[abi.IMAGE_WORD_ROPES] = offsets[2]!;
  header[abi.IMAGE_WORD_ROPE_COUNT] = used.left.length;
  header[abi.IMAGE_WORD_EVENTS] = offsets[3]!;
  header[abi.IMAGE_WORD_EVENT_COUNT] = used.events.length;
  header[abi.IMAGE_WORD_NAMES] = offsets[4]!;
  header[abi.IMAGE_WORD_NAMES_SIZE] = sections[4]!.length;
  header[abi.IMAGE_WORD_HOST] = offsets[5]!;
  header[abi.IMAGE_WORD_HOST_SIZE] = parts.host.length;
  header[abi.IMAGE_WORD_CONNTRACK] = offsets[6]!;
  header[abi.IMAGE_WORD_CONNTRACK_SIZE] = parts.conntrack.length;
  header[abi.IMAGE_WORD_INTERFACES] = offsets[7]!;
  header[abi.IMAGE_WORD_INTERFACES_SIZE] = parts.interfaces.length;
  header[abi.IMAGE_WORD_SETS] = offsets[8]!;
  header[abi.IMAGE_WORD_SETS_SIZE] = parts.sets.length;
  header[abi.IMAGE_WORD_STATES] = parts.states;
  header[abi.IMAGE_WORD_STACK] = parts.stack;
  header[abi.IMAGE_WORD_FLAGS] = parts.flags;
  header[abi.IMAGE_WORD_HZ] = parts.hz;
  header[abi.IMAGE_WORD_CREDITS] = creditsPerJiffy(parts.hz);
  header[abi.IMAGE_WORD_CHECKSUM] = checksum(bytes);
  return bytes;
}

/**
 * xt_limit.c CREDITS_PER_JIFFY: the largest power of two such that a day's worth of jiffies fits 32 bits.
 */
export function creditsPerJiffy(hz: number): number {
  const maximum = Math.floor(0xffffffff / (hz * 60 * 60 * 24));
  return 2 ** Math.floor(Math.log2(Math.max(1, maximum)));
}

/** FNV-1a over all words but the checksum itself. */
export function checksum(bytes: Uint8Array): number {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  let hash = 0x811c9dc5;
  for (let index = 0; index < words.length; index++) {
    if (index !== abi.IMAGE_WORD_CHECKSUM) hash = Math.imul(hash ^ words[index]!, 0x01000193);
  }
  return hash >>> 0;
}

function segmentSection({ segments, final }: ImageParts, used: UsedRopes): Uint8Array {
  const words = new Uint32Array(final.length * 2);
  for (let number = 0; number < final.length; number++) {
    const target = final[number]!;
    words[target * 2] = used.number[segments.ropes.values[number]!]!;
    words[target * 2 + 1] = segments.evaluations.values[number]!;
  }
  return new Uint8Array(words.buffer);
}

function ropeSection(ropes: UsedRopes): Uint8Array {
  const words = new Uint32Array(ropes.left.length * 2);
  for (let rope = 0; rope < ropes.left.length; rope++) {
    words[rope * 2] = ropes.left.values[rope]!;
    words[rope * 2 + 1] = ropes.right.values[rope]!;
  }
  return new Uint8Array(words.buffer);
}

function eventSection(ropes: UsedRopes): Uint8Array {
  const words = new Uint32Array(ropes.events.length * 3);
  for (let index = 0; index < ropes.events.length; index++) {
    const event = ropes.events[index]!;
    words[index * 3] = event.chain;
    words[index * 3 + 1] = event.number;
    words[index * 3 + 2] = event.word | (event.counts << 8);
  }
  return new Uint8Array(words.buffer);
}
