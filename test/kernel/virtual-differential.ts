/** Cases to a virtual-clock kernel and, with the very times it sent the packets at, to reference and engine: what differs. */

import { expect } from 'vitest';
import { type WrittenFrame, writePcap } from '../../src/capture/writer.ts';
import { addressBytes, ethernetFrame } from '../../src/fuzz/build-packet.ts';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { expectationDifferences, setDifferences } from '../../src/fuzz/listing.ts';
import { nfacctDifferences, PROC_FILES, procDifferences } from '../../src/fuzz/remembered.ts';
import { comparedKernel, comparedWitness, compareOutcomes, runKernel } from '../../src/kernel/index.ts';
import { type Look, machineOf, runVirtual, type VirtualJob, type VirtualOutcome } from '../../src/kernel/virtual/index.ts';
import type { Annotations } from '../../src/model/annotations.ts';
import { sortConnections } from '../../src/model/connections.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { ConntrackEntry, CtState, PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE, type Kernel } from '../../src/model/profile.ts';
import type { Family } from '../../src/model/ruleset.ts';
import type { Job } from '../../src/model/witness.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import type { Session } from '../../src/replay/session.ts';
import { parseFingerprints, parseIpsets, parseSave } from '../../src/syntax/index.ts';
import { STATE_MATCHES, STATES } from '../reference/replay.ts';

export interface SentPacket {
  /** Nanoseconds since the epoch. */
  time: bigint;
  /** From the IP header on. */
  bytes: Uint8Array;
}

/** Rules without target, one a state: a packet's path names its state. */
export const STATE_RULES = [
  '*mangle',
  ':PREROUTING ACCEPT [0:0]',
  ...STATE_MATCHES.map((match) => `-A PREROUTING ${match}`),
  'COMMIT\n',
].join('\n');

/** The state a packet was given, by its path through STATE_RULES. */
export function stateIn(path: readonly string[] | undefined): CtState | undefined {
  const place = path?.find((words) => words.startsWith('mangle:PREROUTING:rule:'));
  return STATES[Number(place?.split(':')[3]) - 1];
}

/** A rule set and its packets; a host where it has an address, a router otherwise. */
export interface VirtualCase {
  name: string;
  family?: Family;
  backend?: 'legacy' | 'nft';
  rules: string;
  packets: readonly SentPacket[];
  local?: string;
  checkpoints?: bigint[];
  end?: bigint;
  /** Below net.netfilter. */
  sysctls?: Record<string, number>;
  /** What `ipset restore` reads, shortly before the first packet. */
  sets?: string;
  /** What recent and hashlimit remember at the end is compared, too. */
  proc?: true;
  /** Objects of nfacct that are there; what they count is compared, too. */
  nfacct?: readonly string[];
  /** Commands before the rules are loaded, and what the witnesses are told of the packets for it. */
  beforehand?: NonNullable<VirtualJob['beforehand']>;
  annotations?: Annotations;
  /** Fingerprints that nfnl_osf loads, which are the whole machine's: cases that are judged together must have the same. */
  osf?: string;
}

export interface Judged {
  case: VirtualCase;
  outcome: VirtualOutcome;
  /** Lines of what differs between the kernel and each witness; none where all agree. */
  differences: string[];
  /** What each of the witnesses says of every packet. */
  witnessed: PacketOutcome[][];
}

const [OWN_MAC, OTHER_MAC] = ['02:00:00:00:00:01', '02:00:00:00:00:99'];

type Start = (job: Job, onPacket: (outcome: PacketOutcome) => void) => Session | Promise<Session>;

const WITNESSES: readonly [name: string, start: Start][] = [
  ['reference', (job, onPacket) => referenceSession(job, { onPacket })],
  ['engine', (job, onPacket) => engineSession(job, { hashKey: hashKeyOf(job), onPacket })],
  ['engine linear', (job, onPacket) => engineSession(job, { hashKey: hashKeyOf(job), onPacket, tree: false })],
];

/** True when the host itself sent this. */
function isOwn({ local, family = 4 }: VirtualCase, bytes: Uint8Array): boolean {
  const source = family === 4 ? bytes.subarray(12, 16) : bytes.subarray(8, 24);
  return local !== undefined && Buffer.compare(addressBytes(local, family), source) === 0;
}

