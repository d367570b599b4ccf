/** Gathers the tests of a graph into clusters of up to four (abi/packed.ts). */
import {
  CLUSTER_CHILDREN,
  CLUSTER_MAP,
  CLUSTER_NOTHING,
  CLUSTER_SIZE,
  CLUSTER_TESTS,
  CLUSTER_THRESHOLDS,
  PACKED_EXIT,
} from '../../abi/packed.ts';
import type { Graph } from './graph.ts';
import type { KeyLayout } from './keys.ts';

/** Children a cluster has room for. */
const CHILDREN = 4;

/** Of a cluster in the making: its tests of fields, which of the graph's tests it holds, and where those lead. */
interface Group {
  questions: { field: number; at: number }[];
  inside: Set<number>;
  /** References that are not inside, with the share of packets that is thought to come there. */
  leaving: Map<number, number>;
}

/** The clusters of `graph` from `root` on, nearer ones first. */
export function gather(graph: Graph, root: number, layout: KeyLayout): Uint8Array<ArrayBuffer> {
  const places = new Map<number, number>([[root, 0]]);
  const roots = [root];
  const groups: Group[] = [];
  for (let index = 0; index < roots.length; index++) {
    const group = grow(graph, roots[index]!);
    groups.push(group);
    for (const child of group.leaving.keys()) {
      if (child < 0 || places.has(child)) continue;
      places.set(child, roots.length * CLUSTER_SIZE);
      roots.push(child);
    }
  }
  const bytes = new Uint8Array(groups.length * CLUSTER_SIZE);
  for (const [index, group] of groups.entries()) {
    const offset = index * CLUSTER_SIZE;
    write(graph, roots[index]!, group, layout, places, new DataView(bytes.buffer, offset, CLUSTER_SIZE));
  }
  return bytes;
}

/** Takes in what most packets come to, as long as there is room. */
function grow(graph: Graph, root: number): Group {
  const group: Group = { questions: [], inside: new Set(), leaving: new Map([[root, 1]]) };
  for (;;) {
    let best = -1;
    let share = 0;
    for (const [reference, packets] of group.leaving) {
      if (reference < 0 || packets <= share || !fits(graph, group, reference)) continue;
      best = reference;
      share = packets;
    }
    if (best < 0) return group;
    take(graph, group, best);
  }
}

const asks = (group: Group, field: number, at: number): boolean =>
  group.questions.some((question) => question.field === field && question.at === at);

function fits(graph: Graph, group: Group, test: number): boolean {
  if (group.questions.length === CLUSTER_TESTS && !asks(group, graph.field[test]!, graph.at[test]!)) return false;
  let children = group.leaving.size - 1;
  for (const side of [graph.low[test]!, graph.high[test]!]) if (!group.leaving.has(side) && !group.inside.has(side)) children++;
  return children <= CHILDREN;
}

function take(graph: Graph, group: Group, test: number): void {
  const [field, at, low, high] = [graph.field[test]!, graph.at[test]!, graph.low[test]!, graph.high[test]!];
  if (!asks(group, field, at)) group.questions.push({ field, at });
  const packets = group.leaving.get(test)!;
  group.leaving.delete(test);
  group.inside.add(test);
  const share = graph.weight(low) / (graph.weight(low) + graph.weight(high));
  for (const [side, part] of [
    [low, share],
    [high, 1 - share],
  ] as const) {
    if (!group.inside.has(side)) group.leaving.set(side, (group.leaving.get(side) ?? 0) + packets * part);
  }
}

function write(
  graph: Graph,
  root: number,
  { questions, inside, leaving }: Group,
  layout: KeyLayout,
  places: ReadonlyMap<number, number>,
  view: DataView,
): void {
  const children = [...leaving.keys()];
  for (let test = 0; test < CLUSTER_TESTS; test++) {
    const question = questions[test];
    const pattern = question === undefined ? new Array<number>(4).fill(CLUSTER_NOTHING) : layout.pattern(question.field);
    for (const [byte, from] of pattern.entries()) view.setUint8(test * 4 + byte, from);
    view.setUint32(CLUSTER_THRESHOLDS + test * 4, question?.at ?? 0, true);
  }
  for (let bits = 0; bits < 1 << CLUSTER_TESTS; bits++) {
    let reference = root;
    while (inside.has(reference)) {
      const [field, at] = [graph.field[reference]!, graph.at[reference]!];
      const place = questions.findIndex((question) => question.field === field && question.at === at);
      reference = ((bits >>> place) & 1) === 1 ? graph.low[reference]! : graph.high[reference]!;
    }
    view.setUint8(CLUSTER_MAP + bits, children.indexOf(reference) * 4);
  }
  for (const [index, child] of children.entries()) {
    view.setUint32(CLUSTER_CHILDREN + index * 4, child < 0 ? (~child | PACKED_EXIT) >>> 0 : places.get(child)!, true);
  }
}
