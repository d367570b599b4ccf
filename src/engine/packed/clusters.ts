/** Gathers the tests of a graph into clusters of up to four (abi/packed.ts). */
import { FIELD_COUNT, FIELD_FRAGMENT, FIELD_L4_LENGTH } from '../../abi/fields.ts';
import {
  CHILD_SIZE,
  CLUSTER_CHILDREN,
  CLUSTER_MAP,
  CLUSTER_PATTERN,
  CLUSTER_SIZE,
  CLUSTER_TESTS,
  CLUSTER_WIDTHS,
  PACKED_EXIT,
} from '../../abi/packed.ts';
import { Numbers } from '../../compile/numbers.ts';
import type { Graph } from './graph.ts';
import { type KeyLayout, NOTHING } from './keys.ts';

/** Children a cluster has room for. */
const CHILDREN = 4;

/** Tests that a cluster takes in at most: some ask the same. */
const INSIDE = 8;

/** So many clusters of a root lie by their distance from it: those that most packets come to. */
const NEAR = 4096;

/** What nearly all packets have in common: they are whole. */
const USUAL: ReadonlyMap<number, number> = new Map([
  [FIELD_FRAGMENT, 0],
  [FIELD_L4_LENGTH, 0xffff],
]);

const WORDS = CLUSTER_SIZE / 4;
const PATTERN_WORDS = CLUSTER_TESTS;

/** Tests of most sets that a cluster takes in, at least. */
const USUALLY_INSIDE = 2;

/** The clusters of `graph` from each of `roots` on, and the groups' starts. */
export function gather(
  graph: Graph,
  roots: readonly number[],
  layout: KeyLayout,
): { clusters: Uint8Array<ArrayBuffer>; starts: Uint32Array } {
  const gatherer = new Gatherer(graph, layout);
  for (const root of roots) gatherer.place(root);
  const clusters = gatherer.finish();
  // Those first that may find what comes before all others; behind them those that are for a few packets.
  const isForFew = (root: number): number => Math.sign(gatherer.usualOf(root)[0]);
  const groups = [...roots].sort((one, other) => isForFew(one) - isForFew(other) || graph.least(one) - graph.least(other));
  const starts = groups.flatMap((root) => [
    gatherer.childOf(root),
    gatherer.childOf(~graph.least(root)),
    ...gatherer.usualOf(root),
  ]);
  return { clusters, starts: Uint32Array.from(starts) };
}

class Gatherer {
  private readonly graph: Graph;
  private readonly layout: KeyLayout;
  /** By root: see `usual`. */
  private readonly usuals = new Map<number, readonly [asked: number, holding: number]>();
  /** By test: the number of the cluster that begins with it, -1 for none. */
  private readonly places: Int32Array;
  /** By test: the last cluster that took it in, and which of that one's questions it asks. */
  private readonly taken: Int32Array;
  private readonly asks: Uint8Array;
  /** Cluster 0 and those made, their pattern's number where its offset will be, and room for patterns behind them. */
  private memory: Uint32Array<ArrayBuffer>;
  /** References, CHILDREN of each cluster. */
  private readonly children: Numbers;
  /** Where clusters have their words from, PATTERN_WORDS each; by these fields: which pattern. */
  private readonly patterns: number[] = [];
  private readonly known = new Map<number, number>();
  /** How many there are, with cluster 0: the number of the cluster at hand. */
  private clusters = 1;
  /** Of the cluster at hand: its questions (tests that ask them) and how many tests it has. */
  private readonly questions = new Int32Array(CLUSTER_TESTS);
  private asked = 0;
  /** Where in the cluster each question stands. */
  private readonly ranks = new Uint8Array(CLUSTER_TESTS);
  /** By place, the field of the question; FIELD_COUNT without. */
  private readonly fields = new Uint8Array(CLUSTER_TESTS);
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
    const expected = 64 + Math.ceil(graph.tests / USUALLY_INSIDE);
    this.memory = new Uint32Array(expected * WORDS);
    this.children = new Numbers(expected * CHILDREN);
    this.children.length = CHILDREN;
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
          if (next === 0) this.usuals.set(root, this.usual());
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

  /** START_ASKED and START_USUAL of a group. */
  usualOf(root: number): readonly [asked: number, holding: number] {
    return this.usuals.get(root) ?? [0, 0];
  }

  /** A child as starts have it. */
  childOf(reference: number): number {
    return reference < 0 ? ~reference ^ PACKED_EXIT : this.places[reference]!;
  }

  /** All bytes from cluster 0 on. */
  finish(): Uint8Array<ArrayBuffer> {
    const { clusters, patterns } = this;
    const size = (clusters + Math.ceil(patterns.length / WORDS)) * WORDS;
    while (this.memory.length < size) this.memory = larger(this.memory);
    const words = this.memory;
    words.set(patterns, clusters * WORDS);
    const { values } = this.children;
    for (let cluster = 1; cluster < clusters; cluster++) {
      const child = CHILDREN * cluster;
      const one = this.childOf(values[child]!);
      const two = this.childOf(values[child + 1]!);
      const three = this.childOf(values[child + 2]!);
      const four = this.childOf(values[child + 3]!);
      // CHILDREN times CHILD_SIZE bytes, lowest first.
      const word = cluster * WORDS + CLUSTER_CHILDREN / 4;
      words[word] = (one & 0xffffff) | (two << 24);
      words[word + 1] = ((two >>> 8) & 0xffff) | (three << 16);
      words[word + 2] = ((three >>> 16) & 0xff) | (four << 8);
      const pattern = cluster * WORDS + CLUSTER_PATTERN / 4;
      words[pattern] = (clusters * WORDS + words[pattern]! * PATTERN_WORDS) * 4;
    }
    return new Uint8Array(words.buffer, 0, size * 4);
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
    const { field, first, last } = this.graph;
    let place = this.asked - 1;
    for (; place >= 0; place--) {
      const other = this.questions[place]!;
      if (last[other] === last[test] && first[other] === first[test] && field[other] === field[test]) break;
    }
    return place;
  }