function jobOf(given: VirtualCase): VirtualJob {
  const { family = 4, backend = 'legacy', rules, packets, local, sysctls = {} } = given;
  const frames = packets.map(({ time, bytes }) => ({
    time,
    bytes,
    family,
    direction: isOwn(given, bytes) ? ('out' as const) : ('in' as const),
  }));
  const job: VirtualJob = { backend, family, rules, frames, topology: local === undefined ? 'forward' : 'host', trace: true };
  if (local !== undefined) job.local = [local];
  if (given.checkpoints !== undefined) job.checkpoints = given.checkpoints;
  if (given.end !== undefined) job.end = given.end;
  if (given.sets !== undefined) {
    job.sets = given.sets;
    job.afterwards = [['ipset', 'save']];
  }
  if (given.proc) job.afterwards = [PROC_FILES];
  if (given.nfacct !== undefined) {
    job.beforehand = given.nfacct.map((name) => ({ argv: ['nfacct', 'add', name] }));
    job.afterwards = [['nfacct', 'list']];
  }
  if (given.beforehand !== undefined) job.beforehand = given.beforehand;
  if (given.osf !== undefined) job.beforehand = [{ argv: ['nfnl_osf', '-f', '/proc/self/fd/0'], input: given.osf }];
  job.sysctls = Object.fromEntries(Object.entries(sysctls).map(([name, value]) => [`net.netfilter.${name}`, String(value)]));
  return job;
}

function witnessJob(
  kernel: Kernel,
  { family = 4, backend = 'legacy', rules, local, sysctls = {}, sets, osf, annotations }: VirtualCase,
): Job {
  return {
    rules: { [family]: parseSave(rules, { file: 'rules', family }) },
    host: buildHost(local === undefined ? { forward: true, in: 'eth0', out: 'eth1' } : { local: [local], in: 'eth0' }),
    profile: { backend, kernel, hz: kernel === '6.18' ? DEFAULT_PROFILE.hz : machineOf(kernel).hz, prestack: 'kernel', sysctls },
    packets: { path: true },
    ...(annotations && { annotations }),
    ...(sets === undefined ? {} : { sets: parseIpsets(sets, 'sets') }),
    ...(osf === undefined ? {} : { fingerprints: parseFingerprints(osf, 'pf.os') }),
  };
}

/** The capture, at the times of the injection, cut where the kernel's connections were looked at. */
function piecesOf(given: VirtualCase, outcome: VirtualOutcome, looks: readonly Look[]): Uint8Array[] {
  const { family = 4, packets } = given;
  const frames: WrittenFrame[] = packets.map(({ bytes }, i) => {
    const [to, from] = isOwn(given, bytes) ? [OTHER_MAC, OWN_MAC] : [OWN_MAC, OTHER_MAC];
    return { time: outcome.packets[i]!.injected, bytes: ethernetFrame(to, from, family, bytes, false) };
  });
  // A first frame that is not whole microseconds makes the file one of nanoseconds, as it must be.
  const file = writePcap(frames, 1);
  const pieces: Uint8Array[] = [];
  let [at, next, i] = [0, 24, 0];
  for (const { listed } of looks) {
    for (; i < frames.length && frames[i]!.time <= listed.from; i++) next += 16 + frames[i]!.bytes.length;
    pieces.push(file.slice(at, next));
    at = next;
  }
  return pieces;
}

const lineOf = (entry: ConntrackEntry): string => JSON.stringify(Object.fromEntries(Object.entries(entry).sort()));

function compareEntries(kernel: readonly ConntrackEntry[], witness: readonly ConntrackEntry[], where: string): string[] {
  const [told, ours] = [kernel.map(lineOf), witness.map(lineOf)];
  const only = (a: string[], b: string[], who: string) =>
    a.filter((line) => !b.includes(line)).map((line) => `${where}: only ${who} has ${line}`);
  return [...only(told, ours, 'the kernel'), ...only(ours, told, 'the witness')];
}

