/** Rules as text and packets as bytes through the reference, and through the running kernel. */
import { expect } from 'vitest';
import { comparedKernel, comparedWitness, compareOutcomes, type KernelJob, runKernel } from '../../src/kernel/index.ts';
import type { Host } from '../../src/model/host.ts';
import { buildHost, type HostGiven } from '../../src/model/host-build.ts';
import type { CtState, PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE, type Profile } from '../../src/model/profile.ts';
import type { Family, RuleSet } from '../../src/model/ruleset.ts';
import type { Frame, Job, ReplayResult } from '../../src/model/witness.ts';
import { createReference } from '../../src/reference/index.ts';
import { parseSave } from '../../src/syntax/index.ts';

export interface Run {
  result: ReplayResult;
  outcomes: PacketOutcome[];
}

export const FORWARDING: HostGiven = { forward: true, in: 'eth0', out: 'eth1' };

export const rulesOf = (text: string, family: Family = 4): RuleSet => parseSave(text, { file: 'test.rules', family });

/** A raw IP frame; `at` in milliseconds from a fixed start. */
export function frameOf(bytes: Uint8Array, at = 0, more: Partial<Frame> = {}): Frame {
  return {
    time: 1_700_000_000_000_000_000n + BigInt(Math.round(at * 1000)) * 1000n,
    linktype: 101,
    bytes,
    wire: bytes.length,
    ...more,
  };
}

export function jobOf(
  rules: string,
  given: HostGiven | Host = FORWARDING,
  profile: Partial<Profile> = {},
  family: Family = 4,
): Job {
  const host = 'interfaces' in given ? given : buildHost(given);
  return {
    rules: { [family]: rulesOf(rules, family) },
    host,
    profile: { ...DEFAULT_PROFILE, ...profile },
    packets: { path: true },
  };
}

export function replay(job: Job, frames: Iterable<Frame>): Run {
  const outcomes: PacketOutcome[] = [];
  const session = createReference(job, (outcome) => outcomes.push(outcome));
  session.startCapture('test');
  for (const frame of frames) session.frame(frame);
  session.endCapture();
  return { result: session.result(), outcomes };
}

/** The states that conntrack gives packets, in the order in which rules of tests ask for them, and a match for each. */
export const STATES: readonly CtState[] = ['INVALID', 'NEW', 'ESTABLISHED', 'RELATED', 'UNTRACKED'];
export const STATE_MATCHES = STATES.map((state) => `-m conntrack --ctstate ${state}`);

/** Rules that name every connection state in the path, for counters and TRACE; `more` are further tables. */
export function probes(more = ''): string {
  const lines = STATE_MATCHES.map((match) => `-A PREROUTING ${match}`);
  const bits = ['ASSURED', 'SEEN_REPLY', 'CONFIRMED'].map((bit) => `-A PREROUTING -m conntrack --ctstatus ${bit}`);
  return ['*mangle', ...lines, ...bits, 'COMMIT', more, ''].join('\n');
}

/** The same packets through the running kernel; every difference in counters, paths and verdicts, one line each. */
export async function againstKernel(
  rules: string,
  packets: readonly Uint8Array[],
  more: { family?: Family; sysctls?: Record<string, string>; profile?: Partial<Profile>; milliseconds?: number } = {},
): Promise<string[]> {
  const family = more.family ?? 4;
  const step = more.milliseconds ?? 0;
  const frames = packets.map((bytes, i) => frameOf(bytes, i * step));
  const job: KernelJob = {
    backend: more.profile?.backend ?? 'legacy',
    family,
    rules,
    topology: 'forward',
    frames: frames.map(({ time, bytes }) => ({ time, bytes, direction: 'in' })),
    trace: true,
    spacing: step > 0 ? 'real' : 'topspeed',
    ...(more.sysctls === undefined ? {} : { sysctls: more.sysctls }),
  };
  const kernel = await runKernel(job);
  expect(kernel.refused).toBeUndefined();
  // What the machine really did: the moments of injection are the capture's clock.
  const timed = frames.map((frame, i) => ({ ...frame, time: kernel.packets[i]?.injected ?? frame.time }));
  const { result, outcomes } = replay(jobOf(rules, FORWARDING, { hz: kernel.kernel.hz || 250, ...more.profile }, family), timed);
  return compareOutcomes(comparedKernel(job, kernel), comparedWitness('reference', result.counters[family]!, outcomes));
}
