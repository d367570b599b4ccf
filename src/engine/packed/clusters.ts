/** Gathers the tests of a graph into clusters of up to four (abi/packed.ts). */
import { CLUSTER_CHILDREN, CLUSTER_MAP, CLUSTER_SIZE, CLUSTER_TESTS, CLUSTER_THRESHOLDS, PACKED_EXIT } from '../../abi/packed.ts';
import type { Graph } from './graph.ts';
import type { KeyLayout } from './keys.ts';

/** Children a cluster has room for. */
const CHILDREN = 4;

/** Of a cluster in the making: its tests of fields, which of the graph's tests it holds, and where those lead. All lists are short. */
interface Group {
  fields: number[];
  thresholds: number[];
  inside: number[];
  /** References that are not inside, and the share of packets that is thought to come there. */
  leaving: number[];
  shares: number[];
}

/** So many clusters of a root lie by their distance from it: those that most packets come to. */
const NEAR = 4096;

/** The clusters of `graph` from each of `roots` on, and the children that lead to the roots. */
export function gather(
  graph: Graph,
  roots: readonly number[],
  layout: KeyLayout,
): { clusters: Uint8Array<ArrayBuffer>; starts: Uint32Array } {
  const places = new Map<number, number>();
  const groups: Group[] = [];
  for (const root of roots) place(graph, root, places, groups);
  const bytes = new Uint8Array(groups.length * CLUSTER_SIZE);
  let offset = 0;
  for (const [first] of places) {
    write(graph, first, groups[offset / CLUSTER_SIZE]!, layout, places, new DataView(bytes.buffer, offset, CLUSTER_SIZE));
    offset += CLUSTER_SIZE;
  }
  return { clusters: bytes, starts: Uint32Array.from(roots, (root) => childOf(root, places)) };
}

/**
 * Gives places (offsets) to a root's clusters, in the order of their `groups`: near ones level by level, and what lies below each of the others in one
 * piece, so that a packet's last steps are in one page of memory.
 */
function place(graph: Graph, root: number, places: Map<number, number>, groups: Group[]): void {
  const queue = [root];
  const take = (reference: number): readonly number[] => {
    if (reference < 0 || places.has(reference)) return [];
    places.set(reference, groups.length * CLUSTER_SIZE);
    const group = grow(graph, reference);
    groups.push(group);
    return group.leaving;
  };
  let next = 0;
  for (; next < queue.length && next < NEAR; next++) queue.push(...take(queue[next]!));
  for (; next < queue.length; next++) {
    const stack = [queue[next]!];
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) stack.push(...[...take(top)].reverse());
  }
}

/** A child as clusters have it. */
const childOf = (reference: number, places: ReadonlyMap<number, number>): number =>
  reference < 0 ? (~reference | PACKED_EXIT) >>> 0 : places.get(reference)!;

/** Takes in what most packets come to, as long as there is room. */
function grow(graph: Graph, root: number): Group {
  const group: Group = { fields: [], thresholds: [], inside: [], leaving: [root], shares: [1] };
  for (;;) {
    let best = -1;
    for (const [place, reference] of group.leaving.entries()) {
      if (reference < 0 || (best >= 0 && group.shares[place]! <= group.shares[best]!)) continue;
      if (fits(graph, group, reference)) best = place;
    }
    if (best < 0) return group;
    take(graph, group, best);
  }
}

/** Where the group asks for this test; -1 when it does not. */
function questionOf({ fields, thresholds }: Group, field: number, at: number): number {
  let place = fields.length - 1;
  while (place >= 0 && (fields[place] !== field || thresholds[place] !== at)) place--;
  return place;
}

function fits(graph: Graph, group: Group, test: number): boolean {
  if (group.fields.length === CLUSTER_TESTS && questionOf(group, graph.field[test]!, graph.at[test]!) < 0) return false;
  let children = group.leaving.length - 1;
  if (isNew(group, graph.low[test]!)) children++;
  if (isNew(group, graph.high[test]!)) children++;
  return children <= CHILDREN;
}

const isNew = ({ leaving, inside }: Group, reference: number): boolean =>
  !leaving.includes(reference) && !inside.includes(reference);

/** Takes in the test at `place` of those that are left. */
function take(graph: Graph, group: Group, place: number): void {
  const { leaving, shares, inside } = group;
  const test = leaving[place]!;
  const packets = shares[place]!;
  const [field, at, low, high] = [graph.field[test]!, graph.at[test]!, graph.low[test]!, graph.high[test]!];
  if (questionOf(group, field, at) < 0) {
    group.fields.push(field);
    group.thresholds.push(at);
  }
  leaving.splice(place, 1);
  shares.splice(place, 1);
  inside.push(test);
  const share = graph.weight(low) / (graph.weight(low) + graph.weight(high));
  send(group, low, packets * share);
  send(group, high, packets * (1 - share));
}

function send({ leaving, shares, inside }: Group, reference: number, packets: number): void {
  if (inside.includes(reference)) return;
  const place = leaving.indexOf(reference);
  if (place >= 0) {
    shares[place]! += packets;
    return;
  }
  leaving.push(reference);
  shares.push(packets);
}

function write(
  graph: Graph,
  root: number,
  group: Group,
  layout: KeyLayout,
  places: ReadonlyMap<number, number>,
  view: DataView,
): void {
  const { fields, thresholds, inside, leaving } = group;
  for (let test = 0; test < CLUSTER_TESTS; test++) {
    const pattern = layout.pattern(fields[test]);
    for (let byte = 0; byte < 4; byte++) view.setUint8(test * 4 + byte, pattern[byte]!);
    view.setUint32(CLUSTER_THRESHOLDS + test * 4, thresholds[test] ?? 0, true);
  }
  for (let bits = 0; bits < 1 << CLUSTER_TESTS; bits++) {
    let reference = root;
    while (inside.includes(reference)) {
      const place = questionOf(group, graph.field[reference]!, graph.at[reference]!);
      reference = ((bits >>> place) & 1) === 1 ? graph.low[reference]! : graph.high[reference]!;
    }
    view.setUint8(CLUSTER_MAP + bits, leaving.indexOf(reference) * 4);
  }
  for (const [index, child] of leaving.entries()) {
    view.setUint32(CLUSTER_CHILDREN + index * 4, childOf(child, places), true);
  }
}
