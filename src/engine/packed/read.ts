/** Reads one walk out of an image's checked code section (abi/program.ts) as a graph of threshold tests. */
import * as program from '../../abi/program.ts';
import { Numbers } from '../../compile/numbers.ts';
import { Pairs } from '../../compile/pairs.ts';
import type { ImageView } from '../image-view.ts';
import { Graph } from './graph.ts';
import { Mets } from './mets.ts';
import { GroupReader } from './search.ts';
import { MOST, NotPackable, TestReader } from './tests.ts';

/** A residual step or a verdict (NEXT_*), and what was counted before it. */
interface State {
  next: number;
  /** A number of Mets. */
  met: number;
}

/** The graph of walk number `walk`, and the references of its root, or of one root for each group of a search. Throws NotPackable. */
export function readWalk({ code, segments }: ImageView, walk: number): { graph: Graph; roots: number[] } {
  const words = new Uint32Array(code.buffer, code.byteOffset, code.length >>> 2);
  const graph = new Graph(new Mets(segments.length >>> 1), Math.min(MOST, words.length >>> 2));
  const root = words[walk * 2]!;
  if (root === 0) return { graph, roots: [graph.exit(0, program.NEXT_ACCEPT)] };
  const tests = new TestReader(words, graph);
  const reader = new WalkReader(code, segments, tests);
  const search = reader.searchAt(root);
  if (search === null) return { graph, roots: [reader.read(root)] };
  const nothing = graph.exits.length - 1;
  const groups = new GroupReader(tests, nothing);
  // Without an entry that some packet can meet there is no group: every packet finds nothing.
  return { graph, roots: search.length === 0 ? [~nothing] : search.map((group) => groups.read(group)) };
}

class WalkReader {
  private readonly code: Uint8Array;
  private readonly words: Uint32Array;
  private readonly graph: Graph;
  private readonly tests: TestReader;
  /** [rope, evaluations] each. */
  private readonly segments: Uint32Array;
  /** By what is next and was met: the place in `states`; by the same place: what it became. */
  private readonly known = new Pairs();
  private readonly states: State[] = [];
  private readonly made = new Numbers();

  constructor(code: Uint8Array, segments: Uint32Array, tests: TestReader) {
    this.code = code;
    this.segments = segments;
    this.tests = tests;
    this.graph = tests.graph;
    this.words = tests.words;
  }

  /** The roots of the groups, when all there is at `root` is a search: an exit for each of its entries is made, and one for none. */
  searchAt(root: number): number[] | null {
    if ((root & program.REF_EDGE) === 0) return null;
    const { next, met } = this.edge(root - program.REF_EDGE, 0);
    const head = this.words[next / 4]!;
    if (next < program.NEXT_STEP || (head & 255) !== program.STEP_SEARCH) return null;
    const groups = head >>> 8;
    const search = this.words[next / 4 + 1]!;
    const edges = search + program.SEARCH_GROUPS + groups * program.SEARCH_GROUP_SIZE;
    const leave = (edge: State): void => {
      if (edge.next >= program.NEXT_STEP) throw new NotPackable('a search of its rules leads to more rules');
      this.graph.entry(edge.met, edge.next);
    };
    for (let entry = 0; entry < this.words[search / 4]!; entry++) leave(this.edge(edges + entry * program.EDGE_SIZE, met));
    leave(this.edge(next + program.STEP_HIT_SEGMENT, met));
    const group = (index: number): number => search + program.SEARCH_GROUPS + index * program.SEARCH_GROUP_SIZE;
    return Array.from({ length: groups }, (_, index) => this.words[group(index) / 4]!);
  }

  /** What the tree at `root` becomes. */
  read(root: number): number {
    const nodes = this.nodesFrom(root);
    const edges = new Map<number, number>();
    for (const reference of this.edgesOf(root, nodes)) edges.set(reference, 0);
    for (const reference of edges.keys()) this.meet(this.edge(reference - program.REF_EDGE, 0));
    this.makeStates();
    for (const reference of edges.keys()) edges.set(reference, this.arrive(this.edge(reference - program.REF_EDGE, 0)));
    // Children lie behind their parents.
    for (const node of [...nodes].sort((a, b) => b - a)) edges.set(node, this.node(node, edges));
    return edges.get(root)!;
  }

