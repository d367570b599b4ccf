/** Pass: the walks of all tables, each compiled to a tree, or to a linear program where that is asked for or forced by the budget. */
import { FIELD_FAMILY, FIELD_HEADER_ERROR, FIELD_IN_INTERFACE, FIELD_MARK, FIELD_OUT_INTERFACE } from '../abi/fields.ts';
import { HOOK_INPUT, HOOK_OUTPUT, HOOK_PREROUTING } from '../abi/image.ts';
import { REF_EDGE } from '../abi/program.ts';
import type { Family, TableName } from '../model/ruleset.ts';
import { Box } from './box.ts';
import { Code } from './code.ts';
import { emitTree } from './emit.ts';
import { flatten } from './flatten.ts';
import { emitLinear, emitPolicy } from './linear.ts';
import { Decisions } from './partial.ts';
import { countRules, type PlainTable } from './plain.ts';
import type { KnownSearches } from './search/known.ts';
import { gatherRuns } from './search/runs.ts';
import { Ropes, Segments } from './segments.ts';
import { OverBudget, type Program, Work } from './steps.ts';
import { type KeptState, TestPool } from './tests.ts';
import type { Sample } from './traffic.ts';
import { arrivalsOf, type Budget, growTree, type TreeNode } from './tree.ts';
import { changedFields, type Walk, WalkBuilder } from './walk.ts';
import { ProgramWriter } from './write.ts';

export const HOOK_NAMES = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'] as const;
export const TABLE_NAMES = ['raw', 'mangle', 'nat', 'filter', 'security'] as const;

/** Which base chain: `4`, `FORWARD`, `filter`. */
export interface WalkName {
  family: Family;
  hook: (typeof HOOK_NAMES)[number];
  table: TableName;
}

/** The number of a walk: where it stands in the image, two words each. */
export const walkNumber = (family: Family, hook: (typeof HOOK_NAMES)[number], table: TableName): number =>
  ((family === 4 ? 0 : 1) * 5 + HOOK_NAMES.indexOf(hook)) * 5 + TABLE_NAMES.indexOf(table);

export interface WalksOptions {
  /** false: linear programs only. */
  tree: boolean;
  /** Scales the budget; 1 is the usual one. */
  effort: number;
  /** TRACE names the rule whose match drops a packet, as nf_tables does. */
  tracesDrops: boolean;
  /** So many rules in a row that only test fields are searched. */
  searched?: number;
  /** What compiling nearly the same tables has left behind, and leaves behind for the next time. */
  known?: KnownSearches;
  /** Packets like those that will come to a hook. */
  sampleAt?: (family: Family, hook: WalkName['hook']) => Sample;
}

export interface CompiledWalks {
  code: Code;
  ropes: Ropes;
  segments: Segments;
  states: number;
  kept: readonly KeptState[];
  /** Most chains a walk can nest. */
  stack: number;
  notes: string[];
  leaves: number;
  worstLeaf: number;
  fallbacks: number;
  /** Units of work spent. */
  work: number;
}

/** Compiles all base chains. Throws WalkError for chains that are not there and loops. */
export function compileWalks(tables: readonly PlainTable[], options: WalksOptions): CompiledWalks {
  const rules = countRules(tables);
  const ropes = new Ropes(rules);
  const segments = new Segments(rules);
  const out: CompiledWalks = {
    code: new Code(segments, rules),
    ropes,
    segments,
    states: 0,
    kept: [],
    stack: 1,
    notes: [],
    leaves: 0,
    worstLeaf: 0,
    fallbacks: 0,
    work: 0,
  };
  const pool = new TestPool(rules);
  const marked = tables.some((table) =>
    table.chains.some((chain) => chain.rules.some(({ action }) => changedFields(action).includes(FIELD_MARK))),
  );
  let firstChain = 0;
  const all: { walk: Walk; box: Box; word: number; name: string; sample: Sample | null }[] = [];
  for (const table of tables) {
    const builder = new WalkBuilder(table, firstChain, pool, ropes, options.tracesDrops);
    firstChain = builder.nextChain;
    out.stack = Math.max(out.stack, table.chains.length + 1);
    for (const [hook, name] of HOOK_NAMES.entries()) {
      const walk = builder.walk(name);
      if (walk === null) continue;
      const word = 2 * walkNumber(table.family, name, table.name);
      const sample = options.sampleAt?.(table.family, name) ?? null;
      all.push({ walk, box: startBox(walk, table.family, hook, marked), word, name: `${table.name} ${name}`, sample });
    }
  }
  const compiler = new WalkCompiler(out, pool, options);
  for (const { walk, box, word, name, sample } of all) {
    const policy = emitPolicy(walk, out.code);
    out.code.setWalk(word, compiler.compile(walk, box, name, sample), policy);
  }
  out.states = pool.states;
  out.kept = pool.kept;
  return out;
}

