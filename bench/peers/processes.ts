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

const FLOWS = 20_000;

/** `packets` packets of 60 bytes through every program `rounds` times. The first row is ours. */
export function processes(root: string, packets: number, rounds: number): ProcessGroup {
  const folder = mkdtempSync(join(tmpdir(), 'wasmtables-bench-'));
  try {
    const capture = join(folder, 'capture.pcap');
    const rules = join(folder, 'rules.v4');
    writeFileSync(capture, tcpTraffic(packets, Math.min(FLOWS, packets)));
    writeFileSync(rules, hostFirewall());
    const missing: string[] = [];
    const rows: ProcessRow[] = [];
    const measure = (name: string, program: string, args: readonly string[]): void => {
      const times = Array.from({ length: rounds }, () => secondsOf(program, args));
      const failed = times.find((time) => typeof time === 'string');
      if (failed !== undefined) missing.push(`${name}: ${failed}`);
      else rows.push({ name, packets, seconds: (times as number[]).sort((a, b) => a - b)[rounds >>> 1]! });
    };
    const replay = ['replay', '-R', rules, '-r', capture, '--local', SERVER, '--in', 'eth0', '--format', 'json'];
    measure('wasmtables replay', process.execPath, [join(root, 'bin/wasmtables.js'), ...replay]);
    measure('tcpdump -r -w /dev/null, 20 clauses', 'tcpdump', ['-r', capture, '-w', '/dev/null', clauses(20)]);
    measure('tcpreplay into iptables', 'unshare', ['-n', 'sh', join(root, 'bench/peers/iptables.sh'), rules, capture, SERVER]);
    return { title: `Whole processes, ${packets.toLocaleString('en-US')} packets of 60 bytes, 20 rules`, rows, missing };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A filter that looks at every clause of almost every packet. */
const clauses = (count: number): string =>
  Array.from({ length: count }, (_, index) => `(src net 172.16.${index}.0/24 and tcp dst port ${8000 + index})`).join(' or ');

function secondsOf(program: string, args: readonly string[]): number | string {
  const start = performance.now();
  const { status, error, stderr } = spawnSync(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    timeout: 600_000,
  });
  if (error !== undefined) return error.message;
  if (status !== 0) return stderr.trim().split('\n').at(-1) || `exit ${status}`;
  return (performance.now() - start) / 1000;
}
