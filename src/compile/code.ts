/** Writes the code section: tests, lists of tests, steps, edges and nodes, equal ones once. Layout: abi/program.ts. */
import { WALKS_SIZE } from '../abi/image.ts';
import {
  END_HIT,
  NODE_TABLE,
  STEP_CALL,
  STEP_EFFECT,
  STEP_EFFECT_PARAMETERS,
  STEP_MARK,
  STEP_NAT,
  STEP_NOTRACK,
  STEP_RETURN,
  STEP_SEARCH,
  STEP_TESTS,
  TEST_DROPS,
  TEST_INVERT,
  TEST_MASK,
  TEST_RANGE,
  TEST_RANGES,
  TEST_SPECIAL,
  TEST_WORD_RANGE,
  TEST_WORDS,
} from '../abi/program.ts';
import type { Test } from '../model/predicate.ts';
import { KnownWords } from './known-words.ts';
import { natWords } from './nat.ts';
import { Numbers } from './numbers.ts';
import type { Segments } from './segments.ts';
import type { DropRopes, PacketAction } from './steps.ts';
import type { CompiledTest } from './tests.ts';

/** A step as it is written: segments are (rope, evaluations), nexts are verdicts or offsets of steps. */
export interface CodeEdge {
  rope: number;
  evaluations: number;
  next: number;
}

/** Kinds of lists of words; only equal ones of one kind are one. */
const EDGE = 0;
const STEP = 1;
const LIST = 2;
const NAT = 3;
const PARAMETERS = 4;

export class Code {
  readonly segments: Segments;
  private words = new Uint32Array(1 << 12);
  private length = WALKS_SIZE / 4;
  /** Indices of words that hold a segment number. */
  private readonly segmentWords = new Numbers();
  private readonly known = new KnownWords();
  /** By number of a test; 0 where it is not written. */
  private testOffsets = new Uint32Array(64);
  steps = 0;
  nodes = 0;

  constructor(segments: Segments) {
    this.segments = segments;
  }

  get size(): number {
    return this.length * 4;
  }

  setWalk(word: number, root: number, policy: number): void {
    this.words[word] = root;
    this.words[word + 1] = policy;
  }

  edge(edge: CodeEdge): number {
    const segment = this.segments.number(edge.rope, edge.evaluations);
    return this.once(EDGE, [segment, edge.next], [0]);
  }

  /** `drops`: what happened when a test drops the packet. */
  testStep(tests: readonly CompiledTest[], end: number, hit: CodeEdge, miss: CodeEdge, drops: DropRopes): number {
    const list = this.list(tests);
    const head = (STEP_TESTS | (tests.length << 8) | (end << 24)) >>> 0;
    const hitSegment = this.segments.number(hit.rope, hit.evaluations);
    const missSegment = this.segments.number(miss.rope, miss.evaluations);
    const dropSegment = this.segments.number(drops.silent, 1);
    const matchedSegment = this.segments.number(drops.matched, 1);
    return this.step([head, list, hitSegment, hit.next, missSegment, miss.next, dropSegment, matchedSegment], [2, 4, 6, 7]);
  }

  actionStep(action: PacketAction, edge: CodeEdge): number {
    const segment = this.segments.number(edge.rope, edge.evaluations);
    const [head, first, ...rest] = this.actionWords(action);
    return this.step([head, first, segment, edge.next, ...rest], [2]);
  }

  callStep(target: number, after: number): number {
    return this.step([STEP_CALL, 0, 0, target, 0, after, 0, 0], []);
  }

  returnStep(): number {
    return this.step([STEP_RETURN, 0, 0, 0, 0, 0, 0, 0], []);
  }

  /** A search of `entries` entries, in groups with these trees (references of their roots); the entries' edges are to follow (`entry`). */
  search(roots: readonly number[], entries: number): number {
    return this.put([entries, ...roots]);
  }

  entry({ rope, evaluations, next }: CodeEdge): void {
    this.grow(2);
    this.segmentWords.push(this.length);
    this.words[this.length] = this.segments.number(rope, evaluations);
    this.words[this.length + 1] = next;
    this.length += 2;
  }

  /** A step of a search's leaf: what happens on its edges is not counted. */
  searchedStep(tests: readonly CompiledTest[], hit: number, miss: number): number {
    return this.step([(STEP_TESTS | (tests.length << 8) | (END_HIT << 24)) >>> 0, this.list(tests), 0, hit, 0, miss, 0, 0], []);
  }

  /** `search`: of `groups` groups; `miss`: when it finds nothing. */
  searchStep(search: number, groups: number, miss: CodeEdge): number {
    const segment = this.segments.number(miss.rope, miss.evaluations);
    return this.step([(STEP_SEARCH | (groups << 8)) >>> 0, search, segment, miss.next, 0, 0, 0, 0], [2]);
  }

  /** Room for a node of so many words; nodes are filled when their children have their places. */
  reserve(words: number): number {
    const at = this.length;
    this.grow(words);
    this.length += words;
    this.nodes++;
    return at * 4;
  }

