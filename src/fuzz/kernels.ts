/** The witnesses that are kernels: a case as the oracle's job, and its answer beside that of the programs, on the clock the packets were really sent by. */
import { CaptureReader } from '../capture/frames.ts';
import {
  type Compared,
  comparedKernel,
  comparedWitness,
  compareOutcomes,
  expectedLeft,
  type HostedJob,
  jobFromHost,
  type KernelJob,
  type KernelOutcome,
  type KernelPacket,
  leftDifference,
  openKernelBench,
  runKernel,
} from '../kernel/index.ts';
import { machineOf, runVirtual, type VirtualKernel } from '../kernel/virtual/index.ts';
import { NAT_NOTES } from '../model/nat.ts';
import type { PacketOutcome } from '../model/outcome.ts';
import type { Profile } from '../model/profile.ts';
import type { RuleSet } from '../model/ruleset.ts';
import type { Frame } from '../model/witness.ts';
import { findUpper } from '../packet/ipv6.ts';
import { gathersFragments } from '../reference/tables.ts';
import { destinationOf } from './answers.ts';
import { captureOf, type FuzzCase } from './case.ts';
import type { Answer } from './differential.ts';
import { expectationDifferences, type Listing, listingDifferences, setDifferences } from './listing.ts';
import type { FuzzPacket } from './packets.ts';
import { LOCAL } from './pools.ts';
import { nfacctDifferences, PROC_FILES, procDifferences } from './remembered.ts';
import { asksSets, SETS_TEXT } from './sets.ts';

const ICMPV6 = 58;

/** A kernel that judges cases, by name. */
export interface Kernel {
  name: string;
  /** What its cases' profile must say. */
  profile: Pick<Profile, 'backend' | 'kernel' | 'hz'>;
  judge(jobs: readonly KernelJob[]): Promise<KernelOutcome[]>;
  /** The same without anything kept from job to job, to be sure of a difference. */
  afresh(job: KernelJob): Promise<KernelOutcome>;
  close(): Promise<void>;
}

/** What a kernel says of a case: its outcome, and the case as it was really sent (without what could not be sent, at the times of sending). */
export interface KernelAnswer {
  kernel: Kernel;
  job: KernelJob;
  outcome: KernelOutcome;
  sent: FuzzCase;
  compared: Compared;
  /** Places in `sent` of fragments for which the whole datagram was sent. */
  wholes: ReadonlySet<number>;
}

/** The job of a case, and which of its packets become frames (numbers from 1), in whose place whole datagrams are sent, and which are parts of those. */
export function kernelJob(
  fuzzCase: FuzzCase,
  backend = fuzzCase.profile.backend,
): { job: KernelJob } & Pick<HostedJob, 'numbers' | 'parts' | 'wholes'> {
  const frames: Frame[] = [];
  const reader = new CaptureReader((frame) => frames.push({ ...frame, bytes: frame.bytes.slice() }));
  reader.push(captureOf(fuzzCase));
  const { family, rules, ruleset } = fuzzCase;
  const whole = gathersFragments(ruleset) ? [] : [family];
  const { numbers, skipped: _skipped, parts, wholes, ...hosted } = jobFromHost(fuzzCase.host, frames, [family], { whole });
  const sets = asksSets(rules) ? { sets: SETS_TEXT } : {};
  const beforehand = accountsOf(rules).map((name) => ({ argv: ['nfacct', 'add', name] }));
  const afterwards = looksAt(rules).map(({ argv }) => argv);
  return { job: { ...hosted, ...sets, beforehand, afterwards, backend, family, rules, trace: true }, numbers, parts, wholes };
}

/** A command that tells what rules remember, and what of it a witness says otherwise. */
interface LookAt {
  argv: readonly string[];
  differences(listing: Listing, answer: Answer, clock: { slack: bigint; latest: bigint }): string[];
}

const SETS: LookAt = {
  argv: ['ipset', 'save'],
  differences: (listing, { sets }) => setDifferences(listing, sets).map((line) => `sets: ${line}`),
};
const FILES: LookAt = {
  argv: PROC_FILES,
  differences: procDifferences,
};
const OBJECTS: LookAt = {
  argv: ['nfacct', 'list'],
  differences: ({ text }, { result }) => nfacctDifferences(text, result.nfacct ?? []),
};

