/** Checks the code section of an image: every reference the engine can follow stays inside, and everything ends. */
import * as effects from '../abi/effects.ts';
import { FIELD_COUNT } from '../abi/fields.ts';
import * as image from '../abi/image.ts';
import { NAT_PARAMETERS } from '../abi/nat.ts';
import * as program from '../abi/program.ts';
import { SPECIAL_SET } from '../abi/special.ts';
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

/** A node or a step, of a walk or of a search: what they may lead to differs. */
interface Visit {
  kind: 'node' | 'step';
  searched: boolean;
  at: number;
}

class CodeChecker {
  private readonly words: Uint32Array;
  private readonly segments: number;
  private readonly there: There;
  private readonly state: StateChecker;
  private readonly seen = new Set<number>();
  private readonly seenTests = new Set<number>();
  /** What is still to be looked at. */
  private readonly pending: Visit[] = [];

  constructor(code: Uint8Array, header: Uint32Array, there: There) {
    this.there = there;
    this.words = new Uint32Array(code.buffer, code.byteOffset, code.length >>> 2);
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
    for (let next = this.pending.pop(); next !== undefined; next = this.pending.pop()) {
      if (next.kind === 'node') this.node(next.at, next.searched);
      else if (next.searched) this.searchedStep(next.at);
      else this.step(next.at);
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
    this.visit({ kind: 'node', searched, at: reference });
  }

  private visit(visit: Visit): void {
    const key = visit.at * 4 + (visit.kind === 'node' ? 1 : 0) + (visit.searched ? 2 : 0);
    if (this.seen.has(key)) return;
    this.seen.add(key);
    this.pending.push(visit);
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
    this.visit({ kind: 'step', searched: true, at: next });
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
    this.visit({ kind: 'step', searched: false, at: next });
  }

  private node(at: number, searched: boolean): void {
    this.inside(at, program.NODE_BINARY_SIZE, 'a node');
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
    this.inside(at, program.STEP_SIZE, 'a step');
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
    this.inside(at, program.STEP_SIZE, 'a step');
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
    if (this.seenTests.has(at)) return;
    this.seenTests.add(at);
    this.inside(at, 16, 'a test');
    const [head, one, two, three] = this.words.subarray(at / 4, at / 4 + 4) as unknown as [number, number, number, number];
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