async function compared(
  kernel: Kernel,
  given: VirtualCase,
  outcome: VirtualOutcome,
  [name, start]: (typeof WITNESSES)[number],
): Promise<{ lines: string[]; packets: PacketOutcome[] }> {
  const packets: PacketOutcome[] = [];
  const session = await start(witnessJob(kernel, given), (packet) => packets.push(packet));
  const looks: Look[] = [...outcome.looks, outcome];
  const lines: string[] = [];
  session.startCapture('virtual');
  for (const [i, piece] of piecesOf(given, outcome, looks).entries()) {
    session.feed(piece);
    // The running kernel's jiffies have a phase nobody knows; test/fuzz compares its connections.
    if (kernel === '6.18') continue;
    const { entries, listed } = looks[i]!;
    lines.push(...compareEntries(sortConnections([...entries]), session.connections(listed.from), `connections, look ${i + 1}`));
  }
  session.endCapture();
  const { hz } = outcome.kernel;
  lines.push(...expectationDifferences({ ...outcome.listed, hz, expectations: outcome.expectations }, session));
  for (const text of outcome.afterwards) {
    const listing = { ...outcome.listed, hz, text };
    if (given.nfacct) lines.push(...nfacctDifferences(text, session.result().nfacct ?? []));
    lines.push(
      ...(given.proc
        ? procDifferences(
            listing,
            { recent: () => session.recent(), hashlimit: (at) => session.hashlimit(at) },
            { slack: kernel === '6.18' ? 3n : 0n, latest: packets.at(-1)!.time },
          )
        : []),
      ...(given.sets === undefined ? [] : setDifferences(listing, (at) => session.sets(at))),
    );
  }
  const witness = comparedWitness(name, session.result().counters[given.family ?? 4] ?? {}, packets);
  const kernelSide = comparedKernel({ backend: given.backend ?? 'legacy', rules: given.rules }, outcome);
  return { lines: [...compareOutcomes(kernelSide, witness), ...lines].map((line) => `${name}: ${line}`), packets };
}

/** The running kernel in place of a virtual one: only for cases of a few seconds, and their connections are not compared. */
async function runRunning(jobs: readonly VirtualJob[]): Promise<VirtualOutcome[]> {
  const outcomes = await Promise.all(jobs.map((job) => runKernel({ ...job, spacing: 'real' })));
  return outcomes.map((outcome) => ({ ...outcome, shift: 0n, looks: [] }));
}

/** Judges cases: on a virtual clock in as few boots as there may be, or by the running kernel. */
export async function judgeVirtual(kernel: Kernel, cases: readonly VirtualCase[]): Promise<Judged[]> {
  const jobs = cases.map(jobOf);
  const outcomes = await (kernel === '6.18' ? runRunning(jobs) : runVirtual(kernel, jobs));
  const judged: Judged[] = [];
  for (const [i, outcome] of outcomes.entries()) {
    const given = cases[i]!;
    if (outcome.refused !== undefined) throw new Error(`${given.name}: the kernel refuses the rules: ${outcome.refused.stderr}`);
    const unsent = outcome.packets.findIndex((packet) => packet.unsent !== undefined);
    if (unsent >= 0) throw new Error(`${given.name}: packet ${unsent + 1} was not sent: ${outcome.packets[unsent]?.unsent}`);
    const [all, witnessed]: [string[], Judged['witnessed']] = [[], []];
    for (const witness of WITNESSES) {
      const { lines, packets } = await compared(kernel, given, outcome, witness);
      all.push(...lines);
      witnessed.push(packets);
    }
    judged.push({ case: given, outcome, differences: all, witnessed });
  }
  return judged;
}

/** Differences of all cases, each with its case's name; what a test expects to be none. */
export const differencesOf = (judged: readonly Judged[]): string[] =>
  judged.flatMap(({ case: { name }, differences }) => differences.slice(0, 10).map((line) => `${name}: ${line}`));

/** Times a case is judged at most. */
const RUNS = 3;

/**
 * As judgeVirtual, for what hangs on the secret of a kernel's hash tables (docs/kernel-differences.md: connlimit's trees; the buckets of a full table), which every machine draws
 * anew: a case that differs is judged again by another machine, and only what differs every time is told.
 */
export async function judgeLasting(kernel: Kernel, cases: readonly VirtualCase[]): Promise<Judged[]> {
  const judged = await judgeVirtual(kernel, cases);
  for (let run = 1; run < RUNS; run++) {
    const odd = judged.filter((one) => differencesOf([one]).length > 0).map((one) => one.case);
    if (odd.length === 0) break;
    // That is rare.
    expect(odd.length, `cases that differ: ${odd.map(({ name }) => name).join('; ')}`).toBeLessThanOrEqual(
      Math.max(1, cases.length / 6),
    );
    for (const one of await judgeVirtual(kernel, odd)) judged[judged.findIndex((before) => before.case === one.case)] = one;
  }
  return judged;
}
