/** Whole processes on one capture: ours, tcpdump with a filter of as many clauses, and tcpreplay into real iptables in a namespace of its own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostFirewall } from '../rules.ts';
import { SERVER, tcpTraffic } from '../traffic.ts';

export interface ProcessRow {
  name: string;
  packets: number;
  /** From start to end of the process, median. */
  seconds: number;
}

export interface ProcessGroup {
  title: string;
  rows: ProcessRow[];
  /** What was not measured, and why. */
  missing: string[];
}

/** How a program is started on rules and a capture. */
type Command = (rules: string, capture: string) => [program: string, ...args: string[]];

export interface Processes {
  packets: number;
  flows: number;
  /** Bytes of data in every other packet; one when not given. */
  data?: number;
  /** Rules of the host firewall, and clauses of the filter. */
  rules: number;
  /** The first is what the others are compared to. */
  programs: readonly ProgramName[];
  rounds: number;
}

export type ProgramName = 'wasmtables' | 'wasmtables, two threads' | 'wasmtables, rule by rule' | 'tcpdump' | 'iptables';

/** The same capture through every program `rounds` times. */
export function processes(root: string, task: Processes): ProcessGroup {
  const folder = mkdtempSync(join(tmpdir(), 'wasmtables-bench-'));
  try {
    const [capture, rules] = [join(folder, 'capture.pcap'), join(folder, 'rules.v4')];
    const bytes = tcpTraffic(task.packets, task.flows, task.data);
    writeFileSync(capture, bytes);
    writeFileSync(rules, hostFirewall(task.rules - 20));
    const missing: string[] = [];
    const rows: ProcessRow[] = [];
    for (const name of task.programs) {
      const seconds = median(commands(root, task.rules)[name](rules, capture), task.rounds);
      if (typeof seconds === 'string') missing.push(`${name}: ${seconds}`);
      else rows.push({ name, packets: task.packets, seconds });
    }
    const size = Math.round((bytes.length - 24) / task.packets) - 16;
    const title = `Whole processes, ${task.packets.toLocaleString('en-US')} packets of ${size} bytes, ${task.rules} rules, ${task.flows.toLocaleString('en-US')} flows`;
    return { title, rows, missing };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function commands(root: string, clauses: number): Record<ProgramName, Command> {
  const ours =
    (...options: string[]): Command =>
    (rules, capture) => {
      const replay = ['replay', '-R', rules, '-r', capture, '--local', SERVER, '--in', 'eth0', '--format', 'json', ...options];
      return [process.execPath, join(root, 'bin/wasmtables.js'), ...replay];
    };
  return {
    wasmtables: ours(),
    'wasmtables, two threads': ours('--jobs', '2'),
    'wasmtables, rule by rule': ours('--no-tree'),
    tcpdump: (_, capture) => ['tcpdump', '-r', capture, '-w', '/dev/null', filterOf(clauses)],
    iptables: (rules, capture) => ['unshare', '-n', 'sh', join(root, 'bench/peers/iptables.sh'), rules, capture, SERVER],
  };
}

/** A filter that looks at every clause of almost every packet. */
const filterOf = (clauses: number): string =>
  Array.from({ length: clauses }, (_, index) => {
    const network = `172.${16 + (index >>> 8)}.${index & 255}.0/24`;
    return `(src net ${network} and tcp dst port ${8000 + (index % 1000)})`;
  }).join(' or ');

/** Seconds, or why there are none. */
function median([program, ...args]: readonly [string, ...string[]], rounds: number): number | string {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    const { status, error, stderr } = spawnSync(program, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
      timeout: 600_000,
    });
    if (error !== undefined) return error.message;
    if (status !== 0) return stderr.trim().split('\n').at(-1) || `exit ${status}`;
    times.push((performance.now() - start) / 1000);
  }
  return times.sort((a, b) => a - b)[rounds >>> 1]!;
}
