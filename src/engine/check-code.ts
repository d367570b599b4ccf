/** Checks the code section of an image: every reference the engine can follow stays inside, and everything ends. */
import * as effects from '../abi/effects.ts';
import { FIELD_COUNT } from '../abi/fields.ts';
import * as image from '../abi/image.ts';
import { NAT_PARAMETERS } from '../abi/nat.ts';
import * as program from '../abi/program.ts';
import { SPECIAL_SET } from '../abi/special.ts';
import { Numbers } from '../compile/numbers.ts';
import type { KeptState } from '../compile/tests.ts';
import type { CheckedSets } from './check-sets.ts';
import { isSpecialTest } from './check-special.ts';
import { StateChecker } from './check-state.ts';
import { ImageError } from './image-error.ts';

/** Effects whose parameters do not fit into their step, and how many words they are. */
const PARAMETERS_ELSEWHERE: ReadonlyMap<number, number> = new Map([
  [effects.EFFECT_TCPOPTSTRIP, 8],
  [effects.EFFECT_HMARK, 15],
  [effects.EFFECT_PREFIX, 11],
  [effects.EFFECT_SET, effects.SET_PARAMETERS],
]);

/** Throws ImageError. Looks at every node, edge, step and test that can be reached, each once. `there`: how many requests of LOG rules and sets there are. */
export function checkCode(code: Uint8Array, header: Uint32Array, there: There): void {
  new CodeChecker(code, header, there).run();
}

interface There {
  logs: number;
  kept: readonly KeptState[];
  sets: CheckedSets;
}

/** A node or a step, of a walk or of a search: what they may lead to differs. Added to an offset, which is one of whole words; and what was seen at a word, as bits. */
const NODE = 1;
const SEARCHED = 2;
const TEST_SEEN = 16;

class CodeChecker {
  private readonly words: Uint32Array;
  private readonly segments: number;
  private readonly there: There;
  private readonly state: StateChecker;
  /** By word: bits of what was seen there, 1 << (NODE, SEARCHED) and TEST_SEEN. */
  private readonly seen: Uint8Array;
  /** What is still to be looked at: offsets with NODE, SEARCHED. */
  private readonly pending = new Numbers();

  constructor(code: Uint8Array, header: Uint32Array, there: There) {
    this.there = there;
    this.words = new Uint32Array(code.buffer, code.byteOffset, code.length >>> 2);
    this.seen = new Uint8Array(this.words.length);
    this.segments = header[image.IMAGE_WORD_SEGMENT_COUNT]!;
    this.state = new StateChecker(header[image.IMAGE_WORD_STATES]!);
  }

  run(): void {
    this.demand(this.words.length * 4 >= image.WALKS_SIZE, 'no room for the walks');
    for (let walk = 0; walk < image.WALKS; walk++) {
      const root = this.words[walk * 2]!;
      if (root === 0) continue;
      this.reference(root, 0, false);
      this.edge(this.words[walk * 2 + 1]!);
    }
    const { pending } = this;
    while (pending.length > 0) {
      const next = pending.values[--pending.length]!;
      const at = (next & ~(NODE | SEARCHED)) >>> 0;
      if ((next & NODE) !== 0) this.node(at, (next & SEARCHED) !== 0);
      else if ((next & SEARCHED) !== 0) this.searchedStep(at);
      else this.step(at);
    }
    for (const one of this.there.kept) this.state.kept(one);
    this.state.end();
  }

  private demand(holds: boolean, what: string): asserts holds {
    if (!holds) throw new ImageError('code', `code: ${what}`);
  }

  /** `size` bytes of whole words at `at`, behind the walks. */
  private inside(at: number, size: number, what: string): void {
    this.demand(at % 4 === 0 && at >= image.WALKS_SIZE && at + size <= this.words.length * 4, `${what} outside`);
  }

  /** A node's children lie behind it. */
  private reference(reference: number, parent: number, searched: boolean): void {
    if ((reference & program.REF_EDGE) !== 0) {
      if (searched) this.searchedEdge(reference - program.REF_EDGE);
      else this.edge(reference - program.REF_EDGE);
      return;
    }
    this.demand(reference > parent, 'a node leads backwards');
    this.visit(reference, searched ? NODE | SEARCHED : NODE);
  }

