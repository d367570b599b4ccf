/** Whole processes on one capture: ours, tcpdump with a filter of as many clauses, and tcpreplay into real iptables in a namespace of its own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { establishedRule, hostFirewall } from '../rules.ts';
import { ENGINE, hostJob, replayBytes } from '../suite.ts';
import { SERVER, tcpTraffic } from '../traffic.ts';

export interface ProcessRow {
  name: string;
  packets: number;
  /** From start to end of the process, median. */
  seconds: number;
  /** Of it the replay alone, from the first byte read to the last packet judged, median: as our reports tell it. */
  replay?: number;
}

/** One run of a program. */
type Taken = Pick<ProcessRow, 'seconds' | 'replay'>;

export interface ProcessGroup {
  title: string;
  /** Of the firewall. */
  rules: number;
  /** Rules that the engine evaluates a packet, in the mean. */
  evaluations: number;
  rows: ProcessRow[];
  /** What was not measured, and why. */
  missing: string[];
}

/** Files with the rules, the same as a filter of tcpdump, and the packets. */
interface Files {
  rules: string;
  filter: string;
  capture: string;
}

type Command = [program: string, ...args: string[]];

/** tcpdump gets no more: it compiles 1,000 clauses in a moment, 10,000 not within a minute. */
const MOST_CLAUSES = 1000;

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

export type ProgramName =
  | 'wasmtables'
  | 'wasmtables, two threads'
  /** Asked for what all packets did together, of which there is nothing: what is judged is the same. (With nf_conntrack_max one thread takes half as long again, too.) */
  | 'wasmtables, a thread that reads'
  /** What two threads could gain at most: half the time of two processes at once. */
  | 'wasmtables, twice at once'
  | 'wasmtables, rule by rule'
  | 'tcpdump'
  | 'iptables';

/** What is measured of one capture and rules. */
type Timed = Pick<Processes, 'packets' | 'rules' | 'programs' | 'rounds'>;