  private fits(test: number): boolean {
    if (this.inside === INSIDE || (this.asked === CLUSTER_TESTS && this.questionOf(test) < 0)) return false;
    const { inside, outside } = this.graph;
    const more = (this.isOutside(inside[test]!) ? 1 : 0) + (this.isOutside(outside[test]!) ? 1 : 0);
    return this.leavingCount - 1 + more <= CHILDREN;
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

  /** Of the cluster that was made last, bits of the tests that nearly all packets pass alike (compile/search/usual.ts), and which of them hold for these; none when more is to be asked of them. */
  private usual(): [asked: number, holding: number] {
    const { graph, questions } = this;
    let tests = 0;
    let holding = 0;
    for (let question = 0; question < this.asked; question++) {
      const test = questions[question]!;
      const value = USUAL.get(graph.field[test]!);
      if (value === undefined) continue;
      const bit = 1 << this.ranks[question]!;
      tests |= bit;
      if (value >= graph.first[test]! && value <= graph.last[test]!) holding |= bit;
    }
    for (let bits = 0; bits < 1 << CLUSTER_TESTS; bits++) {
      if ((bits & tests) === holding && this.childAt(this.clusters - 1, bits) !== ~(graph.exits.length - 1)) return [0, 0];
    }
    return [tests, holding];
  }

  /** Where a cluster leads to when these tests hold. */
  private childAt(cluster: number, bits: number): number {
    const offsets = this.memory[cluster * WORDS + CLUSTER_MAP / 4 + (bits >>> 2)]!;
    return this.children.values[cluster * CHILDREN + ((offsets >>> (8 * (bits & 3))) & 0xff) / CHILD_SIZE]!;
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
    const inside = graph.inside[test]!;
    const outside = graph.outside[test]!;
    const share = graph.weight(inside) / (graph.weight(inside) + graph.weight(outside));
    this.send(inside, packets * share);
    this.send(outside, packets * (1 - share));
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
    const { graph, questions, asked, leaving } = this;
    const first = this.clusters * WORDS;
    if (first === this.memory.length) this.memory = larger(this.memory);
    const { memory } = this;
    this.rank();
    for (let question = 0; question < asked; question++) {
      const place = first + this.ranks[question]!;
      const test = questions[question]!;
      memory[place] = graph.first[test]!;
      memory[place + CLUSTER_WIDTHS / 4] = graph.last[test]! - graph.first[test]!;
    }
    for (let word = 0; word < 4; word++) {
      let offsets = 0;
      for (let byte = 0; byte < 4; byte++) offsets |= (this.arrival(root, word * 4 + byte) * CHILD_SIZE) << (8 * byte);
      memory[first + CLUSTER_MAP / 4 + word] = offsets;
    }
    memory[first + CLUSTER_PATTERN / 4] = this.pattern();
    for (let child = 0; child < CHILDREN; child++) this.children.push(leaving[child < this.leavingCount ? child : 0]!);
  }

  /** Orders the cluster's questions by their fields, so that there are few patterns: those most clusters have stay near. */
  private rank(): void {
    const { questions, asked, ranks } = this;
    const { field } = this.graph;
    for (let one = 0; one < asked; one++) {
      ranks[one] = 0;
      for (let other = 0; other < asked; other++) {
        const difference = field[questions[other]!]! - field[questions[one]!]!;
        if (difference < 0 || (difference === 0 && other < one)) ranks[one]!++;
      }
    }
  }

  /** The number of the pattern that has the words of the cluster's questions. */
  private pattern(): number {
    const { graph, layout, questions, asked, ranks, fields, patterns, known } = this;
    fields.fill(FIELD_COUNT);
    for (let question = 0; question < asked; question++) fields[ranks[question]!] = graph.field[questions[question]!]!;
    let key = 0;
    for (let place = 0; place < CLUSTER_TESTS; place++) key = key * (FIELD_COUNT + 1) + fields[place]!;
    const there = known.get(key);
    if (there !== undefined) return there;
    known.set(key, known.size);
    for (const field of fields) patterns.push(field === FIELD_COUNT ? NOTHING : layout.pattern(field));
    return known.size - 1;
  }

  /** The place in `leaving` where a packet comes to that these questions (bits) hold for. */
  private arrival(root: number, bits: number): number {
    const { inside, outside } = this.graph;
    let reference = root;
    while (this.isInside(reference))
      reference = ((bits >>> this.ranks[this.asks[reference]!]!) & 1) === 1 ? inside[reference]! : outside[reference]!;
    return this.leavingPlace(reference);
  }
}

function larger(words: Uint32Array): Uint32Array<ArrayBuffer> {
  const twice = new Uint32Array(words.length * 2);
  twice.set(words);
  return twice;
}