  binaryNode(offset: number, field: number, at: number, left: number, right: number): void {
    this.words.set([field * 4, at, left, right], offset / 4);
  }

  tableNode(offset: number, field: number, classes: Uint8Array, children: readonly number[]): void {
    const word = offset / 4;
    this.words[word] = (field * 4) | NODE_TABLE;
    this.words[word + 1] = children.length;
    new Uint8Array(this.words.buffer, offset + 8, 256).set(classes);
    this.words.set(children, word + 66);
  }

  /** The section with final segment numbers, in the memory it was written to. */
  finish(final: Uint32Array): Uint8Array {
    const { length, values } = this.segmentWords;
    for (let place = 0; place < length; place++) {
      const index = values[place]!;
      this.words[index] = final[this.words[index]!]!;
    }
    return new Uint8Array(this.words.buffer, 0, this.length * 4);
  }

  private step(words: readonly number[], segments: readonly number[]): number {
    const before = this.length;
    const offset = this.once(STEP, words, segments);
    if (this.length !== before) this.steps++;
    return offset;
  }

  /** The head of an action's step and its five parameters. */
  private actionWords(action: PacketAction): [number, number, number, number, number, number] {
    switch (action.kind) {
      case 'mark':
        return [STEP_MARK, action.mask, action.value, 0, 0, 0];
      case 'notrack':
        return [STEP_NOTRACK, 0, 0, 0, 0, 0];
      case 'nat': {
        const words = natWords(action.spec);
        return [STEP_NAT, this.once(NAT, words, []), 0, 0, 0, 0];
      }
      case 'effect': {
        const { parameters } = action;
        const many = parameters.length > STEP_EFFECT_PARAMETERS;
        const words = many ? [this.once(PARAMETERS, parameters, [])] : parameters;
        const [first = 0, second = 0, third = 0, fourth = 0, fifth = 0] = words;
        return [STEP_EFFECT | (action.code << 8), first, second, third, fourth, fifth];
      }
    }
  }

  private list(tests: readonly CompiledTest[]): number {
    if (tests.length > 0xffff) throw new RangeError('more than 65535 matches in a rule');
    const offsets: number[] = [];
    for (let index = 0; index < tests.length; index++) offsets.push(this.test(tests[index]!));
    return this.once(LIST, offsets, []);
  }

  private test(test: CompiledTest): number {
    if (test.id >= this.testOffsets.length) {
      const larger = new Uint32Array(test.id * 2);
      larger.set(this.testOffsets);
      this.testOffsets = larger;
    }
    const known = this.testOffsets[test.id]!;
    if (known !== 0) return known;
    const offset = this.put(testWords(test));
    this.testOffsets[test.id] = offset;
    return offset;
  }

  private once(kind: number, words: readonly number[], segments: readonly number[]): number {
    const known = this.known.find(kind, words, this.words);
    if (known >= 0) return known * 4;
    const offset = this.put(words);
    for (const index of segments) this.segmentWords.push(offset / 4 + index);
    this.known.add(offset / 4);
    return offset;
  }

  private put(words: readonly number[]): number {
    this.grow(words.length);
    this.words.set(words, this.length);
    const offset = this.length * 4;
    this.length += words.length;
    return offset;
  }

  private grow(words: number): void {
    if (this.length + words <= this.words.length) return;
    const larger = new Uint32Array(Math.max(this.words.length * 2, this.length + words));
    larger.set(this.words);
    this.words = larger;
  }
}

function testWords({ test, invert, drops, state }: CompiledTest): number[] {
  const flags = (invert ? TEST_INVERT : 0) | (drops ? TEST_DROPS : 0);
  return [...bodyWords(test, flags, state)].map((word) => word >>> 0);
}

function bodyWords(test: Test, flags: number, state: number): number[] {
  switch (test.kind) {
    case 'range':
      if (test.low >>> 0 > test.high >>> 0) return [TEST_MASK | flags, test.field * 4, 0, 1];
      return [TEST_RANGE | flags, test.field * 4, test.low, test.high - test.low];
    case 'mask':
      return [TEST_MASK | flags, test.field * 4, test.mask, test.value];
    case 'ranges': {
      const ranges = test.ranges.filter(([low, high]) => low >>> 0 <= high >>> 0);
      return [
        TEST_RANGES | flags,
        test.fields.length,
        ranges.length,
        ...test.fields.map((field) => field * 4),
        ...ranges.flatMap(([low, high]) => [low, high - low]),
      ];
    }
    case 'words':
      return [
        TEST_WORDS | flags,
        test.field * 4,
        test.mask.length,
        ...test.mask.flatMap((mask, at) => [mask, test.value[at] ?? 0]),
      ];
    case 'wordRange':
      return [TEST_WORD_RANGE | flags, test.field * 4, test.low.length, ...test.low, ...test.high];
    case 'special':
      return [TEST_SPECIAL, test.code, Math.max(state, 0), test.parameters.length, ...test.parameters];
    case 'constant':
      // Constants are decided in every box; a mask of nothing is one.
      return [TEST_MASK, 0, 0, test.value ? 0 : 1];
  }
}
