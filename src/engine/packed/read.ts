/** Reads one walk out of an image's checked code section (abi/program.ts) as a graph of threshold tests. */
import * as program from '../../abi/program.ts';
import type { ImageView } from '../image-view.ts';
import { Graph } from './graph.ts';

/** The walk asks for more than fields, or is too large to be unrolled; the message says what. */
export class NotPackable extends Error {}

/** States and tests a graph may have. */
const MOST = 1 << 22;

/** A residual step or a verdict (NEXT_*), and what was counted before it. */
interface State {
  next: number;
  /** A number of Mets. */
  met: number;
}

/** The graph of walk number `walk`, and the references of its root, or of one root for each group of a search. Throws NotPackable. */
export function readWalk({ code, segments }: ImageView, walk: number): { graph: Graph; roots: number[] } {
  const graph = new Graph();
  const words = new Uint32Array(code.buffer, code.byteOffset, code.length >>> 2);
  const root = words[walk * 2]!;
  if (root === 0) return { graph, roots: [graph.exit(0, program.NEXT_ACCEPT)] };
  const reader = new Reader(code, segments, graph);
  const search = reader.searchAt(root);
  if (search === null) return { graph, roots: [reader.read(root)] };
  const nothing = graph.exits.length - 1;
  const searched = new Reader(code, segments, graph, nothing);
  // Without an entry that some packet can meet there is no group: every packet finds nothing.
  return { graph, roots: search.length === 0 ? [~nothing] : search.map((group) => searched.read(group)) };
}

class Reader {
  private readonly code: Uint8Array;
  private readonly words: Uint32Array;
  private readonly graph: Graph;
  /** In a group of a search: the exit of what finds nothing; those before it are of entries. */
  private readonly nothing: number | null;
  /** [rope, evaluations] each. */
  private readonly segments: Uint32Array;
  /** By what is next and was met: the place in `states`; by the same place: what it became. */
  private readonly known = new Map<number, number>();
  private readonly states: State[] = [];
  private readonly made: number[] = [];

  constructor(code: Uint8Array, segments: Uint32Array, graph: Graph, nothing: number | null = null) {
    this.code = code;
    this.segments = segments;
    this.graph = graph;
    this.nothing = nothing;
    this.words = new Uint32Array(code.buffer, code.byteOffset, code.length >>> 2);
  }

  /** The roots of the groups, when all there is at `root` is a search: an exit for each of its entries is made, and one for none. */
  searchAt(root: number): number[] | null {
    if ((root & program.REF_EDGE) === 0) return null;
    const { next, met } = this.edge(root - program.REF_EDGE, 0);
    const head = this.words[next / 4]!;
    if (next < program.NEXT_STEP || (head & 255) !== program.STEP_SEARCH) return null;
    const groups = head >>> 8;
    const search = this.words[next / 4 + 1]!;
    const edges = search + program.SEARCH_GROUPS + groups * 4;
    const leave = (edge: State): void => {
      if (edge.next >= program.NEXT_STEP) throw new NotPackable('a search of its rules leads to more rules');
      this.graph.entry(edge.met, edge.next);
    };
    for (let entry = 0; entry < this.words[search / 4]!; entry++) leave(this.edge(edges + entry * program.EDGE_SIZE, met));
    leave(this.edge(next + program.STEP_HIT_SEGMENT, met));
    const first = (search + program.SEARCH_GROUPS) / 4;
    return Array.from(this.words.subarray(first, first + groups));
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
    if (this.nothing !== null) return met;
    return this.graph.mets.add(met, this.segments[segment * 2]!, this.segments[segment * 2 + 1]!);
  }

  private meet(state: State): void {
    if (this.isExit(state)) return;
    const key = keyOf(state);
    if (this.known.has(key)) return;
    if (this.states.length === MOST) throw new NotPackable('too many ways through its rules');
    this.known.set(key, this.states.length);
    this.states.push(state);
  }

  /** The reference of what has been met. */
  private arrive(state: State): number {
    if (this.isExit(state)) return this.exit(state);
    return this.made[this.known.get(keyOf(state))!]!;
  }

  private isExit({ next }: State): boolean {
    return this.nothing === null ? next < program.NEXT_STEP : (next & program.FOUND) !== 0;
  }

  private exit({ next, met }: State): number {
    return this.nothing === null ? this.graph.exit(met, next) : ~Math.min(next >>> 1, this.nothing);
  }

