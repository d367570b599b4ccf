/** Images damaged on purpose: anywhere, in the header, at the ends of sections, and in the words of the program that are followed. */
import * as abi from '../../src/abi/image.ts';
import * as program from '../../src/abi/program.ts';
import { checksum } from '../../src/compile/image.ts';
import type { Random } from '../cli/random.ts';

const EDGES = [
  ...[0, 1, 2, 3, 4, 5, 8, 15, 16, 63, 64, 124, 128, 255, 256, 400, 0xffff, 0x1_0000, 0xff_0000],
  ...[0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_0000, 0xffff_fff0, 0xffff_fffc, 0xffff_ffff],
];
const SECTIONS = [
  abi.IMAGE_WORD_CODE,
  abi.IMAGE_WORD_SEGMENTS,
  abi.IMAGE_WORD_ROPES,
  abi.IMAGE_WORD_EVENTS,
  abi.IMAGE_WORD_HOST,
  abi.IMAGE_WORD_CONNTRACK,
  abi.IMAGE_WORD_INTERFACES,
];

/** Changed in one to three places; most of the time with size and checksum made right, so that the checks behind them are met. */
export function damageImage(image: Uint8Array, random: Random): Uint8Array {
  let bytes = image.slice();
  for (let times = 1 + random.below(3); times > 0; times--) {
    const words = new Uint32Array(bytes.buffer, 0, bytes.length >>> 2);
    if (words.length <= abi.IMAGE_HEADER_WORDS) break;
    const way = random.below(10);
    if (way === 0) bytes = bytes.slice(0, random.below(bytes.length + 1));
    else if (way === 1) bytes[random.below(bytes.length)] = random.below(256);
    else change(words, random);
  }
  return random.below(12) === 0 ? bytes : sealed(bytes);
}

function change(words: Uint32Array, random: Random): void {
  const at = place(words, random);
  switch (random.below(6)) {
    case 0:
      words[at] = words[at]! ^ (1 << random.below(32));
      return;
    case 1:
    case 2:
      words[at] = random.pick(EDGES);
      return;
    case 3:
      words[at] = words[at]! + random.pick([-4, -1, 1, 4, 16, 24, 256, 0x100_0000]);
      return;
    case 4:
      words[at] = words[place(words, random)]!;
      return;
    default:
      words[at] = (words[at]! & 0xffff_ff00) | random.below(256);
  }
}

function place(words: Uint32Array, random: Random): number {
  const inside = (at: number): number => Math.max(0, Math.min(words.length - 1, at));
  const start = inside(words[random.pick(SECTIONS)]! >>> 2);
  switch (random.below(6)) {
    case 0:
      return random.below(abi.IMAGE_HEADER_WORDS);
    case 1:
      return inside(start + random.below(random.pick([8, 64, 120])));
    case 2:
      return random.below(words.length);
    default: {
      const followed = programWords(words);
      return followed.length === 0 ? random.below(words.length) : random.pick(followed);
    }
  }
}

/** Indices of the words of walks, nodes, edges, steps, searches and tests, as far as they can be followed; those of one kind of thing are not more than those of another. */
function programWords(words: Uint32Array): number[] {
  const base = words[abi.IMAGE_WORD_CODE]! >>> 2;
  const kinds: Record<'walk' | 'node' | 'edge' | 'step' | 'search' | 'test', number[]> = {
    walk: [],
    node: [],
    edge: [],
    step: [],
    search: [],
    test: [],
  };
  const seen = new Set<number>();
  const word = (at: number): number => words[base + at / 4] ?? 0;
  const put = (kind: keyof typeof kinds, at: number, count: number): boolean => {
    if (seen.has(at) || at % 4 !== 0 || base + at / 4 + count > words.length) return false;
    seen.add(at);
    for (let index = 0; index < count; index++) kinds[kind].push(base + at / 4 + index);
    return true;
  };
  const test = (at: number): void => {
    put('test', at, Math.min(8, (word(at) & program.TEST_OPCODE) === program.TEST_SPECIAL ? 4 + word(at + 12) : 4));
  };
  const step = (at: number): void => {
    if (at < program.NEXT_STEP || !put('step', at, 8)) return;
    const kind = word(at) & 255;
    if (kind === program.STEP_RETURN) return;
    step(word(at + program.STEP_HIT_NEXT));
    if (kind === program.STEP_SEARCH) search(word(at + program.STEP_LIST), Math.min(256, word(at) >>> 8));
    if (kind === program.STEP_CALL || kind === program.STEP_TESTS) step(word(at + program.STEP_MISS_NEXT));
    if (kind !== program.STEP_TESTS) return;
    const list = word(at + program.STEP_LIST);
    for (let index = 0; index < ((word(at) >>> 8) & 255); index++)
      if (put('step', list + index * 4, 1)) test(word(list + index * 4));
  };
  const edge = (at: number): void => {
    if (put('edge', at, 2)) step(word(at + 4));
  };
  const search = (at: number, groups: number): void => {
    const roots = at + program.SEARCH_GROUPS;
    const edges = roots + groups * program.SEARCH_GROUP_SIZE;
    if (!put('search', at, (edges - at) / 4)) return;
    for (let group = 0; group < groups; group++) reference(word(roots + group * program.SEARCH_GROUP_SIZE));
    for (let entry = 0; entry < Math.min(64, word(at)); entry++) edge(edges + entry * program.EDGE_SIZE);
  };
  const reference = (at: number): void => {
    if ((at & program.REF_EDGE) !== 0) {
      edge(at - program.REF_EDGE);
      return;
    }
    const table = (word(at) & program.NODE_TABLE) !== 0;
    if (!put('node', at, table ? 2 : 4)) return;
    const count = table ? Math.min(256, word(at + 4)) : 2;
    for (let index = 0; index < count; index++) reference(word(at + (table ? program.NODE_TABLE_CHILDREN : 8) + index * 4));
  };
  for (let walk = 0; walk < abi.WALKS; walk++) {
    if (word(walk * 8) === 0) continue;
    kinds.walk.push(base + walk * 2, base + walk * 2 + 1);
    reference(word(walk * 8));
    edge(word(walk * 8 + 4));
  }
  const lists = Object.values(kinds).filter((list) => list.length > 0);
  const most = Math.min(400, Math.max(0, ...lists.map((list) => list.length)));
  return lists.flatMap((list) => Array.from({ length: most }, (_, index) => list[(index * 7919) % list.length]!));
}

/** Size and checksum made right. */
function sealed(bytes: Uint8Array): Uint8Array {
  const whole = bytes.slice(0, bytes.length & ~3);
  if (whole.length < abi.IMAGE_HEADER_SIZE) return whole;
  const header = new Uint32Array(whole.buffer, 0, abi.IMAGE_HEADER_WORDS);
  header[abi.IMAGE_WORD_LABEL] = abi.IMAGE_LABEL;
  header[abi.IMAGE_WORD_VERSION] = abi.IMAGE_VERSION;
  header[abi.IMAGE_WORD_SIZE] = whole.length;
  header[abi.IMAGE_WORD_CHECKSUM] = checksum(whole);
  return whole;
}
