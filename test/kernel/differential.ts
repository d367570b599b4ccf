/** One capture, one host, one pair of rule sets: the running kernel against the other witnesses, on the same clock. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { CaptureReader } from '../../src/capture/frames.ts';
import { expectationDifferences, listingDifferences } from '../../src/fuzz/listing.ts';
import {
  type Compared,
  comparedKernel,
  comparedWitness,
  compareOutcomes,
  jobFromHost,
  type KernelJob,
  type KernelOutcome,
  runKernel,
} from '../../src/kernel/index.ts';
import type { Annotations } from '../../src/model/annotations.ts';
import type { Host } from '../../src/model/host.ts';
import type { ConntrackEntry, ConntrackExpectation, PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Family, RuleSet } from '../../src/model/ruleset.ts';
import type { Frame, Job, ReplayResult } from '../../src/model/witness.ts';
import { gathersFragments } from '../../src/reference/tables.ts';
import { parseSave } from '../../src/syntax/index.ts';

/** What a witness remembers at a moment (nanoseconds since the epoch). */
interface Memory {
  connections(at: bigint): ConntrackEntry[];
  expectations(at: bigint): ConntrackExpectation[];
}

/** A witness other than the kernel: judges all frames (times already those of the injection). */
export interface Witness {
  name: string;
  replay(job: Job, frames: readonly Frame[]): Promise<{ result: ReplayResult; outcomes: PacketOutcome[]; memory: Memory }>;
}

export interface Case {
  /** iptables-save text by family. */
  rules: Partial<Record<Family, string>>;
  host: Host;
  frames: readonly Frame[];
  /** For the kernel and the others, as a profile has them: `net.` names, or what stands below net.netfilter. */
  sysctls?: Record<string, number>;
  /** What the other witnesses are told of the packets. */
  annotations?: Annotations;
  /** What only the kernel needs to be given: groups of devices, a bridge. */
  alter?(job: KernelJob): KernelJob;
  /** As a KernelJob has it. */
  spacing?: KernelJob['spacing'];
  /** Connections and expectations at the end are held against the kernel's lists, too. */
  lists?: boolean;
}

/** All frames of a capture file (plain or .gz). */
export function readFrames(path: string): Frame[] {
  const file = readFileSync(path);
  const frames: Frame[] = [];
  const reader = new CaptureReader((frame) => frames.push({ ...frame, bytes: Uint8Array.from(frame.bytes) }));
  reader.push(path.endsWith('.gz') ? gunzipSync(file) : file);
  const damage = reader.end();
  if (damage !== undefined) throw new Error(`${path}: damaged at ${damage.offset}: ${damage.reason}`);
  return frames;
}

/** What the kernel answered, and the frames with the times they were injected at. */
interface Judged {
  job: KernelJob;
  outcome: KernelOutcome;
  families: Family[];
  kernel: Partial<Record<Family, Compared>>;
  numbers: number[];
  frames: Frame[];
  hz: number;
}

/** Frames the kernel was not given keep the order: they get the time of the frame before. */
function stamp(frames: readonly Frame[], numbers: readonly number[], times: readonly bigint[]): Frame[] {
  const at = new Map(numbers.map((number, i) => [number, times[i] ?? 0n]));
  let time = times[0] ?? 0n;
  return frames.map((frame, i) => {
    time = at.get(i + 1) ?? time;
    return { ...frame, time };
  });
}