const looksAt = (rules: string): LookAt[] => [
  ...(asksSets(rules) ? [SETS] : []),
  ...(/ -m (recent|hashlimit) /.test(rules) ? [FILES] : []),
  ...(/ -m nfacct /.test(rules) ? [OBJECTS] : []),
];

/** Objects of nfacct that rules name. */
const accountsOf = (rules: string): string[] => [
  ...new Set([...rules.matchAll(/ --nfacct-name (\S+)/g)].map(([, name = '']) => name)),
];

/** Jiffies that a kernel's may be off ours: those of the running one have a phase of their own, and packets take their time. */
const slackOf = ({ name }: Kernel): bigint => (name.startsWith('virtual') ? 0n : 3n);

/** Asks a kernel about cases. `afresh`: one by one, with nothing kept. */
export async function askKernel(kernel: Kernel, cases: readonly FuzzCase[], afresh = false): Promise<KernelAnswer[]> {
  const jobs = cases.map((one) => kernelJob(one, kernel.profile.backend));
  const outcomes = afresh
    ? await Promise.all(jobs.map(({ job }) => kernel.afresh(job)))
    : await kernel.judge(jobs.map(({ job }) => job));
  return cases.map((one, index) => answerOf(kernel, one, jobs[index]!, outcomes[index]!));
}

/** The packets that the kernel was given, each with its number, and between them parts of datagrams that it was given whole: those are as early as what was sent before them. */
function withParts(numbers: readonly number[], packets: readonly KernelPacket[], parts: readonly number[]) {
  const given = numbers.flatMap((number, index) =>
    packets[index]!.unsent === undefined ? [{ number, packet: packets[index]! }] : [],
  );
  let injected = given[0]?.packet.injected ?? 0n;
  const all = [...given, ...parts.map((number) => ({ number, packet: undefined }))].sort((a, b) => a.number - b.number);
  return all.map(({ number, packet }) => {
    injected = packet?.injected ?? injected;
    return { number, packet: packet ?? { left: [], injected, unsent: 'a part of a datagram' } };
  });
}

function answerOf(
  kernel: Kernel,
  fuzzCase: FuzzCase,
  { job, numbers, parts, wholes }: ReturnType<typeof kernelJob>,
  outcome: KernelOutcome,
): KernelAnswer {
  const sent = withParts(numbers, outcome.packets, parts);
  const packets = sent.map(({ number, packet }) => ({ ...fuzzCase.packets[number - 1]!, time: packet.injected }));
  const kept = { ...outcome, packets: sent.map(({ packet }) => packet) };
  return {
    kernel,
    job,
    outcome: kept,
    sent: { ...fuzzCase, packets, profile: { ...fuzzCase.profile, ...kernel.profile } },
    compared: { ...comparedKernel(job, kept), name: kernel.name },
    wholes: new Set(sent.flatMap(({ number }, index) => (wholes.includes(number) ? [index] : []))),
  };
}

const isFragment = (bytes: Uint8Array, family: 4 | 6): boolean =>
  family === 4 ? (bytes[6]! & 0x3f) !== 0 || bytes[7] !== 0 : findUpper(bytes)?.fragment !== false;

/**
 * Whether expectedLeft can say which bytes leave for a packet of a case. Under conntrack the last fragment stands for the packet that was put together, which leaves as such or is cut anew,
 * with an identification that the kernel draws: rules and counters are compared, bytes are not.
 */
export const tellsWhatLeaves = (bytes: Uint8Array, { family, ruleset }: Pick<FuzzCase, 'family' | 'ruleset'>): boolean =>
  !(isFragment(bytes, family) && gathersFragments(ruleset));

/**
 * An ICMPv6 error that was sent by a raw socket, where rules translate prefixes: ip6t_NPT looks for the quoted packet behind the transport header, which such a socket takes to be the IPv6 header itself (rawv6_send_hdrinc),
 * and so finds no error there. In those of the kernel's own making it translates what they quote (test/kernel/prefix-errors.test.ts).
 */
export const isErrorOfSocket = (
  { bytes, family, direction }: Pick<FuzzPacket, 'bytes' | 'family' | 'direction'>,
  { ownAnswer }: Pick<KernelPacket, 'ownAnswer'>,
  rules: string,
): boolean =>
  family === 6 && direction === 'out' && !ownAnswer && bytes[6] === ICMPV6 && bytes[40]! < 128 && / -j [SD]NPT /.test(rules);

