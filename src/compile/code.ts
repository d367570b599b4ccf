/** Writes the code section: tests, lists of tests, steps, edges and nodes, equal ones once. Layout: abi/program.ts. */
import { WALKS_SIZE } from '../abi/image.ts';
import {
  END_HIT,
  NEXT_DROP,
  NEXT_REJECT,
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

/** Of large sets that are searched. */
const WORDS_A_RULE = 72;
const LISTS_A_RULE = 12;
const SEGMENTS_A_RULE = 3;

export class Code {
  readonly segments: Segments;
  /** The section's words. */
  private readonly memory: Numbers;
  /** Indices of words that hold a segment number. */
  private readonly segmentWords: Numbers;
  private readonly known: KnownWords;
  /** By number of a test; 0 where it is not written. */
  private testOffsets = new Uint32Array(64);
  steps = 0;
  nodes = 0;

  /** `rules`: how many will be written, for room: lists that grow are garbage that V8 clears away at a high price. */
  constructor(segments: Segments, rules = 0) {
    this.segments = segments;
    this.memory = new Numbers(Math.max(WALKS_SIZE / 4, 1 << 12, rules * WORDS_A_RULE));
    this.memory.length = WALKS_SIZE / 4;
    this.segmentWords = new Numbers(Math.max(1 << 10, rules * SEGMENTS_A_RULE));
    this.known = new KnownWords(this.memory, rules * LISTS_A_RULE);
  }

  get size(): number {
    return this.memory.length * 4;
  }

  setWalk(word: number, root: number, policy: number): void {
    this.memory.values[word] = root;
    this.memory.values[word + 1] = policy;
  }

  edge({ rope, evaluations, next }: CodeEdge): number {
    const start = this.memory.length;
    this.memory.push(this.segments.number(rope, evaluations));
    this.memory.push(next);
    return this.once(EDGE, start, 0b1);
  }

  /** `drops`: what happened when a test drops the packet. */
  testStep(tests: readonly CompiledTest[], end: number, hit: CodeEdge, miss: CodeEdge, drops: DropRopes): number {
    const list = this.list(tests);
    const matched = drops.matched === null ? 0 : this.matchedDrop(drops.matched);
    const start = this.memory.length;
    this.put((STEP_TESTS | (tests.length << 8) | (end << 24)) >>> 0, list);
    this.put(this.segments.number(hit.rope, hit.evaluations), hit.next);
    this.put(this.segments.number(miss.rope, miss.evaluations), miss.next);
    this.put(this.segments.number(drops.silent, 1), matched);
    return this.step(start, 0b01010100);
  }

  /** The edge of a packet that a rule counts, acts on and drops. REJECT answers it (with an error: resets are for TCP); any other verdict is lost. */
  private matchedDrop({ rope, action }: NonNullable<DropRopes['matched']>): number {
    const dropped: CodeEdge = { rope: 0, evaluations: 0, next: NEXT_DROP };
    switch (action.kind) {
      case 'mark':
      case 'notrack':
      case 'effect':
      case 'nat':
        return this.edge({ rope, evaluations: 1, next: this.actionStep(action, dropped) });
      case 'verdict':
        return this.edge({ rope, evaluations: 1, next: action.verdict === 'REJECT' ? NEXT_REJECT : NEXT_DROP });
      default:
        return this.edge({ rope, evaluations: 1, next: NEXT_DROP });
    }
  }

  actionStep(action: PacketAction, edge: CodeEdge): number {
    const [head, first, ...rest] = this.actionWords(action);
    const start = this.memory.length;
    this.put(head, first);
    this.put(this.segments.number(edge.rope, edge.evaluations), edge.next);
    this.putAll(rest);
    return this.step(start, 0b100);
  }

  callStep(target: number, after: number): number {
    return this.plainStep(STEP_CALL, 0, target, after);
  }

  returnStep(): number {
    return this.plainStep(STEP_RETURN, 0, 0, 0);
  }

  /** A search of `entries` entries, in groups with these trees (references of their roots) and first entries; the entries' edges are to follow (`entry`). */
  search(groups: readonly { root: number; first: number }[], entries: number): number {
    const offset = this.memory.length * 4;
    this.memory.push(entries);
    for (const { root, first } of groups) this.put(root, first);
    return offset;
  }

  entry({ rope, evaluations, next }: CodeEdge): void {
    this.segmentWords.push(this.memory.length);
    this.put(this.segments.number(rope, evaluations), next);
  }

  /** A step of a search's leaf, of the first `count` of these tests: what happens on its edges is not counted. */
  searchedStep(tests: readonly CompiledTest[], count: number, hit: number, miss: number): number {
    return this.plainStep((STEP_TESTS | (count << 8) | (END_HIT << 24)) >>> 0, this.list(tests, count), hit, miss);
  }

  /** `search`: of `groups` groups; `miss`: when it finds nothing. */
  searchStep(search: number, groups: number, miss: CodeEdge): number {
    const start = this.memory.length;
    this.put((STEP_SEARCH | (groups << 8)) >>> 0, search);
    this.put(this.segments.number(miss.rope, miss.evaluations), miss.next);
    this.putAll([0, 0, 0, 0]);
    return this.step(start, 0b100);
  }

  /** Room for a node of so many words; nodes are filled when their children have their places. */
  reserve(words: number): number {
    const { memory } = this;
    const at = memory.length;
    memory.reserve(words);
    memory.length += words;
    this.nodes++;
    return at * 4;
  }

  binaryNode(offset: number, field: number, at: number, left: number, right: number): void {
    const { values } = this.memory;
    const word = offset / 4;
    values[word] = field * 4;
    values[word + 1] = at;
    values[word + 2] = left;
    values[word + 3] = right;
  }

  tableNode(offset: number, field: number, classes: Uint8Array, children: readonly number[]): void {
    const { values } = this.memory;
    const word = offset / 4;
    values[word] = (field * 4) | NODE_TABLE;
    values[word + 1] = children.length;
    new Uint8Array(values.buffer, offset + 8, 256).set(classes);
    values.set(children, word + 66);
  }

  /** The section with final segment numbers, in the memory it was written to. */
  finish(final: Uint32Array): Uint8Array {
    const { values } = this.memory;
    for (let place = 0; place < this.segmentWords.length; place++) {
      const index = this.segmentWords.values[place]!;
      values[index] = final[values[index]!]!;
    }
    return new Uint8Array(values.buffer, 0, this.memory.length * 4);
  }

  /** The step that was written from `start` on. `segments`: bits of its words that hold a segment number. */
  private step(start: number, segments: number): number {
    const offset = this.once(STEP, start, segments);
    if (offset === start * 4) this.steps++;
    return offset;
  }

  /** A step without segments. */
  private plainStep(head: number, first: number, hit: number, miss: number): number {
    const start = this.memory.length;
    this.put(head, first);
    this.put(0, hit);
    this.put(0, miss);
    this.put(0, 0);
    return this.step(start, 0);
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
        return [STEP_NAT, this.listed(NAT, words), 0, 0, 0, 0];
      }
      case 'effect': {
        const { parameters } = action;
        const many = parameters.length > STEP_EFFECT_PARAMETERS;
        const words = many ? [this.listed(PARAMETERS, parameters)] : parameters;
        const [first = 0, second = 0, third = 0, fourth = 0, fifth = 0] = words;
        return [STEP_EFFECT | (action.code << 8), first, second, third, fourth, fifth];
      }
    }
  }

  private list(tests: readonly CompiledTest[], count = tests.length): number {
    if (count > 0xffff) throw new RangeError('more than 65535 matches in a rule');
    for (let index = 0; index < count; index++) this.test(tests[index]!);
    const start = this.memory.length;
    for (let index = 0; index < count; index++) this.memory.push(this.testOffsets[tests[index]!.id]!);
    return this.once(LIST, start, 0);
  }

  /** Writes a test that was not written before. */
  private test(test: CompiledTest): void {
    if (test.id >= this.testOffsets.length) {
      const larger = new Uint32Array(test.id * 2);
      larger.set(this.testOffsets);
      this.testOffsets = larger;
    }
    if (this.testOffsets[test.id] !== 0) return;
    this.testOffsets[test.id] = this.memory.length * 4;
    this.putAll(testWords(test));
  }

  private listed(kind: number, words: readonly number[]): number {
    const start = this.memory.length;
    this.putAll(words);
    return this.once(kind, start, 0);
  }

  /** The offset of what was written from `start` on, or of an equal list of the kind before. `segments`: bits of its words that hold a segment number. */
  private once(kind: number, start: number, segments: number): number {
    const place = this.known.once(kind, start);
    if (place === start) {
      for (let word = start, bits = segments; bits !== 0; word++, bits >>>= 1) if ((bits & 1) !== 0) this.segmentWords.push(word);
    }
    return place * 4;
  }

  private put(one: number, other: number): void {
    this.memory.push(one);
    this.memory.push(other);
  }

  private putAll(words: readonly number[]): void {
    for (let index = 0; index < words.length; index++) this.memory.push(words[index]!);
  }
}

function testWords({ test, invert, drops, state }: CompiledTest): number[] {
  const flags = (invert ? TEST_INVERT : 0) | (drops ? TEST_DROPS : 0);
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
    case 'words': {
      const words = [TEST_WORDS | flags, test.field * 4, test.mask.length];
      for (let at = 0; at < test.mask.length; at++) words.push(test.mask[at]!, test.value[at] ?? 0);
      return words;
    }
    case 'wordRange':
      return [TEST_WORD_RANGE | flags, test.field * 4, test.low.length, ...test.low, ...test.high];
    case 'special':
      return [TEST_SPECIAL, test.code, Math.max(state, 0), test.parameters.length, ...test.parameters];
    case 'constant':
      // Constants are decided in every box; a mask of nothing is one.
      return [TEST_MASK, 0, 0, test.value ? 0 : 1];
  }
}
