/** Kernels that live in the capture's time: the judges of everything that depends on it. See kernels.ts for which there are. */
import { spawnSync } from 'node:child_process';
import { KernelError, type KernelIdentity } from '../job.ts';
import * as plan from '../plan.ts';
import { LostRecords } from '../records.ts';
import { PATH } from '../session.ts';
import { outcomeOf, readAnswers } from './answers.ts';
import { boot } from './boot.ts';
import { type Machine, machineOf, type VirtualKernel, virtualAvailable } from './kernels.ts';
import { planFile, stepsOf } from './plan-file.ts';
import { awayFromTicks, schedule } from './schedule.ts';
import type { PlacedJob, VirtualJob, VirtualOutcome } from './virtual-job.ts';

export { machineOf, type VirtualKernel, virtualAvailable } from './kernels.ts';
export { awayFromTicks } from './schedule.ts';
export type { Look, PrintedLine, VirtualJob, VirtualOutcome } from './virtual-job.ts';

/** A boot that proves nothing is repeated this many times at most. */
const ATTEMPTS = 3;

export interface VirtualOptions {
  /** Milliseconds a boot may take on the wall; default a minute, and more for many jobs, frames and hours. */
  limit?: number;
  /** Jobs in one boot at most, default 100. */
  jobsPerBoot?: number;
  /** Boots at the same time, default 1. */
  parallel?: number;
}

/** All moments of a job where it is sure which jiffy they belong to. */
function settled(job: VirtualJob, machine: Machine): Omit<PlacedJob, 'shift'> {
  type Moment = { time: bigint; rank: number };
  const sent: Moment[] = awayFromTicks(
    job.frames.map(({ time }) => time),
    machine,
  ).map((time) => ({ time, rank: 0 }));
  const checkpoints = awayFromTicks(job.checkpoints ?? [], machine);
  const last = [...sent.map(({ time }) => time), ...checkpoints].reduce((a, b) => (a > b ? a : b), 0n);
  const end = awayFromTicks([last, job.end ?? last + 1_000_000n], machine)[1] ?? last;
  return { ...job, frames: job.frames.map((frame, i) => ({ ...frame, time: sent[i]?.time ?? frame.time })), checkpoints, end };
}

function placed(job: Omit<PlacedJob, 'shift'>, shift: bigint): PlacedJob {
  return {
    ...job,
    shift,
    frames: job.frames.map((frame) => ({ ...frame, time: frame.time + shift })),
    checkpoints: job.checkpoints.map((time) => time + shift),
    end: job.end + shift,
  };
}

function identity(machine: Machine, job: PlacedJob): KernelIdentity {
  const command = plan.iptables(job.backend, job.family, '');
  const iptables = (spawnSync(command, ['--version'], { timeout: 10_000, env: { PATH }, encoding: 'utf8' }).stdout ?? '').trim();
  return { release: machine.release(), hz: machine.hz, iptables };
}

/** Generous: a machine that hangs is rare, and a busy host is not. An idle day is some seconds of work for Debian's kernel, which wakes every four of its own. */
function wallLimit(jobs: readonly Omit<PlacedJob, 'shift'>[]): number {
  const frames = jobs.reduce((sum, job) => sum + job.frames.length, 0);
  const seconds = jobs.reduce((sum, { frames: [first], end }) => sum + Number((end - (first?.time ?? end)) / 1_000_000_000n), 0);
  return 60_000 + 200 * jobs.length + frames / 5 + seconds / 4;
}

async function bootJobs(machine: Machine, jobs: readonly VirtualJob[], limit: number | undefined): Promise<VirtualOutcome[]> {
  const calm = jobs.map((job) => settled(job, machine));
  const { start, shifts } = schedule(
    calm.map(({ frames, checkpoints, end }) => ({ first: frames[0]?.time ?? checkpoints[0] ?? end, last: end })),
  );
  const all = calm.map((job, i) => placed(job, shifts[i] ?? 0n));
  const steps = all.map((job, i) => stepsOf(job, machine, i === 0));
  const file = planFile(steps);
  for (let attempt = 1; ; attempt++) {
    try {
      const answers = readAnswers(await boot(machine, start, file, limit ?? wallLimit(calm)), jobs.length);
      return all.map((job, i) => {
        const asked = steps[i]?.flatMap(({ asked }) => asked ?? []) ?? [];
        return outcomeOf(job, answers[i] ?? [], asked, machine, identity(machine, job));
      });
    } catch (error) {
      if (!(error instanceof LostRecords) || attempt >= ATTEMPTS) throw error;
    }
  }
}

/**
 * Runs jobs on a kernel whose clock is the capture's: every frame is sent at its own time, hours pass in a moment. Many jobs share a boot (a second or two), each in namespaces
 * of its own, one after the other on the virtual clock: an outcome's `shift` (whole seconds) and the packets' `injected` tell when things happened there, and that is what
 * the other witnesses must be given. Moments too near to a tick are moved a little behind it (awayFromTicks). `spacing` of a job is always `real`.
 * No root is needed, and nothing of the machine is touched. Outcomes are in the order of the jobs; rules that iptables-restore refuses give `refused`.
 * Throws KernelError when the kernel cannot be asked: virtualAvailable says no, a time limit, records lost three times.
 */
export async function runVirtual(
  kernel: VirtualKernel,
  jobs: readonly VirtualJob[],
  options: VirtualOptions = {},
): Promise<VirtualOutcome[]> {
  const can = virtualAvailable(kernel);
  if (!can.ok) throw new KernelError(can.reason);
  const machine = machineOf(kernel);
  for (const { backend } of jobs) {
    if (!machine.backends.includes(backend)) throw new KernelError(`kernel ${kernel} has no ${backend} backend here`);
  }
  const size = options.jobsPerBoot ?? 100;
  const boots: VirtualJob[][] = [];
  for (let at = 0; at < jobs.length; at += size) boots.push(jobs.slice(at, at + size));
  const outcomes: VirtualOutcome[][] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < boots.length; i = next++) {
      const some = boots[i] ?? [];
      outcomes[i] = await bootJobs(machine, some, options.limit);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, options.parallel ?? 1) }, worker));
  return outcomes.flat();
}