  private makeStates(): void {
    const { states, made } = this;
    const first = made.length;
    const order: number[] = [];
    // The list grows while it is walked: what a state leads to is met.
    for (let index = first; index < states.length; index++) {
      order.push(index);
      made.push(0);
      for (const next of this.after(states[index]!)) this.meet(next);
    }
    // Steps lead to steps before them.
    order.sort((a, b) => states[a]!.next - states[b]!.next);
    for (const index of order) made[index] = this.step(states[index]!);
  }

  /** Where a step of tests leads: on a miss, and on a hit if there is one. */
  private after(state: State): State[] {
    const head = this.words[state.next / 4]!;
    if ((head & 255) !== program.STEP_TESTS) throw new NotPackable('its rules do more than to test fields');
    const miss = this.edge(state.next + program.STEP_MISS_SEGMENT, state.met);
    return head >>> 24 === program.END_HIT ? [miss, this.edge(state.next + program.STEP_HIT_SEGMENT, state.met)] : [miss];
  }

  private step(state: State): number {
    const word = state.next / 4;
    const head = this.words[word]!;
    const [miss, hit] = this.after(state).map((next) => this.arrive(next));
    const drop = (): number =>
      this.nothing !== null
        ? miss!
        : this.graph.exit(this.count(state.met, this.words[word + program.STEP_DROP_SEGMENT / 4]!), program.NEXT_HOTDROP);
    const end = head >>> 24;
    let target = end === program.END_HIT ? hit! : end === program.END_MISS ? miss! : drop();
    const list = this.words[word + program.STEP_LIST / 4]! / 4;
    for (let index = ((head >>> 8) & 0xffff) - 1; index >= 0; index--) {
      const test = this.words[list + index]! / 4;
      target = this.test(test, target, (this.words[test]! & program.TEST_DROPS) !== 0 ? drop() : miss!);
      if (this.graph.field.length > MOST) throw new NotPackable('too many tests');
    }
    return target;
  }

  /** The test at word `at`, in front of what it leads to. */
  private test(at: number, passes: number, fails: number): number {
    const head = this.words[at]!;
    const [yes, no] = (head & program.TEST_INVERT) !== 0 ? [fails, passes] : [passes, fails];
    const [one, two, three] = this.words.subarray(at + 1, at + 4) as unknown as [number, number, number];
    switch (head & program.TEST_OPCODE) {
      case program.TEST_RANGE:
        return this.graph.range(one / 4, two, two + three, yes, no);
      case program.TEST_MASK:
        return this.mask(one / 4, two, three, yes, no);
      case program.TEST_WORDS: {
        let target = yes;
        for (let index = two - 1; index >= 0; index--) {
          target = this.mask(one / 4 + index, this.words[at + 3 + 2 * index]!, this.words[at + 4 + 2 * index]!, target, no);
        }
        return target;
      }
      case program.TEST_RANGES:
        return this.ranges(at, yes, no);
      case program.TEST_WORD_RANGE:
        if (two === 1) return this.graph.range(one / 4, three, this.words[at + 4]!, yes, no);
        throw new NotPackable('a range is of several words');
      default:
        throw new NotPackable('its rules ask for more than fields');
    }
  }

  /** Any of the fields in any of the ranges. */
  private ranges(at: number, yes: number, no: number): number {
    const [fields, ranges] = this.words.subarray(at + 1, at + 3) as unknown as [number, number];
    let target = no;
    for (let field = 0; field < fields; field++) {
      for (let range = 0; range < ranges; range++) {
        const [low, width] = this.words.subarray(at + 3 + fields + 2 * range) as unknown as [number, number];
        target = this.graph.range(this.words[at + 3 + field]! / 4, low, low + width, yes, target);
      }
    }
    return target;
  }

  private mask(field: number, mask: number, value: number, yes: number, no: number): number {
    if ((value & ~mask) !== 0) return no;
    const rest = ~mask >>> 0;
    if ((rest & (rest + 1)) !== 0) throw new NotPackable('a mask is no prefix');
    return this.graph.range(field, value, (value | rest) >>> 0, yes, no);
  }
}

/** Steps lie within 4 GiB, on multiples of 4. */
const keyOf = ({ next, met }: State): number => met * 2 ** 30 + next / 4;