/** To this host itself, also where it was not taken there (hop-by-hop options that are wrong): over lo nothing leaves. */
function goesOverLo(
  bytes: Uint8Array,
  hook: PacketOutcome['hook'],
  { family, host }: Pick<FuzzCase, 'family' | 'host'>,
): boolean {
  if (hook !== 'OUTPUT' || host.forward) return false;
  const destination = destinationOf(bytes, family);
  return destination === LOCAL[family] || destination === '::1' || destination.startsWith('127.');
}

/** What differs between a kernel and a program that was asked about `sent`: counters, ways, bytes that left, connections, expectations. */
export function kernelDifferences({ kernel, compared, outcome, sent, wholes }: KernelAnswer, answer: Answer): string[] {
  const { name, packets, result, connections } = answer;
  const said = packets.map((packet) => (droppedByMatch(packet, sent.ruleset) ? { ...packet, verdict: null } : packet));
  const counters = result.counters[sent.family] ?? {};
  const lines = compareOutcomes(compared, answer.silent ? { name, counters } : comparedWitness(name, counters, said));
  for (const [index, { verdict, hook, rewritten, drawn, ctstate }] of packets.entries()) {
    const own = sent.packets[index]!.bytes;
    const { left, unsent } = outcome.packets[index]!;
    if (unsent !== undefined || wholes.has(index) || !tellsWhatLeaves(own, sent)) continue;
    if (isErrorOfSocket(sent.packets[index]!, outcome.packets[index]!, sent.rules)) continue;
    // An error quotes the drawn number in its inner packet.
    if (drawn !== undefined && ctstate === 'RELATED') continue;
    const expected = goesOverLo(rewritten ?? own, hook, sent) ? undefined : expectedLeft(rewritten ?? own, verdict, hook, drawn);
    const difference = leftDifference(expected, left);
    if (difference !== undefined) lines.push(`packet ${index + 1} bytes that leave: ${name} ${difference}`);
  }
  const listing = { ...outcome.listed, text: outcome.conntrack, hz: kernel.profile.hz };
  lines.push(...listingDifferences(listing, connections).map((line) => `connection of ${name}: ${line}`));
  for (const [i, { differences }] of looksAt(sent.rules).entries()) {
    const told = { ...listing, text: outcome.afterwards[i] ?? '' };
    const clock = { slack: slackOf(kernel), latest: sent.packets.at(-1)?.time ?? 0n };
    lines.push(...differences(told, answer, clock).map((line) => `${name}: ${line}`));
  }
  // Where the kernel drew a port, it stands in what is expected, too.
  if (result.notes.includes(NAT_NOTES.drawn)) return lines;
  const expected = expectationDifferences({ ...listing, expectations: outcome.expectations }, answer);
  return [...lines, ...expected.map((line) => `expectation of ${name}: ${line}`)];
}

/**
 * A match of a REJECT rule dropped the packet. nf_tables traces that as it traces a rejected packet, so the oracle, which reads the rule's target, cannot tell the two apart:
 * path and counters are compared, the verdict is not.
 */
function droppedByMatch({ verdict, rule }: PacketOutcome, { tables }: RuleSet): boolean {
  const [table, chain, , number] = rule?.split(':') ?? [];
  const named = tables.find(({ name }) => name === table)?.chains.find(({ name }) => name === chain)?.rules[Number(number) - 1];
  return verdict === 'DROP' && named?.target?.kind === 'extension' && named.target.name === 'REJECT';
}

/** The running kernel under one backend of iptables. */
export function runningKernel(backend: Profile['backend']): Kernel {
  const bench = openKernelBench();
  return {
    name: backend,
    profile: { backend, kernel: '6.18', hz: 250 },
    judge: (jobs) => Promise.all(jobs.map((job) => bench.judge(job))),
    afresh: runKernel,
    close: () => bench.close(),
  };
}

/** A kernel on the capture's clock. */
export function virtualKernel(version: VirtualKernel, backend: Profile['backend']): Kernel {
  return {
    name: `virtual-${version}-${backend}`,
    profile: { backend, kernel: version, hz: machineOf(version).hz },
    judge: (jobs) => runVirtual(version, jobs),
    afresh: async (job) => (await runVirtual(version, [job]))[0]!,
    close: async () => {},
  };
}
