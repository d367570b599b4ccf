/** Gathers the tests of a graph into clusters of up to four (abi/packed.ts). */
import { CLUSTER_CHILDREN, CLUSTER_MAP, CLUSTER_SIZE, CLUSTER_TESTS, CLUSTER_THRESHOLDS, PACKED_EXIT } from '../../abi/packed.ts';
import { Numbers } from '../../compile/numbers.ts';
import type { Graph } from './graph.ts';
import { type KeyLayout, NOTHING } from './keys.ts';

/** Children a cluster has room for. */
const CHILDREN = 4;

/** Tests that a cluster takes in at most: some ask the same. */
const INSIDE = 8;

/** So many clusters of a root lie by their distance from it: those that most packets come to. */
const NEAR = 4096;

const WORDS = CLUSTER_SIZE / 4;

/** The clusters of `graph` from each of `roots` on, and the children that lead to the roots. */
export function gather(
  graph: Graph,
  roots: readonly number[],
  layout: KeyLayout,
): { clusters: Uint8Array<ArrayBuffer>; starts: Uint32Array } {
  const gatherer = new Gatherer(graph, layout);
  for (const root of roots) gatherer.place(root);
  return { clusters: gatherer.finish(), starts: Uint32Array.from(roots, (root) => gatherer.childOf(root)) };
}

class Gatherer {
  private readonly graph: Graph;
  private readonly layout: KeyLayout;
  /** By test: the number of the cluster that begins with it, -1 for none. */
  private readonly places: Int32Array;
  /** By test: the last cluster that took it in, and which of that one's questions it asks. */
  private readonly taken: Int32Array;
  private readonly asks: Uint8Array;
  private memory: Uint32Array<ArrayBuffer> = new Uint32Array(1 << 14);
  private clusters = 0;
  /** Of the cluster at hand: its questions (tests that ask them) and how many tests it has. */
  private readonly questions = new Int32Array(CLUSTER_TESTS);
  private asked = 0;
  private inside = 0;
  /** References that are not inside, and the share of packets that is thought to come there. */
  private readonly leaving = new Int32Array(CHILDREN);
  private readonly shares = new Float64Array(CHILDREN);
  private leavingCount = 0;

  constructor(graph: Graph, layout: KeyLayout) {
    this.graph = graph;
    this.layout = layout;
    this.places = new Int32Array(graph.tests).fill(-1);
    this.taken = new Int32Array(graph.tests).fill(-1);
    this.asks = new Uint8Array(graph.tests);
  }

  /**
   * Makes a root's clusters: near ones level by level, and what lies below each of the others in one piece, so that a packet's last steps are in one page of memory.
   */
  place(root: number): void {
    const queue = new Numbers();
    const stack = new Numbers();
    queue.push(root);
    for (let next = 0; next < queue.length; next++) {
      if (next < NEAR) {
        if (this.isNew(queue.values[next]!)) {
          this.grow(queue.values[next]!);
          for (let child = 0; child < this.leavingCount; child++) queue.push(this.leaving[child]!);
        }
        continue;
      }
      stack.push(queue.values[next]!);
      while (stack.length > 0) {
        const reference = stack.values[--stack.length]!;
        if (!this.isNew(reference)) continue;
        this.grow(reference);
        for (let child = this.leavingCount - 1; child >= 0; child--) stack.push(this.leaving[child]!);
      }
    }
  }

  private isNew(reference: number): boolean {
    return reference >= 0 && this.places[reference]! < 0;
  }

  /** A child as clusters have it. */
  childOf(reference: number): number {
    return (reference < 0 ? ~reference | PACKED_EXIT : this.places[reference]! * CLUSTER_SIZE) >>> 0;
  }

  /** The clusters' bytes, children in their places. */
  finish(): Uint8Array<ArrayBuffer> {
    const words = this.memory.slice(0, this.clusters * WORDS);
    for (let cluster = 0; cluster < words.length; cluster += WORDS) {
      for (let child = cluster + CLUSTER_CHILDREN / 4; child < cluster + WORDS; child++)
        words[child] = this.childOf(words[child]! | 0);
    }
    return new Uint8Array(words.buffer);
  }