async function askKernel(
  backend: KernelJob['backend'],
  { rules, host, frames, sysctls = {}, spacing = 'topspeed', alter = (job) => job }: Case,
): Promise<Judged> {
  const families = ([4, 6] as const).filter((family) => rules[family] !== undefined);
  const [family = 4, other] = families;
  const whole = families.filter((one) => !gathersFragments(parsed(one, rules[one] ?? '')));
  const { numbers, skipped, parts: _parts, wholes: _wholes, ...hosted } = jobFromHost(host, frames, families, { whole });
  const job: KernelJob = { ...hosted, backend, family, rules: rules[family] ?? '', trace: true, spacing };
  const fullName = (name: string): string => (name.startsWith('net.') ? name : `net.netfilter.${name}`);
  job.sysctls = Object.fromEntries(Object.entries(sysctls).map(([name, value]) => [fullName(name), String(value)]));
  if (other !== undefined) job.rulesOther = rules[other] ?? '';
  const outcome = await runKernel(alter(job));
  if (outcome.refused !== undefined) throw new Error(`the kernel refuses the rules: ${outcome.refused.stderr}`);
  const unsent = outcome.packets.flatMap(({ unsent }, i) => (unsent === undefined ? [] : [`packet ${numbers[i]}: ${unsent}`]));
  if (unsent.length > 0) throw new Error(`not sent: ${unsent.slice(0, 5).join('; ')}`);
  const main = comparedKernel(job, outcome);
  // Packets the kernel was not given must not reach netfilter in the other witnesses either.
  main.packets = [...(main.packets ?? []), ...skipped.map(() => ({ entered: false }))];
  const kernel: Judged['kernel'] = { [family]: main };
  if (other !== undefined && outcome.countersOther !== undefined) {
    kernel[other] = comparedKernel(
      { backend, rules: rules[other] ?? '' },
      { ...outcome, counters: outcome.countersOther, packets: [] },
    );
  }
  const times = outcome.packets.map((packet) => packet.injected);
  const all = [...numbers, ...skipped.map(({ packet }) => packet)];
  const hz = outcome.kernel.hz || DEFAULT_PROFILE.hz;
  return { job, outcome, families, kernel, numbers: all, frames: stamp(frames, numbers, times), hz };
}

const parsed = (family: Family, text: string): RuleSet => parseSave(text, { file: `rules.v${family}`, family });

function witnessJob(backend: KernelJob['backend'], { rules, host, annotations, sysctls = {} }: Case, hz: number): Job {
  const sets: Partial<Record<Family, RuleSet>> = {};
  for (const family of [4, 6] as const) {
    const text = rules[family];
    if (text !== undefined) sets[family] = parsed(family, text);
  }
  const profile = { ...DEFAULT_PROFILE, backend, hz, sysctls };
  return { rules: sets, host, profile, packets: { path: true }, ...(annotations && { annotations }) };
}

/** The running kernel's answer, and every difference between it and each witness by the witness's name; an empty list where they agree. */
export async function judge(
  backend: KernelJob['backend'],
  given: Case,
  witnesses: readonly Witness[],
): Promise<{ outcome: KernelOutcome; found: Map<string, string[]> }> {
  const judged = await askKernel(backend, given);
  const job = witnessJob(backend, given, judged.hz);
  const found = new Map<string, string[]>();
  for (const witness of witnesses) found.set(witness.name, await compared(judged, job, witness, given.lists === true));
  return { outcome: judged.outcome, found };
}

/** The differences alone. */
export async function differences(...asked: Parameters<typeof judge>): Promise<Map<string, string[]>> {
  return (await judge(...asked)).found;
}

async function compared(judged: Judged, job: Job, witness: Witness, lists: boolean): Promise<string[]> {
  // A copy for each witness: what one does to the bytes must not reach the next.
  const frames = judged.frames.map((frame) => ({ ...frame, bytes: Uint8Array.from(frame.bytes) }));
  const { result, outcomes, memory } = await witness.replay(job, frames);
  const byNumber = new Map(outcomes.map((outcome) => [outcome.packet, outcome]));
  const packets = judged.numbers.flatMap((number) => byNumber.get(number) ?? []);
  const lines = judged.families.flatMap((family) => {
    const kernel = judged.kernel[family];
    if (kernel === undefined) return [];
    const other = comparedWitness(witness.name, result.counters[family] ?? {}, family === judged.job.family ? packets : []);
    return compareOutcomes(kernel, other, judged.numbers).map((line) => `IPv${family} ${line}`);
  });
  return lists ? [...lines, ...listDifferences(judged, memory)] : lines;
}

function listDifferences({ outcome, hz }: Judged, memory: Memory): string[] {
  const { conntrack: text, expectations, listed } = outcome;
  return [
    ...listingDifferences({ ...listed, text, hz }, (at) => memory.connections(at)),
    ...expectationDifferences({ ...listed, expectations, hz }, memory),
  ];
}
