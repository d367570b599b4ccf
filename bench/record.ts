/** Results kept: bench/results/DATE.json with what they were measured on, and pictures beside it. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { Classified } from './classification.ts';
import { connectionCounts, type Size } from './measured.ts';
import type { OddRow } from './oddly.ts';
import type { ProcessGroup } from './peers/processes.ts';
import { type Plot, plotSvg, type Series } from './plot.ts';
import type { Group } from './print.ts';

/** What was measured; parts that were not are empty. */
export interface Results {
  host: Group[];
  kinds: Group[];
  usual: Group[];
  stages: Group[];
  compile: Group[];
  clusters: Group[];
  connections: Group[];
  bundled: Group[];
  classification: Classified[];
  odd: OddRow[];
  processes: ProcessGroup[];
  rules: ProcessGroup[];
}

/** Where a part was measured: parts of one day need not be of one commit. */
export interface Origin {
  machine: string;
  node: string;
  commit: string;
}

type Part = keyof Results;

/** The file of a day. */
type Recorded = Partial<Results> & { measured?: Partial<Record<Part, Origin>> };

/** Writes what was measured, and says where; parts that were not stay as the file of the day has them, pictures as they are. */
export function record(size: Size, results: Results): void {
  const date = new Date().toISOString().slice(0, 10);
  const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores`;
  const origin: Origin = { machine, node: process.version, commit: commitOf(size.root) };
  const folder = join(size.root, 'bench/results');
  const write = (name: string, text: string): void => {
    writeFileSync(join(folder, name), text);
    console.log(`written: bench/results/${name}`);
  };
  mkdirSync(folder, { recursive: true });
  const kept = merged(readRecorded(join(folder, `${date}.json`)), results, origin);
  write(`${date}.json`, `${JSON.stringify({ date, ...kept }, null, 2)}\n`);
  const source = `${date}, ${machine}, Node ${origin.node}, commit ${origin.commit}; logarithmic scales`;
  for (const [name, plot] of Object.entries(plots(size, results)))
    if (plot.series.some(({ points }) => points.length > 1)) write(`${name}.svg`, plotSvg(plot, source));
}

function readRecorded(file: string): Recorded {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Recorded) : {};
}

/** What was recorded before, with the parts of `results` that were measured, each with its origin. */
export function merged(before: Recorded, results: Results, origin: Origin): Recorded {
  const parts = Object.keys(results) as Part[];
  const fresh = (part: Part): boolean => results[part].length > 0;
  const origins = parts.flatMap((part) => {
    const from = fresh(part) ? origin : before.measured?.[part];
    return from === undefined ? [] : [[part, from] as const];
  });
  const values = parts.map((part) => [part, fresh(part) ? results[part] : (before[part] ?? [])] as const);
  return { measured: Object.fromEntries(origins), ...Object.fromEntries(values) };
}

/** The commit, and whether the tree is another; what was recorded does not count. */
function commitOf(root: string): string {
  const git = (...words: string[]): string => execFileSync('git', words, { encoding: 'utf8', cwd: root }).trim();
  try {
    const changed = git('status', '--porcelain', '--', '.', ':!bench/results') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${changed ? ' with uncommitted changes' : ''}`;
  } catch {
    return 'unknown';
  }
}

function plots(size: Size, { connections, rules, classification }: Results): Record<string, Plot> {
  return {
    rules: {
      title: 'A whole process: packets of 60 bytes through a host firewall',
      axis: 'rules (of tcpdump: clauses, which it compiles up to 1,000)',
      series: byRules(rules),
    },
    flows: {
      title: 'In memory: 20 rules, connection tracking, counters',
      axis: 'connections',
      series: byFlows(connectionCounts(size), connections),
    },
    classification: {
      title: 'Classification alone: access lists, firewalls and pairs, geometric mean',
      axis: 'rules',
      series: bySets(classification),
    },
  };
}

/** One line a program. */
function byRules(groups: readonly ProcessGroup[]): Series[] {
  const rows = groups.flatMap(({ rules, rows }) => rows.map((row) => ({ ...row, rules })));
  return [...new Set(rows.map(({ name }) => name))].map((name) => ({
    name,
    points: rows.filter((row) => row.name === name).map((row) => [row.rules, (row.seconds / row.packets) * 1e9] as const),
  }));
}

function byFlows(counts: readonly number[], groups: readonly Group[]): Series[] {
  return ['plain hash', 'plain hash, fed alike', 'wasmtables'].map((name, row) => ({
    name,
    points: groups.map((group, index) => [counts[index]!, group.rows[row]!.nanoseconds] as const),
  }));
}

/** Of our own sets: those of ClassBench have other shapes in each size. A mean is of all sets of a size, or not drawn. */
function bySets(rows: readonly Classified[]): Series[] {
  const own = rows.filter(({ set }) => /^(acl|fw|ipc) \d+$/.test(set));
  const sizes = [...new Set(own.map(({ rules }) => rules))];
  const line = (name: string, of: (row: Classified) => number | undefined): Series => ({
    name,
    points: sizes.flatMap((rules) => {
      const values = own.filter((row) => row.rules === rules).map(of);
      const known = values.filter((value) => value !== undefined);
      return known.length < values.length || known.length === 0 ? [] : [[rules, mean(known)] as const];
    }),
  });
  const peers = [...new Set(own.flatMap(({ peer }) => peer?.results.map(({ name }) => name) ?? []))];
  return [
    line('wasmtables', ({ many }) => many),
    ...peers.map((name) => line(`rte_acl ${name}`, ({ peer }) => peer?.results.find((one) => one.name === name)?.nanoseconds)),
  ];
}

const mean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