/** What is known of every packet at a hook. */
function startBox(walk: Walk, family: 4 | 6, hook: number, marked: boolean): Box {
  let box = Box.whole(walk.open).withRange(FIELD_FAMILY, family, family);
  if (family === 4) box = box.withBits(FIELD_HEADER_ERROR, Uint32Array.of(1, 0, 0, 0, 0, 0, 0, 0));
  if (hook === HOOK_PREROUTING || hook === HOOK_INPUT) box = box.withRange(FIELD_OUT_INTERFACE, 0, 0);
  if (hook === HOOK_OUTPUT) box = box.withRange(FIELD_IN_INTERFACE, 0, 0);
  if (!marked) box = box.withRange(FIELD_MARK, 0, 0);
  return box;
}

class WalkCompiler {
  private readonly out: CompiledWalks;
  private readonly options: WalksOptions;
  private readonly pool: TestPool;
  private readonly decisions: Decisions;

  constructor(out: CompiledWalks, pool: TestPool, options: WalksOptions) {
    this.out = out;
    this.pool = pool;
    this.decisions = new Decisions(pool.tests.length);
    this.options = options;
  }

  /** The walk's root reference. `sample`: packets that come to it. */
  compile(walk: Walk, box: Box, name: string, sample: Sample | null): number {
    if (!this.options.tree) return this.linear(walk, box);
    const flat = new Work(FLATTEN_BASE + FLATTEN_RULE * walk.rules);
    let program: Program;
    try {
      program = flatten(walk, box, this.decisions, this.out.ropes, flat);
    } catch (error) {
      if (!(error instanceof OverBudget)) throw error;
      this.out.fallbacks++;
      this.out.notes.push(`${name}: too many ways through its chains for a tree; its rules are walked one by one`);
      return this.linear(walk, box);
    } finally {
      this.out.work += flat.units;
    }
    program = gatherRuns(program, this.options.searched ?? SEARCHED, this.pool, this.out.ropes);
    const work = new Work(this.options.effort * (WORK_BASE + WORK_RULE * walk.rules));
    const budget = budgetFor(walk.rules, this.options.effort);
    const grown = growTree(program, box, this.decisions, this.out.ropes, work, budget, sample);
    this.out.work += work.units;
    this.out.leaves += grown.leaves;
    const worst = worstLeaf(grown.root);
    this.out.worstLeaf = Math.max(this.out.worstLeaf, worst);
    if (grown.exhausted) {
      this.out.fallbacks++;
      this.out.notes.push(
        `${name}: the tree stopped at its budget of ${grown.leaves} leaves; a leaf has up to ${worst} rules left`,
      );
    }
    return this.emit(grown.root, name, box, sample);
  }

  private emit(root: TreeNode, name: string, box: Box, sample: Sample | null): number {
    const { out } = this;
    const { effort } = this.options;
    const work = new Work(Number.POSITIVE_INFINITY);
    const budget = {
      base: effort * COPIES_BASE,
      copies: effort * COPIES,
      groups: GROUPS,
      short: Math.ceil(Math.min(1, effort) * SHORT),
    };
    const known = { name: `${box.low[FIELD_FAMILY]} ${name}`, searches: this.options.known ?? null };
    const writer = new ProgramWriter(out.code, budget, work, known, arrivalsOf(root, box, sample));
    const reference = emitTree(root, writer);
    out.work += work.units;
    out.leaves += writer.leaves;
    out.worstLeaf = Math.max(out.worstLeaf, writer.worstLeaf);
    if (writer.worstLeaf > budget.short) {
      out.fallbacks++;
      out.notes.push(`${name}: the trees of a search stopped at their budget; a leaf has up to ${writer.worstLeaf} rules left`);
    }
    return reference;
  }

  private linear(walk: Walk, box: Box): number {
    return emitLinear(walk, box, this.decisions, this.out.code) | REF_EDGE;
  }
}

const FLATTEN_BASE = 50_000;
const FLATTEN_RULE = 40;
const WORK_BASE = 1_000_000;
const WORK_RULE = 800;

/** A tree over fewer rules is larger than a search's, takes longer to grow, and has a shorter way. */
const SEARCHED = 64;
const COPIES_BASE = 16_384;
const COPIES = 8;
const GROUPS = 8;
const SHORT = 8;

/** From so many rules on, time is spent on trees of some size rather than on the last rules of each leaf. */
const MANY = 250;

function budgetFor(rules: number, effort: number): Budget {
  return {
    leaves: effort * (4096 + 8 * rules),
    steps: effort * (100_000 + 60 * rules),
    // Four or five nodes take as long as the few tests that are left instead.
    fine: rules < MANY ? 64 : 256,
    small: rules < MANY ? 3 : 6,
    tried: 400,
    // The best estimate is the best cut nearly always; that the others are tried pays where there are few rules to begin with.
    cuts: rules < MANY ? 4 : 2,
  };
}

function worstLeaf(root: TreeNode): number {
  let worst = 0;
  // The list grows while it is walked.
  const nodes = new Set([root]);
  for (const node of nodes) {
    if (node.kind === 'leaf') worst = Math.max(worst, node.program.steps.length);
    else for (const child of node.children) nodes.add(child.node);
  }
  return worst;
}
