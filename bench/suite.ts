/** The replay bench: packets a second of the engine (tree and linear) and the reference, as ratios of one run. */
import { Bench } from 'tinybench';
import { compile } from '../src/compile/index.ts';
import type { HashKey } from '../src/engine/index.ts';
import { buildHost } from '../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../src/model/profile.ts';
import type { Job } from '../src/model/witness.ts';
import { engineSession } from '../src/replay/engine-session.ts';
import { referenceSession } from '../src/replay/reference-session.ts';
import type { Session } from '../src/replay/session.ts';
import { parseSave } from '../src/syntax/index.ts';
import { hostFirewall } from './rules.ts';
import { SERVER, tcpTraffic } from './traffic.ts';

export interface Row {
  name: string;
  packets: number;
  /** Median over the runs. */
  packetsPerSecond: number;
  nanoseconds: number;
  /** Rules evaluated a packet, in the mean; of replays. */
  evaluations?: number;
}

export interface Workload {
  name: string;
  capture: Uint8Array;
  packets: number;
  job: Job;
}

/** What a session without a buffer of its own is fed at once. */
const CHUNK = 1 << 20;

/** A whole capture from memory through a session. */
export function replayBytes(session: Session, capture: Uint8Array): void {
  session.startCapture('memory');
  for (let at = 0; at < capture.length; ) {
    const buffer = session.inputBuffer?.();
    const part = capture.subarray(at, at + (buffer?.length ?? CHUNK));
    if (buffer === undefined) session.feed(part);
    else {
      buffer.set(part);
      session.advance!(part.length);
    }
    at += part.length;
  }
  session.endCapture();
}

/** A host firewall of 20 rules and `extra` more, TCP flows of 64-byte packets. */
export function hostWorkload(packets: number, flows: number, extra = 0): Workload {
  return {
    name: `${20 + extra} rules, ${flows.toLocaleString('en-US')} flows`,
    capture: tcpTraffic(packets, flows),
    packets,
    job: hostJob(hostFirewall(extra)),
  };
}

/** Rules (iptables-save text) on the host that bench/traffic.ts speaks to. */
export const hostJob = (rules: string): Job => ({
  rules: { 4: parseSave(rules, { file: 'host.v4', family: 4 }) },
  host: buildHost({ local: [SERVER], in: 'eth0' }),
  profile: DEFAULT_PROFILE,
});

/** One measured line: a replay of the workload, its rules compiled before. */
export async function measure(name: string, workload: Workload, start: Start, iterations: number): Promise<Row> {
  const { job } = workload;
  const begin = start(job);
  let last: Session | undefined;
  const row = await rowOf(name, workload, iterations, async () => {
    last = await begin();
    replayBytes(last, workload.capture);
  });
  return { ...row, evaluations: (last?.result().evaluations ?? 0) / workload.packets };
}

/** Of workloads with more and more rules. Throws when rules were added and packets are not held against them: then the work is the same, and its time says nothing of rules. */
export function checkEvaluations(measured: readonly { rules: number; evaluations: number }[]): void {
  for (const [index, { rules, evaluations }] of measured.entries()) {
    const before = measured[index - 1];
    // Every other packet comes in; the answers go out, where there are no rules.
    if (before !== undefined && evaluations - before.evaluations < (rules - before.rules) / 4)
      throw new Error(`${rules} rules: ${evaluations} are evaluated a packet, with ${before.rules} ${before.evaluations}`);
  }
}

/** One measured line: the same work `iterations` times after one to warm up. */
export async function rowOf(
  name: string,
  workload: Workload,
  iterations: number,
  work: () => void | Promise<void>,
): Promise<Row> {
  const bench = new Bench({ iterations, time: 0, warmupIterations: 1, warmupTime: 0, throws: true });
  bench.add(name, work);
  await bench.run();
  const result = bench.tasks[0]!.result;
  if (result.state !== 'completed') throw new Error(`${name}: ${result.state}`);
  const seconds = result.latency.p50 / 1000;
  return {
    name: `${name}: ${workload.name}`,
    packets: workload.packets,
    packetsPerSecond: Math.round(workload.packets / seconds),
    nanoseconds: (seconds / workload.packets) * 1e9,
  };
}

/** Gets ready for a job (compiles its rules), so that sessions begin with the packets. */
export type Start = (job: Job) => () => Session | Promise<Session>;

const engine =
  (options: { tree?: boolean; hashKey?: HashKey }): Start =>
  (job) => {
    const image = compile(job, options);
    return () => engineSession(job, { ...options, image });
  };
export const ENGINE: Start = engine({});
/** The engine with a key of the hash of connections that everybody knows. */
export const KEYED = (hashKey: HashKey): Start => engine({ hashKey });
export const LINEAR: Start = engine({ tree: false });
export const REFERENCE: Start = (job) => () => referenceSession(job);