  private nodesFrom(root: number): Set<number> {
    const nodes = new Set<number>();
    const pending = [root];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if ((next & program.REF_EDGE) !== 0 || nodes.has(next)) continue;
      nodes.add(next);
      pending.push(...this.children(next));
    }
    return nodes;
  }

  private edgesOf(root: number, nodes: ReadonlySet<number>): number[] {
    return [root, ...[...nodes].flatMap((node) => [...this.children(node)])].filter((one) => (one & program.REF_EDGE) !== 0);
  }

  private children(node: number): Uint32Array {
    const word = node / 4;
    if ((this.words[word]! & program.NODE_TABLE) === 0) return this.words.subarray(word + 2, word + 4);
    const first = (node + program.NODE_TABLE_CHILDREN) / 4;
    return this.words.subarray(first, first + this.words[word + 1]!);
  }

  private node(node: number, targets: ReadonlyMap<number, number>): number {
    const head = this.words[node / 4]!;
    const children = Array.from(this.children(node), (child) => targets.get(child)!);
    if ((head & program.NODE_TABLE) === 0)
      return this.graph.test(head / 4, this.words[node / 4 + 1]!, children[0]!, children[1]!);
    const classes = this.code.subarray(node + program.NODE_TABLE_CLASSES, node + program.NODE_TABLE_CLASSES + 256);
    return this.graph.table(
      (head - program.NODE_TABLE) / 4,
      Array.from(classes, (kind) => children[kind]!),
    );
  }

  /** The edge at `at`, for a packet that met `met`. */
  private edge(at: number, met: number): State {
    return { next: this.words[at / 4 + 1]!, met: this.count(met, this.words[at / 4]!) };
  }

  private count(met: number, segment: number): number {
    return this.graph.mets.add(met, this.segments[segment * 2]!, this.segments[segment * 2 + 1]!);
  }

  private meet(state: State): void {
    if (state.next < program.NEXT_STEP || this.known.get(state.next, state.met) >= 0) return;
    if (this.states.length === MOST) throw new NotPackable('too many ways through its rules');
    this.known.set(state.next, state.met, this.states.length);
    this.states.push(state);
  }

  /** The reference of what has been met. */
  private arrive({ next, met }: State): number {
    if (next < program.NEXT_STEP) return this.graph.exit(met, next);
    return this.made.values[this.known.get(next, met)]!;
  }

  private makeStates(): void {
    const { states, made } = this;
    const order: number[] = [];
    // The list grows while it is walked: what a state leads to is met.
    for (let index = 0; index < states.length; index++) {
      order.push(index);
      made.push(0);
      for (const next of this.after(states[index]!)) this.meet(next);
    }
    // Steps lead to steps before them.
    order.sort((a, b) => states[a]!.next - states[b]!.next);
    for (const index of order) made.values[index] = this.step(states[index]!);
  }

  /** Where a step of tests leads: on a miss, and on a hit if there is one. */
  private after({ next, met }: State): State[] {
    const head = this.words[next / 4]!;
    if ((head & 255) !== program.STEP_TESTS) throw new NotPackable('its rules do more than to test fields');
    const miss = this.edge(next + program.STEP_MISS_SEGMENT, met);
    return head >>> 24 === program.END_HIT ? [miss, this.edge(next + program.STEP_HIT_SEGMENT, met)] : [miss];
  }

  private step(state: State): number {
    const word = state.next / 4;
    const [miss, hit] = this.after(state).map((next) => this.arrive(next));
    const drop = (): number => {
      const segment = this.words[word + program.STEP_DROP_SEGMENT / 4]!;
      return this.graph.exit(this.count(state.met, segment), program.NEXT_HOTDROP);
    };
    const end = this.words[word]! >>> 24;
    const passes = end === program.END_HIT ? hit! : end === program.END_MISS ? miss! : drop();
    return this.tests.step(word, passes, miss!, drop);
  }
}