  private visit(at: number, kind: number): void {
    if ((kind & NODE) !== 0) this.inside(at, program.NODE_BINARY_SIZE, 'a node');
    else this.inside(at, program.STEP_SIZE, 'a step');
    const { seen } = this;
    if (((seen[at / 4]! >>> kind) & 1) !== 0) return;
    seen[at / 4]! |= 1 << kind;
    this.pending.push(at + kind);
  }

  private edge(at: number, from = Number.POSITIVE_INFINITY): void {
    this.inside(at, program.EDGE_SIZE, 'an edge');
    this.segment(this.words[at / 4]!);
    this.next(this.words[at / 4 + 1]!, from);
  }

  private searchedEdge(at: number): void {
    this.inside(at, program.EDGE_SIZE, 'an edge');
    this.found(this.words[at / 4 + 1]!, Number.POSITIVE_INFINITY);
  }

  /** Any number of an entry will do: one that is not there is none. */
  private found(next: number, from: number): void {
    if ((next & program.FOUND) !== 0) return;
    this.demand(next >= program.NEXT_STEP && next < from, 'a searched step leads forwards');
    this.visit(next, SEARCHED);
  }

  private segment(segment: number): void {
    this.demand(segment < this.segments, 'a segment that does not exist');
  }

  /** Steps lead to steps before them. */
  private next(next: number, from: number): void {
    if (next < program.NEXT_STEP) {
      this.demand(next <= program.NEXT_RESET, 'an unknown verdict');
      return;
    }
    this.demand(next < from, 'a step leads forwards');
    this.visit(next, 0);
  }

  private node(at: number, searched: boolean): void {
    const head = this.words[at / 4]!;
    this.field((head & ~program.NODE_TABLE) >>> 0, 1);
    if ((head & program.NODE_TABLE) === 0) {
      this.reference(this.words[at / 4 + 2]!, at, searched);
      this.reference(this.words[at / 4 + 3]!, at, searched);
      return;
    }
    const classes = this.words[at / 4 + 1]!;
    this.demand(classes >= 1 && classes <= 256, 'a table without classes');
    this.inside(at, program.NODE_TABLE_CHILDREN + classes * 4, 'a table');
    const kinds = new Uint8Array(this.words.buffer, this.words.byteOffset + at + program.NODE_TABLE_CLASSES, 256);
    this.demand(
      kinds.every((kind) => kind < classes),
      'a value without a class',
    );
    const children = (at + program.NODE_TABLE_CHILDREN) / 4;
    for (let index = 0; index < classes; index++) this.reference(this.words[children + index]!, at, searched);
  }

  /** `count` fields from byte offset `offset` of the slot. */
  private field(offset: number, count: number): void {
    this.demand(offset % 4 === 0 && offset / 4 + count <= FIELD_COUNT, 'a field that does not exist');
  }

  private step(at: number): void {
    const word = at / 4;
    const head = this.words[word]!;
    const kind = head & 255;
    this.demand(kind <= program.STEP_SEARCH, 'an unknown step');
    if (kind === program.STEP_RETURN) return;
    this.segment(this.words[word + 2]!);
    this.next(this.words[word + 3]!, at);
    if (kind === program.STEP_EFFECT) this.effect(head >>> 8, word);
    if (kind === program.STEP_NAT) this.inside(this.words[word + 1]!, NAT_PARAMETERS * 4, 'a translation');
    if (kind === program.STEP_CALL) this.next(this.words[word + 5]!, at);
    if (kind === program.STEP_SEARCH) this.search(this.words[word + 1]!, head >>> 8, at);
    if (kind !== program.STEP_TESTS) return;
    this.demand(head >>> 24 <= program.END_HOTDROP, 'an unknown end');
    this.segment(this.words[word + 4]!);
    this.next(this.words[word + 5]!, at);
    this.segment(this.words[word + 6]!);
    const matchedDrop = this.words[word + 7]!;
    if (matchedDrop !== 0) this.edge(matchedDrop, at);
    this.tests(word);
  }

  /** The list of tests of the step at `word`. */
  private tests(word: number): void {
    const number = (this.words[word]! >>> 8) & 0xffff;
    const list = this.words[word + 1]!;
    this.inside(list, number * 4, 'a list of tests');
    for (let index = 0; index < number; index++) this.test(this.words[list / 4 + index]!);
  }

