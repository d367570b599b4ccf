/** Pass: writes residual programs as code, and the searches among their steps, each once. */
import type { Code, CodeEdge } from './code.ts';
import { emitSearchTree } from './search/emit.ts';
import { type Group, type GroupBudget, growGroups } from './search/groups.ts';
import { type Intervals, intervalsOf } from './search/intervals.ts';
import type { KnownSearches } from './search/known.ts';
import type { Edge, Entry, Program, Step, Work } from './steps.ts';
import type { Sample } from './traffic.ts';

interface Written {
  offset: number;
  groups: number;
}

/** What was known before of the searches of a walk, by its name. */
interface Known {
  name: string;
  searches: KnownSearches | null;
}

/** Packets of a sample that come to a search; of others nothing is known. */
export type Arrivals = ReadonlyMap<readonly Entry[], Sample>;

/** Writes the programs of one walk. */
export class ProgramWriter {
  readonly code: Code;
  /** Of the trees of all searches. */
  leaves = 0;
  worstLeaf = 0;
  private readonly budget: GroupBudget;
  private readonly work: Work;
  private readonly known: Known;
  private readonly arrivals: Arrivals;
  private readonly searches = new Map<readonly Entry[], Written>();
  /** Offsets of the steps that searches lead to. */
  private readonly behind = new Map<Step, number>();

  constructor(code: Code, budget: GroupBudget, work: Work, known: Known, arrivals: Arrivals) {
    this.code = code;
    this.budget = budget;
    this.work = work;
    this.known = known;
    this.arrivals = arrivals;
  }

  /** Writes a program's steps, later ones first so that every step leads to lower offsets; the offset of its start edge. */
  program({ start, steps }: Program): number {
    const offsets = new Array<number>(steps.length);
    const seen = new Uint8Array(steps.length);
    const isNew = ({ index }: Step): boolean => {
      if (seen[index] === 1) return false;
      seen[index] = 1;
      return true;
    };
    const place = (edge: Edge): CodeEdge => placed(edge, (step) => offsets[step.index]!);
    for (const step of backwards([start], isNew, seenEdge)) offsets[step.index] = this.step(step, place);
    return this.code.edge(place(start));
  }

  /** The offset of a step, all it leads to being written. */
  private step(step: Step, place: (edge: Edge) => CodeEdge): number {
    const { code } = this;
    if (step.kind === 'tests') return code.testStep(step.tests, step.end, place(step.hit), place(step.miss), step.drops);
    if (step.kind === 'action') return code.actionStep(step.action, place(step.hit));
    const { offset, groups } = this.searches.get(step.entries) ?? this.search(step.entries);
    return code.searchStep(offset, groups, place(step.miss));
  }

  private search(entries: readonly Entry[]): Written {
    const { code, behind } = this;
    const place = (edge: Edge): CodeEdge => placed(edge, (step) => behind.get(step)!);
    const edges = entries.map(({ edge }) => edge);
    const isNew = (step: Step): boolean => {
      if (behind.has(step)) return false;
      behind.set(step, -1);
      return true;
    };
    for (const step of backwards(edges, isNew, everyEdge)) behind.set(step, this.step(step, place));
    const { intervals, groups } = this.grow(entries);
    const written = groups.map((group) => ({
      root: emitSearchTree(group, entries, intervals, code),
      first: group.members.find((member) => member >= group.from) ?? entries.length,
    }));
    // What is found first in a search may make the others needless.
    written.sort((one, other) => one.first - other.first);
    for (const { tree } of groups) {
      this.leaves += (tree.nodes + 1) / 2;
      this.worstLeaf = Math.max(this.worstLeaf, tree.longest);
    }
    const search = { offset: code.search(written, entries.length), groups: written.length };
    for (const edge of edges) code.entry(place(edge));
    this.searches.set(entries, search);
    return search;
  }

  private grow(entries: readonly Entry[]): { intervals: Intervals; groups: Group[] } {
    const { budget, work, known, arrivals } = this;
    const sample = arrivals.get(entries) ?? null;
    const name = `${known.name} ${this.searches.size}`;
    const grown = known.searches?.regrow(name, entries, budget, work, sample) ?? growAll(entries, budget, work, sample);
    known.searches?.keep(name, entries, grown);
    return grown;
  }
}

function growAll(
  entries: readonly Entry[],
  budget: GroupBudget,
  work: Work,
  sample: Sample | null,
): { intervals: Intervals; groups: Group[] } {
  const intervals = intervalsOf(entries);
  return { intervals, groups: growGroups(intervals, budget, work, sample) };
}

const placed = ({ rope, evaluations, next }: Edge, offset: (step: Step) => number): CodeEdge => ({
  rope,
  evaluations,
  next: typeof next === 'number' ? next : offset(next),
});

/** Edge number `index` of a step, of those that a tree above sees. */
function seenEdge(step: Step, index: number): Edge | undefined {
  if (step.kind === 'tests') return index === 0 ? step.hit : index === 1 ? step.miss : undefined;
  if (index > 0) return undefined;
  return step.kind === 'action' ? step.hit : step.miss;
}

/** Edge number `index` of a step, of all. */
function everyEdge(step: Step, index: number): Edge | undefined {
  return seenEdge(step, index) ?? (step.kind === 'search' ? step.entries[index - 1]?.edge : undefined);
}

/** New steps such that each comes behind all it leads to: depth first, without recursion. */
function backwards(
  starts: readonly Edge[],
  isNew: (step: Step) => boolean,
  edgeOf: (step: Step, index: number) => Edge | undefined,
): Step[] {
  const order: Step[] = [];
  const stack: { step: Step; edge: number }[] = [];
  const enter = ({ next }: Edge): void => {
    if (typeof next !== 'number' && isNew(next)) stack.push({ step: next, edge: 0 });
  };
  for (const start of starts) {
    enter(start);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const edge = edgeOf(top.step, top.edge++);
      if (edge !== undefined) {
        enter(edge);
        continue;
      }
      order.push(top.step);
      stack.pop();
    }
  }
  return order;
}
