/** Pass: grows the decision tree of a walk, largest residual program first, until little is undecided or the budget is spent. */
import { Alike } from './alike.ts';
import type { Box } from './box.ts';
import { type Cut, CutFinder, type Part } from './cut.ts';
import type { Decisions } from './partial.ts';
import type { Ropes } from './segments.ts';
import { Scales, specialise, weigh } from './specialise.ts';
import { type Entry, OverBudget, type Program, type Work } from './steps.ts';
import type { Sample } from './traffic.ts';

export interface Leaf {
  kind: 'leaf';
  program: Program;
}

export interface Branch {
  kind: 'branch';
  field: number;
  at: number | null;
  children: { node: TreeNode; bits: Uint32Array | null }[];
}

export type TreeNode = Leaf | Branch;

export interface Budget {
  /** Leaves of one walk. */
  leaves: number;
  /** Steps of all leaves together (before equal ones are merged). */
  steps: number;
  /** Up to this number of leaves everything is decided; beyond, leaves of at most `small` steps and twice as many tests stay. */
  fine: number;
  small: number;
  /** Programs up to this size have all their candidate cuts tried out; larger ones are estimated. */
  tried: number;
  /** How many of a program's cuts are tried out at most. */
  cuts: number;
}

export interface Grown {
  root: TreeNode;
  /** Different ones. */
  leaves: number;
  /** The budget stopped it. */
  exhausted: boolean;
}

/** Where a node will be; below several branches where they leave the same program in boxes that are the same to it. */
interface Slot {
  node: TreeNode;
}

interface Open {
  slot: Slot;
  box: Box;
  program: Program;
  /** Packets that come here. */
  sample: Sample | null;
}

/** Grows a tree over `program`, the residual program of `box`; what is the same in several places of it is there once. Never fails: what the budget does not allow stays a leaf. `sample`: packets that come to it. */
export function growTree(
  program: Program,
  box: Box,
  decisions: Decisions,
  ropes: Ropes,
  work: Work,
  budget: Budget,
  sample: Sample | null = null,
): Grown {
  const root: Slot = { node: { kind: 'leaf', program } };
  const queue = new Queue();
  const alike = new Alike<Slot>();
  const splitter = new Splitter(decisions, ropes, work, budget);
  queue.push({ slot: root, box, program, sample });
  let leaves = 1;
  let steps = program.steps.length;
  let exhausted = false;
  for (let open = queue.pop(); open !== undefined; open = queue.pop()) {
    const size = open.program.steps.length;
    if (leaves > budget.fine && size <= budget.small && testsOf(open.program) <= 2 * budget.small) continue;
    let split: Split | null;
    try {
      split = splitter.best(open);
    } catch (error) {
      if (!(error instanceof OverBudget)) throw error;
      exhausted = true;
      break;
    }
    if (split === null) continue;
    const after = split.programs.reduce((sum, part) => sum + part.steps.length, 0);
    if (leaves + split.programs.length > budget.leaves || steps - size + after > budget.steps) {
      exhausted = true;
      continue;
    }
    const { cut, parts, programs } = split;
    leaves--;
    steps -= size;
    const slots = programs.map((part, index): Slot => {
      const { box: inside } = parts[index]!;
      const arriving = open.sample?.within(cut.field, inside) ?? null;
      const make = (): Slot => {
        const slot: Slot = { node: { kind: 'leaf', program: part } };
        leaves++;
        steps += part.steps.length;
        if (part.steps.length > 0) queue.push({ slot, box: inside, program: part, sample: arriving });
        return slot;
      };
      // Of packets that were seen each tree has its own.
      return arriving !== null && arriving.packets > 0 ? make() : alike.once(part, inside, make);
    });
    open.slot.node = {
      kind: 'branch',
      field: cut.field,
      at: cut.at,
      children: slots.map((slot, index) => new Child(slot, parts[index]!.bits)),
    };
  }
  return { root: root.node, leaves, exhausted };
}

function testsOf({ steps }: Program): number {
  let sum = 0;
  for (const step of steps) if (step.kind === 'tests') sum += step.tests.length;
  return sum;
}

