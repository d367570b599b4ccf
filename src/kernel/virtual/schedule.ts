/** When things happen on a virtual clock: jobs one after the other, nothing too near to a tick. All times are nanoseconds since the epoch. */
import type { Machine } from './kernels.ts';

const SECOND = 1_000_000_000n;

/** Seconds before the first frame of a job in which its namespaces and rules are made; they take well below one. */
const LEAD = 10n;

/**
 * Seconds a machine has been up before its first job. Jiffies begin five minutes below zero, and a connection that is not confirmed yet has what they leave of the life it will have
 * (nf_ct_expires): of 600 s at most nothing, once this has passed, and then for months.
 */
const UPTIME = 1000n;

/** Where a first job begins whose times are none (frames at 0). */
const SOME_DAY = 1_700_000_000n;

/**
 * Moves what lies too near to a tick behind it, and what crowds on one moment apart, so that it is sure which jiffy each moment belongs to; a time before the one before it becomes
 * that. What is far from every tick stays exactly what it is.
 */
export function awayFromTicks(times: readonly bigint[], { hz, margin, step }: Pick<Machine, 'hz' | 'margin' | 'step'>): bigint[] {
  const tick = SECOND / BigInt(hz);
  let before: bigint | undefined;
  return times.map((time) => {
    let at = before !== undefined && time < before + step ? before + step : time;
    const phase = at % tick;
    if (phase < margin) at += margin - phase;
    else if (phase > tick - margin) at += tick - phase + margin;
    before = at;
    return at;
  });
}

/** A job as the schedule sees it: its moments, in order. */
export interface Timed {
  first: bigint;
  last: bigint;
}

export interface Schedule {
  /** What the clock shows when the machine starts: a whole second. */
  start: bigint;
  /** What is added to the times of each job: whole seconds, so that all of them keep their distance to the ticks. */
  shifts: bigint[];
}

/** One job after the other: the first keeps its times, each next one begins some seconds behind the one before. */
export function schedule(jobs: readonly Timed[]): Schedule {
  const second = (time: bigint) => time / SECOND;
  const begin = second(jobs[0]?.first ?? 0n);
  const start = (begin < UPTIME ? SOME_DAY : begin) - LEAD - UPTIME;
  let now = start + UPTIME;
  const shifts = jobs.map(({ first, last }) => {
    const shift = now + LEAD - second(first);
    now = second(last) + shift + 1n;
    return shift * SECOND;
  });
  return { start: start * SECOND, shifts };
}