  /** Makes the cluster that begins with a test: takes in what most packets come to, as long as there is room. What it leads to is in `leaving`. */
  private grow(root: number): void {
    const { leaving, shares } = this;
    this.places[root] = this.clusters;
    this.asked = 0;
    this.inside = 0;
    this.leavingCount = 1;
    leaving[0] = root;
    shares[0] = 1;
    for (let best = 0; best >= 0; ) {
      this.take(best);
      best = -1;
      for (let place = 0; place < this.leavingCount; place++) {
        if (leaving[place]! < 0 || (best >= 0 && shares[place]! <= shares[best]!)) continue;
        if (this.fits(leaving[place]!)) best = place;
      }
    }
    this.write(root);
    this.clusters++;
  }

  /** Which question of the cluster's the test asks; -1 for none. */
  private questionOf(test: number): number {
    const { field, at } = this.graph;
    let place = this.asked - 1;
    for (; place >= 0; place--) {
      const other = this.questions[place]!;
      if (at[other] === at[test] && field[other] === field[test]) break;
    }
    return place;
  }

  private fits(test: number): boolean {
    if (this.inside === INSIDE || (this.asked === CLUSTER_TESTS && this.questionOf(test) < 0)) return false;
    const low = this.isOutside(this.graph.low[test]!) ? 1 : 0;
    const high = this.isOutside(this.graph.high[test]!) ? 1 : 0;
    return this.leavingCount - 1 + low + high <= CHILDREN;
  }

  /** Neither in the cluster nor what it leads to. */
  private isOutside(reference: number): boolean {
    return !this.isInside(reference) && this.leavingPlace(reference) < 0;
  }

  private isInside(reference: number): boolean {
    return reference >= 0 && this.taken[reference] === this.clusters;
  }

  private leavingPlace(reference: number): number {
    let place = this.leavingCount - 1;
    while (place >= 0 && this.leaving[place] !== reference) place--;
    return place;
  }

  /** Takes in the test at `place` of those that are left. */
  private take(place: number): void {
    const { graph, leaving, shares } = this;
    const test = leaving[place]!;
    const packets = shares[place]!;
    let question = this.questionOf(test);
    if (question < 0) {
      question = this.asked++;
      this.questions[question] = test;
    }
    this.taken[test] = this.clusters;
    this.asks[test] = question;
    this.inside++;
    this.leavingCount--;
    for (let next = place; next < this.leavingCount; next++) {
      leaving[next] = leaving[next + 1]!;
      shares[next] = shares[next + 1]!;
    }
    const low = graph.low[test]!;
    const high = graph.high[test]!;
    const share = graph.weight(low) / (graph.weight(low) + graph.weight(high));
    this.send(low, packets * share);
    this.send(high, packets * (1 - share));
  }

  private send(reference: number, packets: number): void {
    if (this.isInside(reference)) return;
    let place = this.leavingPlace(reference);
    if (place < 0) {
      place = this.leavingCount++;
      this.leaving[place] = reference;
      this.shares[place] = 0;
    }
    this.shares[place]! += packets;
  }

  /** Children are references until all have their places. */
  private write(root: number): void {
    const { graph, layout, questions, leaving } = this;
    const first = this.clusters * WORDS;
    if (first === this.memory.length) this.memory = larger(this.memory);
    const { memory } = this;
    for (let place = 0; place < CLUSTER_TESTS; place++) {
      const there = place < this.asked;
      memory[first + place] = there ? layout.pattern(graph.field[questions[place]!]!) : NOTHING;
      memory[first + CLUSTER_THRESHOLDS / 4 + place] = there ? graph.at[questions[place]!]! : 0;
    }
    for (let word = 0; word < 4; word++) {
      let offsets = 0;
      for (let byte = 0; byte < 4; byte++) offsets |= (this.arrival(root, word * 4 + byte) * 4) << (8 * byte);
      memory[first + CLUSTER_MAP / 4 + word] = offsets;
    }
    for (let child = 0; child < CHILDREN; child++)
      memory[first + CLUSTER_CHILDREN / 4 + child] = leaving[child < this.leavingCount ? child : 0]!;
  }

  /** The place in `leaving` where a packet comes to that these questions (bits) hold for. */
  private arrival(root: number, bits: number): number {
    const { low, high } = this.graph;
    let reference = root;
    while (this.isInside(reference))
      reference = ((bits >>> this.asks[reference]!) & 1) === 1 ? low[reference]! : high[reference]!;
    return this.leavingPlace(reference);
  }
}

function larger(words: Uint32Array): Uint32Array<ArrayBuffer> {
  const twice = new Uint32Array(words.length * 2);
  twice.set(words);
  return twice;
}
