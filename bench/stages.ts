/** What a replay consists of, one stage after another, each with all before it; and what compiling costs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile } from '../src/compile/index.ts';
import { openPlain } from '../src/replay/open.ts';
import { measureFloor } from './floor.ts';
import type { Group } from './print.ts';
import { hostFirewall } from './rules.ts';
import { ENGINE, hostJob, hostWorkload, measure, type Row, rowOf, type Workload } from './suite.ts';

/** Bytes that are read at once, as the engine's input takes them. */
const CHUNK = 1 << 18;

const POLICIES = ['*filter', ':INPUT ACCEPT [0:0]', ':FORWARD ACCEPT [0:0]', ':OUTPUT ACCEPT [0:0]'];
const withRules = (...rules: string[]): string => [...POLICIES, ...rules, 'COMMIT', ''].join('\n');

/** Rules that bring one stage more than those before them. */
const STAGES: readonly (readonly [name: string, rules: string])[] = [
  ['records, headers, host (no rules)', withRules()],
  ['and a rule about ports (no connections)', withRules('-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT')],
  ['and connections (a rule about their state)', withRules('-A INPUT -m conntrack --ctstate INVALID -j DROP')],
  ['and a firewall of 20 rules', hostFirewall()],
];

/** Throws when the file that is read has other bytes than were written. */
export async function stages(root: string, packets: number, flows: number, rounds: number): Promise<Group> {
  const workload = { ...hostWorkload(packets, flows), name: `${flows.toLocaleString('en-US')} flows` };
  const rows = [await readFile(workload, rounds), await measureFloor(root, workload, flows, rounds)];
  for (const [name, rules] of STAGES) rows.push(await measure(name, { ...workload, job: hostJob(rules) }, ENGINE, rounds));
  return { title: 'Stages of a replay, each with those before it', rows };
}

/** Bytes of a file into memory, and nothing else. */
async function readFile(workload: Workload, rounds: number): Promise<Row> {
  const folder = mkdtempSync(join(tmpdir(), 'wasmtables-bench-'));
  try {
    const path = join(folder, 'capture.pcap');
    writeFileSync(path, workload.capture);
    const buffer = new Uint8Array(CHUNK);
    return await rowOf('bytes from a file', workload, rounds, () => {
      const file = openPlain(path)!;
      let bytes = 0;
      for (let more = file.read(buffer); more > 0; more = file.read(buffer)) bytes += more;
      file.close();
      if (bytes !== workload.capture.length) throw new Error(`${bytes} bytes are read of ${workload.capture.length}`);
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What a rule costs to compile, in sets that grow; parsed before. */
export async function compiling(sizes: readonly number[], rounds: number): Promise<Group> {
  const rows: Row[] = [];
  for (const rules of sizes) {
    const job = hostJob(hostFirewall(rules - 20));
    const workload: Workload = {
      name: `${rules.toLocaleString('en-US')} rules`,
      capture: new Uint8Array(0),
      packets: rules,
      job,
    };
    rows.push(await rowOf('compile', workload, rounds, () => void compile(job)));
  }
  return { title: 'Compiling host firewalls', rows, of: 'rule' };
}
