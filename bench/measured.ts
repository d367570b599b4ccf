/** What the bench measures, part by part. */
import { join } from 'node:path';
import { bundledWorkloads } from './bundled.ts';
import { classbenchShapes, type FilterSet, filterSet } from './classbench.ts';
import { type Classified, classification } from './classification.ts';
import { firstCompiles } from './first.ts';
import { measureFloor } from './floor.ts';
import { collidingWorkload, floodWorkload, KNOWN_KEY } from './hostile.ts';
import { kinds } from './kinds.ts';
import { kubeFlood, kubeWorkload } from './kube.ts';
import { type OddRow, oddly, printOdd } from './oddly.ts';
import { type ProcessGroup, processes } from './peers/processes.ts';
import type { Group } from './print.ts';
import { compiling, stages } from './stages.ts';
import { checkEvaluations, ENGINE, hostWorkload, KEYED, LINEAR, measure, REFERENCE, type Row } from './suite.ts';
import { usual } from './usual.ts';

export interface Size {
  root: string;
  /** Everything once, on little. */
  smoke: boolean;
  /** Other programs beside ours. */
  peers: boolean;
  /** Sets of ClassBench's own, where they are given. */
  theirs: readonly FilterSet[];
}

const million = ({ smoke }: Size): number => (smoke ? 20_000 : 1_000_000);
const rounds = ({ smoke }: Size): number => (smoke ? 1 : 5);
const few = ({ smoke }: Size): number => (smoke ? 1 : 3);
const usualFlows = ({ smoke }: Size): number => (smoke ? 500 : 20_000);

/** The first row is what issue and README speak of: 20 rules, 64-byte packets. */
export async function hostFirewalls(size: Size): Promise<Group> {
  const [packets, flows, times] = [2 * million(size), usualFlows(size), rounds(size)];
  const twenty = hostWorkload(packets, flows);
  const colliding = await collidingWorkload(size.root, packets, flows);
  const first = await measure('engine', twenty, ENGINE, times);
  const more = [
    await measure('engine', hostWorkload(packets, flows, 80), ENGINE, times),
    await measure('engine', hostWorkload(packets, flows, 980), ENGINE, times),
  ];
  const evaluated = [first, ...more].map(({ evaluations = 0 }, index) => ({ rules: [20, 100, 1000][index]!, evaluations }));
  checkEvaluations(evaluated);
  const rows = [
    first,
    await measureFloor(size.root, twenty, flows, times),
    await measureFloor(size.root, twenty, flows, times, true),
    ...more,
    // Four packets a connection: most of them open one. And sixteen.
    await measure('engine', hostWorkload(2 * packets, 50 * flows), ENGINE, few(size)),
    await measure('engine, many packets each', hostWorkload(8 * packets, 50 * flows), ENGINE, 1),
    await measure('engine, key 0', colliding, KEYED(KNOWN_KEY), few(size)),
    await measure('engine, key drawn', colliding, ENGINE, few(size)),
    await measure('engine', floodWorkload(million(size)), ENGINE, few(size)),
    await measure('linear', twenty, LINEAR, times),
    await measure('linear', hostWorkload(packets, flows, 980), LINEAR, times),
    await measure('reference', hostWorkload(size.smoke ? 2000 : 100_000, Math.min(flows, 2000)), REFERENCE, few(size)),
  ];
  return { title: 'Host firewall with conntrack, 64-byte packets, in memory', rows };
}

/** What is not the usual case, beside it. */
export async function otherKinds(size: Size): Promise<Group> {
  const rows: Row[] = [];
  for (const make of kinds(million(size), usualFlows(size))) rows.push(await measure('engine', make(), ENGINE, few(size)));
  return { title: 'What is not the usual case, beside it, in memory', rows };
}

/** Usual rule sets and captures, each with each. */
export async function usualPairs(size: Size): Promise<Group[]> {
  const groups: Group[] = [];
  for (const { title, workloads } of usual(million(size) / 10)) {
    const rows: Row[] = [];
    for (const make of workloads) rows.push(await measure('engine', make(), ENGINE, few(size)));
    groups.push({ title: `Usual rule sets, a capture of ${title}`, rows });
  }
  return groups;
}

/** Read, decode, conntrack, classify: where a replay's time goes. */
export const staged = (size: Size): Promise<Group> => stages(size.root, 2 * million(size), usualFlows(size), rounds(size));

/** What rules cost: compiled again and again in one process, and once in each of several. */
export async function compiled(size: Size): Promise<Group[]> {
  const sizes = size.smoke ? [20, 100] : [20, 100, 1000, 10_000];
  return [await compiling(sizes, few(size)), firstCompiles(sizes, !size.smoke, size.smoke ? 1 : 5)];
}