  private search(at: number, groups: number, from: number): void {
    const edges = at + program.SEARCH_GROUPS + groups * program.SEARCH_GROUP_SIZE;
    this.inside(at, edges - at, 'a search');
    const entries = this.words[at / 4]!;
    this.inside(at, edges - at + entries * program.EDGE_SIZE, 'a search');
    for (let group = at + program.SEARCH_GROUPS; group < edges; group += program.SEARCH_GROUP_SIZE)
      this.reference(this.words[group / 4]!, 0, true);
    for (let entry = 0; entry < entries; entry++) this.edge(edges + entry * program.EDGE_SIZE, from);
  }

  private searchedStep(at: number): void {
    const word = at / 4;
    this.demand((this.words[word]! & 255) === program.STEP_TESTS, 'a searched step that does more than to test');
    this.found(this.words[word + 3]!, at);
    this.found(this.words[word + 5]!, at);
    this.tests(word);
  }

  private effect(code: number, word: number): void {
    const first = this.words[word + 1]!;
    this.demand(code >= 1 && code <= effects.EFFECT_LAST, 'an unknown effect');
    if (code === effects.EFFECT_LOG) this.demand(first < this.there.logs, 'a request of LOG that does not exist');
    if (code === effects.EFFECT_CT_TEMPLATE) this.state.template(this.words[word + 6]!);
    const words = PARAMETERS_ELSEWHERE.get(code);
    if (words !== undefined) this.inside(first, words * 4, 'parameters of an effect');
    if (code === effects.EFFECT_SET) this.sets(first / 4);
    if (code === effects.EFFECT_TPROXY) this.sockets(first);
  }

  private sockets(first: number): void {
    this.inside(first, effects.TPROXY_HEAD * 4, 'parameters of TPROXY');
    const count = this.words[first / 4 + effects.TPROXY_HEAD - 1]!;
    this.inside(first, (effects.TPROXY_HEAD + count * effects.TPROXY_SOCKET) * 4, 'sockets of TPROXY');
  }

  private sets(word: number): void {
    for (const [i, deed] of [effects.SET_DEED_ADD, effects.SET_DEED_DEL, effects.SET_DEED_MAP].entries()) {
      if ((this.words[word]! & deed) === 0) continue;
      const set = this.words[word + 1 + 3 * i]!;
      this.demand(set < this.there.sets.count, 'a set that does not exist');
      this.demand(deed === effects.SET_DEED_MAP || this.there.sets.changes(set), 'a set that does not change');
    }
  }

  private test(at: number): void {
    this.inside(at, 16, 'a test');
    const word = at / 4;
    if ((this.seen[word]! & TEST_SEEN) !== 0) return;
    this.seen[word]! |= TEST_SEEN;
    const head = this.words[word]!;
    const one = this.words[word + 1]!;
    const two = this.words[word + 2]!;
    const three = this.words[word + 3]!;
    switch (head & program.TEST_OPCODE) {
      case program.TEST_RANGE:
      case program.TEST_MASK:
        this.field(one, 1);
        return;
      case program.TEST_RANGES:
        this.demand(one <= FIELD_COUNT, 'too many fields');
        this.inside(at, 12 + one * 4 + two * 8, 'ranges');
        for (let index = 0; index < one; index++) this.field(this.words[at / 4 + 3 + index]!, 1);
        return;
      case program.TEST_WORDS:
      case program.TEST_WORD_RANGE:
        this.demand(two <= FIELD_COUNT, 'too many words');
        this.field(one, two);
        this.inside(at, 12 + two * 8, 'words');
        return;
      case program.TEST_SPECIAL:
        this.inside(at, 16 + three * 4, 'parameters');
        this.demand(isSpecialTest(one, this.words.subarray(at / 4 + 4, at / 4 + 4 + three)), 'an unknown special test');
        if (one === SPECIAL_SET) this.demand(this.words[at / 4 + 4]! < this.there.sets.count, 'a set that does not exist');
        this.state.test(one, two, this.words.subarray(at / 4 + 4, at / 4 + 4 + three));
        return;
      default:
        this.demand(false, 'an unknown test');
    }
  }
}
