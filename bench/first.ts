/** What rules cost a process that has just begun, as every run of the command does: V8 has run none of the code before. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kubeRules } from './kube.ts';
import type { Group } from './print.ts';
import { hostFirewall } from './rules.ts';
import type { Row } from './suite.ts';

/** Services of kube-proxy that are about 50,000 rules. */
const SERVICES = 10_000;

/** Milliseconds that one process took. */
interface First {
  read: number;
  compiled: number;
}

/** Reads and compiles host firewalls of these sizes (`large`: and 50,000 rules of kube-proxy), each `rounds` times in a process of its own; medians. Throws when a process fails. */
export function firstCompiles(sizes: readonly number[], large: boolean, rounds: number): Group {
  const folder = mkdtempSync(join(tmpdir(), 'wasmtables-bench-'));
  try {
    const sets = sizes.map((rules) => ({ name: `${rules.toLocaleString('en-US')} rules`, text: hostFirewall(rules - 20) }));
    if (large) sets.push({ name: 'kube-proxy, 10,000 services', text: kubeRules(SERVICES) });
    return { title: 'The first rules of a process', rows: sets.flatMap((set) => rowsOf(set, folder, rounds)), of: 'rule' };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function rowsOf({ name, text }: { name: string; text: string }, folder: string, rounds: number): Row[] {
  const file = join(folder, 'rules.v4');
  writeFileSync(file, text);
  const rules = text.split('\n').filter((line) => line.startsWith('-A')).length;
  const all = Array.from({ length: rounds }, () => runOnce(file));
  return [
    rowOf(`read: ${name}`, rules, median(all.map(({ read }) => read))),
    rowOf(`compile: ${name}`, rules, median(all.map(({ compiled }) => compiled))),
  ];
}

const rowOf = (name: string, rules: number, milliseconds: number): Row => ({
  name,
  packets: rules,
  packetsPerSecond: (rules / milliseconds) * 1000,
  nanoseconds: (milliseconds / rules) * 1e6,
});

function runOnce(file: string): First {
  const program = fileURLToPath(new URL('./first-run.js', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, file], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`reading and compiling ${file} failed: ${stderr}`);
  return JSON.parse(stdout) as First;
}

const median = (values: number[]): number => values.sort((one, other) => one - other)[values.length >> 1]!;