/** What kube-proxy writes for a small cluster, about a hundred rules, and for a large one: when most packets belong to a connection, and when every packet opens one. */
export async function clusters(size: Size): Promise<Group[]> {
  const services = [20, size.smoke ? 200 : 10_000];
  const usual: Row[] = [];
  const flood: Row[] = [];
  for (const count of services) {
    usual.push(await measure('engine', kubeWorkload(million(size), usualFlows(size), count), ENGINE, few(size)));
    flood.push(await measure('engine', kubeFlood(million(size) / 5, count), ENGINE, few(size)));
  }
  return [
    { title: 'Rules of kube-proxy, datagrams to services, in memory', rows: usual },
    { title: 'Rules of kube-proxy, every datagram from another client', rows: flood },
  ];
}

/** How many connections the groups of `connections` have. */
export const connectionCounts = ({ smoke }: Size): number[] => (smoke ? [100, 1000] : [1000, 10_000, 100_000, 1_000_000]);

/** What a packet costs when there are few connections and many, beside a plain hash of the 5-tuple: a hundred packets of each and more, but for a million connections with sixteen. */
export async function connections(size: Size): Promise<Group[]> {
  const groups: Group[] = [];
  for (const flows of connectionCounts(size)) {
    const workload = hostWorkload(Math.min(Math.max(2 * million(size), 100 * flows), 16 * million(size)), flows);
    const rows = [
      await measureFloor(size.root, workload, flows, few(size)),
      await measureFloor(size.root, workload, flows, few(size), true),
      await measure('engine', workload, ENGINE, few(size)),
    ];
    groups.push({ title: `${flows.toLocaleString('en-US')} connections`, rows });
  }
  return groups;
}

export async function bundled(size: Size): Promise<Group[]> {
  const pcaps = join(size.root, 'pcaps');
  const groups: Group[] = [];
  const short = bundledWorkloads(pcaps, Math.min(million(size), 20_000));
  for (const [index, workload] of bundledWorkloads(pcaps, million(size)).entries()) {
    const rows = [
      await measure('engine', workload, ENGINE, few(size)),
      await measure('linear', workload, LINEAR, few(size)),
      await measure('reference', short[index]!, REFERENCE, 1),
    ];
    groups.push({ title: `Bundled capture ${workload.name}`, rows });
  }
  return groups;
}

export async function classified(size: Size): Promise<Classified[]> {
  const sizes = size.smoke ? [100] : [100, 1000, 10_000, 100_000];
  const own = sizes.flatMap((rules) => classbenchShapes.map((shape) => filterSet(shape, rules)));
  const options = { root: size.root, packets: size.smoke ? 4096 : 1 << 18, rounds: rounds(size), peers: size.peers };
  return classification([...own, ...size.theirs], options, (line) => console.log(line));
}

/** Shapes of rules that are meant to hurt. */
export function odd(size: Size): Promise<OddRow[]> {
  console.log('\nOdd rule sets, packets that meet their rules');
  const sizes = size.smoke ? [100] : [1000, 10_000];
  return oddly({ root: size.root, sizes, packets: size.smoke ? 512 : 1 << 14, rounds: few(size) }, printOdd);
}

/** Data of every other packet, as much as Ethernet carries: packets of 1500 bytes in frames of 1514, and with the acknowledgements between them 787 in the mean. */
const LARGE = 1460;

/** Ours against what people use today: many small packets, large ones, few. */
export async function wholeProcesses(size: Size): Promise<ProcessGroup[]> {
  const [packets, flows] = [million(size), usualFlows(size)];
  const usual = { flows, rules: 20, rounds: few(size) };
  return [
    await processes(size.root, { ...usual, packets, programs: ['wasmtables', 'tcpdump', 'iptables'], rounds: rounds(size) }),
    await processes(size.root, {
      ...usual,
      packets: 10 * packets,
      programs: [
        'wasmtables',
        'tcpdump',
        'wasmtables, two threads',
        'wasmtables, a thread that reads',
        'wasmtables, twice at once',
      ],
    }),
    // Where a packet costs more than reading it and stepping over it, which each thread does for itself.
    await processes(size.root, {
      ...usual,
      packets: 10 * packets,
      flows: 50 * flows,
      programs: ['wasmtables', 'wasmtables, two threads', 'wasmtables, a thread that reads'],
    }),
    await processes(size.root, { ...usual, packets, data: LARGE, programs: ['wasmtables', 'tcpdump'] }),
  ];
}

/** How many rules the groups of `processesByRules` have. */
const ruleCounts = ({ smoke }: Size): number[] => (smoke ? [20, 100] : [20, 100, 1000, 10_000]);

/** The same packets through more and more rules, every program on all of them and as often. Throws when packets are not held against the rules that were added. */
export async function processesByRules(size: Size): Promise<ProcessGroup[]> {
  const programs = ['wasmtables', 'wasmtables, rule by rule', 'tcpdump', 'iptables'] as const;
  const groups: ProcessGroup[] = [];
  for (const rules of ruleCounts(size))
    groups.push(
      await processes(size.root, { packets: million(size), flows: usualFlows(size), rules, programs, rounds: few(size) }),
    );
  checkEvaluations(groups);
  return groups;
}