/** Of the packets that come to a tree over `box`, those that come to each search in its leaves, as far as the tree says. */
export function arrivalsOf(root: TreeNode, box: Box, sample: Sample | null): Map<readonly Entry[], Sample> {
  const arrivals = new Map<readonly Entry[], Sample>();
  const stack = sample === null ? [] : [{ node: root, box, sample }];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { node, box: above, sample: arriving } = top;
    if (arriving.packets === 0) continue;
    if (node.kind === 'branch') {
      for (const [index, child] of node.children.entries()) {
        const part = partOf(node, index, above);
        stack.push({ node: child.node, box: part, sample: arriving.within(node.field, part) });
      }
      continue;
    }
    for (const step of node.program.steps) {
      if (step.kind === 'search') arrivals.set(step.entries, arrivals.get(step.entries)?.with(arriving) ?? arriving);
    }
  }
  return arrivals;
}

function partOf({ field, at, children }: Branch, index: number, box: Box): Box {
  const { bits } = children[index]!;
  if (at === null) return box.withBits(field, bits!);
  return index === 0 ? box.withRange(field, box.low[field]!, at) : box.withRange(field, at + 1, box.high[field]!);
}

/** Reads its node from the slot that growing fills. */
class Child {
  private readonly slot: Slot;
  readonly bits: Uint32Array | null;

  constructor(slot: Slot, bits: Uint32Array | null) {
    this.slot = slot;
    this.bits = bits;
  }

  get node(): TreeNode {
    return this.slot.node;
  }
}

interface Split {
  cut: Cut;
  parts: Part[];
  programs: Program[];
}

/** Looks for cuts of programs. */
class Splitter {
  private readonly finder = new CutFinder();
  private readonly scales = new Scales();
  private readonly decisions: Decisions;
  private readonly ropes: Ropes;
  private readonly work: Work;
  private readonly budget: Budget;

  constructor(decisions: Decisions, ropes: Ropes, work: Work, budget: Budget) {
    this.decisions = decisions;
    this.ropes = ropes;
    this.work = work;
    this.budget = budget;
  }

  /** null when no cut leaves less than there was. Throws OverBudget. */
  best({ program, box, sample }: Open): Split | null {
    const size = program.steps.length;
    this.work.spend(size);
    const cuts = this.finder.candidates(program, box, sample);
    const tried = size <= this.budget.tried ? cuts.slice(0, this.budget.cuts) : cuts.slice(0, 1);
    let best: { cut: Cut; parts: Part[]; score: number } | null = null;
    for (const cut of tried) {
      const parts = cut.split();
      if (parts.length < 2) continue;
      const score = this.score(program, cut.field, parts);
      if (best === null || score < best.score) best = { cut, parts, score };
    }
    const before = weigh(program);
    // Cuts that hardly help are replication: a large program must shrink by a fiftieth.
    if (best === null || best.score >= before - (size > 64 ? before / 50 : 0.01)) return null;
    const { cut, parts } = best;
    const programs = parts.map((part) => specialise(program, part.box, cut.field, this.decisions, this.ropes, this.work));
    return { cut, parts, programs };
  }

  private score(program: Program, field: number, parts: readonly Part[]): number {
    let mean = 0;
    let worst = 0;
    for (const { box, weight } of parts) {
      const left = this.scales.weigh(program, box, field, this.decisions, this.work);
      mean += weight * left;
      worst = Math.max(worst, left);
    }
    return 0.7 * mean + 0.3 * worst;
  }
}

/** Largest program first: a binary heap. */
class Queue {
  private readonly heap: Open[] = [];

  push(open: Open): void {
    const { heap } = this;
    let index = heap.push(open) - 1;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (size(heap[parent]!) >= size(open)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = open;
  }

  pop(): Open | undefined {
    const { heap } = this;
    const top = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && size(heap[child + 1]!) > size(heap[child]!)) child++;
      if (size(heap[child]!) <= size(last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return top;
  }
}

function size(open: Open): number {
  return open.program.steps.length;
}
