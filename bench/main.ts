/**
 * `npm run bench`: measures, prints a table of ratios, and with --record writes bench/results/DATE.json. `--smoke` runs everything once on little; `--only` names parts (host, connections,
 * bundled, classification, processes); `--peers` runs other programs beside ours; `--classbench DIR` adds ClassBench's own files.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundledWorkloads } from './bundled.ts';
import { classbenchSets, filterSet } from './classbench.ts';
import { type Classified, classification } from './classification.ts';
import { measureFloor } from './floor.ts';
import { type ProcessGroup, processes } from './peers/processes.ts';
import { ENGINE, hostWorkload, LINEAR, measure, REFERENCE, type Row } from './suite.ts';

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean' },
    record: { type: 'boolean' },
    peers: { type: 'boolean' },
    only: { type: 'string', multiple: true },
    classbench: { type: 'string' },
    root: { type: 'string', default: '.' },
  },
});
const smoke = values.smoke === true;
const million = smoke ? 20_000 : 1_000_000;
const rounds = smoke ? 1 : 5;

/** Lines of one group; the first is what the others are compared to. */
interface Group {
  title: string;
  rows: Row[];
}

async function hostFirewalls(): Promise<Group> {
  const flows = smoke ? 500 : 20_000;
  const twenty = hostWorkload(2 * million, flows);
  const rows = [
    await measure('engine', twenty, ENGINE, rounds),
    await measureFloor(values.root, twenty, flows, rounds),
    await measure('engine', hostWorkload(2 * million, flows, 80), ENGINE, rounds),
    await measure('engine', hostWorkload(2 * million, flows, 980), ENGINE, rounds),
    await measure('engine', hostWorkload(4 * million, 50 * flows), ENGINE, Math.min(rounds, 3)),
    await measure('linear', twenty, LINEAR, rounds),
    await measure('linear', hostWorkload(2 * million, flows, 980), LINEAR, rounds),
    await measure('reference', hostWorkload(smoke ? 2000 : 100_000, Math.min(flows, 2000)), REFERENCE, Math.min(rounds, 3)),
  ];
  return { title: 'Host firewall with conntrack, 64-byte packets, in memory', rows };
}

/** What a packet costs when there are few connections and many, beside a plain hash of the 5-tuple. */
async function connections(): Promise<Group[]> {
  const groups: Group[] = [];
  for (const flows of smoke ? [100, 1000] : [1000, 100_000, 1_000_000]) {
    const workload = hostWorkload(Math.max(2 * million, 4 * flows), flows);
    const few = Math.min(rounds, 3);
    const rows = [await measureFloor(values.root, workload, flows, few), await measure('engine', workload, ENGINE, few)];
    groups.push({ title: `${flows.toLocaleString('en-US')} connections`, rows });
  }
  return groups;
}

async function bundled(): Promise<Group[]> {
  const pcaps = join(values.root, 'pcaps');
  const groups: Group[] = [];
  const few = bundledWorkloads(pcaps, Math.min(million, 20_000));
  for (const [index, workload] of bundledWorkloads(pcaps, million).entries()) {
    const rows = [
      await measure('engine', workload, ENGINE, rounds),
      await measure('linear', workload, LINEAR, rounds),
      await measure('reference', few[index]!, REFERENCE, 1),
    ];
    groups.push({ title: `Bundled capture ${workload.name}`, rows });
  }
  return groups;
}

async function classified(): Promise<Classified[]> {
  const sizes = smoke ? [100] : [1000, 10_000];
  const own = sizes.flatMap((size) => (['acl', 'fw', 'ipc'] as const).map((shape) => filterSet(shape, size)));
  const theirs = values.classbench === undefined ? [] : classbenchSets(values.classbench, smoke ? 2000 : 20_000);
  const options = { root: values.root, packets: smoke ? 4096 : 1 << 18, rounds, peers: values.peers === true };
  return classification([...own, ...theirs], options, (line) => console.log(line));
}

/** Nanoseconds a packet, and how often the engine's time goes into each peer's. */
function printClassified(rows: readonly Classified[]): void {
  console.log('\nClassification alone, packets that have nothing to do with each other');
  for (const { set, many, single, compileMs, packMs, nodes, worstLeaf, imageBytes, peer } of rows) {
    const engine = `${many.toFixed(1)} ns (one by one ${single.toFixed(1)})`;
    const peers = (peer?.results ?? []).map(
      ({ name, nanoseconds }) => `${name} ${nanoseconds.toFixed(1)} ns x ${(nanoseconds / many).toFixed(2)}`,
    );
    const built = `compiled in ${compileMs.toFixed(0)} ms, packed in ${packMs.toFixed(0)}: ${nodes} nodes, worst leaf ${worstLeaf}, ${(imageBytes / 1024).toFixed(0)} KiB`;
    console.log(`  ${set.padEnd(12)} ${engine.padEnd(34)} ${built}${peers.length > 0 ? `; rte_acl ${peers.join(', ')}` : ''}`);
  }
}

function printProcesses({ title, rows, missing }: ProcessGroup): void {
  console.log(`\n${title}`);
  const first = rows[0]?.seconds ?? 1;
  for (const { name, seconds } of rows) {
    console.log(`  ${name.padEnd(44)} ${seconds.toFixed(3).padStart(8)} s  x ${(seconds / first).toFixed(2)}`);
  }
  for (const line of missing) console.log(`  not measured: ${line}`);
}

function print({ title, rows }: Group): void {
  console.log(`\n${title}`);
  const first = rows[0]!.nanoseconds;
  for (const row of rows) {
    const ratio = (row.nanoseconds / first).toFixed(2);
    console.log(
      `  ${row.name.padEnd(44)} ${(row.packetsPerSecond / 1e6).toFixed(2).padStart(8)} M packets/s ${row.nanoseconds.toFixed(1).padStart(9)} ns  x ${ratio}`,
    );
  }
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', cwd: values.root }).trim();
  } catch {
    return 'unknown';
  }
}

const PARTS = ['host', 'connections', 'bundled', 'classification', 'processes'];
const unknown = values.only?.find((part) => !PARTS.includes(part));
if (unknown !== undefined) throw new Error(`--only knows ${PARTS.join(', ')}, not "${unknown}"`);
const wants = (part: string): boolean => values.only === undefined || values.only.includes(part);
const groups = [
  ...(wants('host') ? [await hostFirewalls()] : []),
  ...(wants('connections') ? await connections() : []),
  ...(wants('bundled') ? await bundled() : []),
];
for (const group of groups) print(group);
const sets = wants('classification') ? await classified() : [];
if (sets.length > 0) printClassified(sets);
const whole = wants('processes') && values.peers === true ? processes(values.root, million, Math.min(rounds, 3)) : undefined;
if (whole !== undefined) printProcesses(whole);
if (values.record === true) {
  const date = new Date().toISOString().slice(0, 10);
  const folder = join(values.root, 'bench/results');
  mkdirSync(folder, { recursive: true });
  const record = {
    date,
    machine: `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores`,
    node: process.version,
    commit: commit(),
    groups,
    classification: sets,
    processes: whole,
  };
  writeFileSync(join(folder, `${date}.json`), `${JSON.stringify(record, null, 2)}\n`);
  console.log(`\nwritten: bench/results/${date}.json`);
}