/** A capture through every program `rounds` times; `words` are what the command is given. There is no real iptables: where packets of any capture enter it, nobody said. */
export function processesOn(
  root: string,
  task: Timed,
  capture: string,
  words: readonly string[],
): Pick<ProcessGroup, 'rows' | 'missing'> {
  const folder = mkdtempSync(join(tmpdir(), 'wasmtables-bench-'));
  try {
    const filter = join(folder, 'filter');
    writeFileSync(filter, filterOf(task.rules));
    return measured(task, { ...ours(root, words), ...tcpdump(capture, filter) });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same capture through every program `rounds` times. */
export async function processes(root: string, task: Processes): Promise<ProcessGroup> {
  const folder = mkdtempSync(join(tmpdir(), 'wasmtables-bench-'));
  try {
    const files = { rules: join(folder, 'rules.v4'), filter: join(folder, 'filter'), capture: join(folder, 'capture.pcap') };
    const bytes = tcpTraffic(task.packets, task.flows, task.data);
    const rules = hostFirewall(task.rules - 20);
    writeFileSync(files.capture, bytes);
    writeFileSync(files.rules, rules);
    writeFileSync(files.filter, filterOf(task.rules));
    const { evaluations, established } = await engineSays(rules, bytes);
    const { rows, missing } = measured(task, commands(root, files, established));
    const size = Math.round((bytes.length - 24) / task.packets) - 16;
    const title = `Whole processes, ${task.packets.toLocaleString('en-US')} packets of ${size} bytes, ${task.rules} rules, ${task.flows.toLocaleString('en-US')} flows`;
    return { title, rules: task.rules, evaluations: evaluations / task.packets, rows, missing };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The programs take turns: what else a machine does meanwhile meets them all. */
function measured(task: Timed, all: Partial<Record<ProgramName, Command>>): Pick<ProcessGroup, 'rows' | 'missing'> {
  const times = new Map<ProgramName, Taken[]>(task.programs.map((name) => [name, []]));
  const missing: string[] = [];
  const leaveOut = (name: ProgramName, why: string): void => {
    times.delete(name);
    missing.push(`${name}: ${why}`);
  };
  if (task.rules > MOST_CLAUSES && times.has('tcpdump')) leaveOut('tcpdump', `${task.rules} clauses do not compile in a minute`);
  for (let round = 0; round < task.rounds; round++) {
    for (const [name, taken] of times) {
      const one = once(all[name]!);
      if (typeof one === 'string') leaveOut(name, one);
      else taken.push(one);
    }
  }
  const median = (taken: number[]): number => taken.sort((a, b) => a - b)[taken.length >>> 1]!;
  const rows = [...times].map(([name, taken]): ProcessRow => {
    const replays = taken.flatMap(({ replay }) => (replay === undefined ? [] : [replay]));
    const seconds = median(taken.map((one) => one.seconds));
    return { name, packets: task.packets, seconds, ...(replays.length > 0 && { replay: median(replays) }) };
  });
  return { rows, missing };
}

/** What the engine counts: rules evaluated, and packets of the rule for ESTABLISHED. */
async function engineSays(rules: string, capture: Uint8Array): Promise<{ evaluations: number; established: number }> {
  const session = await ENGINE(hostJob(rules))();
  replayBytes(session, capture);
  const { evaluations, counters } = session.result();
  const place = establishedRule(rules.split('\n'));
  const counted = counters[4]?.filter?.INPUT?.rules[place];
  if (counted === undefined) throw new Error(`INPUT has no rule ${place}`);
  return { evaluations, established: counted.packets };
}

function commands(root: string, { rules, filter, capture }: Files, established: number): Record<ProgramName, Command> {
  const script = join(root, 'bench/peers/iptables.sh');
  return {
    ...ours(root, ['-R', rules, '-r', capture, '--local', SERVER, '--in', 'eth0']),
    ...tcpdump(capture, filter),
    iptables: ['unshare', '-n', 'sh', script, rules, capture, SERVER, String(established)],
  };
}

/** The command, by words of `replay` and others. */
function ours(root: string, words: readonly string[]): Record<Exclude<ProgramName, 'tcpdump' | 'iptables'>, Command> {
  const command = (...options: string[]): Command => {
    const replay = ['replay', ...words, '--format', 'json', ...options];
    return [process.execPath, join(root, 'bin/wasmtables.js'), ...replay];
  };
  return {
    wasmtables: command(),
    'wasmtables, two threads': command('--jobs', '2'),
    'wasmtables, a thread that reads': command('--jobs', '2', '--dump-recent', '/dev/null'),
    'wasmtables, twice at once': ['sh', '-c', '"$@" & "$@" & wait', 'sh', ...command()],
    'wasmtables, rule by rule': command('--no-tree'),
  };
}

const tcpdump = (capture: string, filter: string): Record<'tcpdump', Command> => ({
  tcpdump: ['tcpdump', '-r', capture, '-w', '/dev/null', '-F', filter],
});

/** A filter that looks at every clause of almost every packet. */
const filterOf = (clauses: number): string =>
  Array.from({ length: clauses }, (_, index) => {
    const network = `172.${16 + (index >>> 8)}.${index & 255}.0/24`;
    return `(src net ${network} and tcp dst port ${8000 + (index % 1000)})`;
  }).join(' or ');

/** Not what Node reads and parses when it starts, whatever it runs: certificates of an organisation, 30 ms of them here. */
const { NODE_EXTRA_CA_CERTS: _, ...ENVIRONMENT } = process.env;

/** Seconds, or why there are none. */
function once([program, ...args]: Command): Taken | string {
  const start = performance.now();
  const { status, error, stdout, stderr } = spawnSync(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    env: ENVIRONMENT,
    timeout: 600_000,
    maxBuffer: 1 << 28,
  });
  const seconds = (performance.now() - start) / 1000;
  if (error !== undefined) return error.message;
  if (status !== 0) return stderr.trim().split('\n').at(-1) || `exit ${status}`;
  const replay = secondsOfReport(stdout);
  return { seconds, ...(replay !== undefined && { replay }) };
}

/** What a report says of the replay alone; undefined: it is none. */
function secondsOfReport(text: string): number | undefined {
  try {
    return (JSON.parse(text) as { speed?: { seconds: number } }).speed?.seconds;
  } catch {
    return undefined;
  }
}
