/** What a virtual-clock kernel is asked and answers: the running kernel's job and outcome, and the times that only this one can keep. */
import type { KernelFrame, KernelJob, KernelOutcome } from '../job.ts';

export interface VirtualJob extends KernelJob {
  /** Moments (nanoseconds since the epoch, rising) at which the connections are looked at; what is sent at that very moment is already in. */
  checkpoints?: bigint[];
  /** When the job ends and its connections are looked at; a millisecond behind the last frame or checkpoint when not given. */
  end?: bigint;
  /** Ask for what LOG rules print. Not with `trace`, which takes LOG's way to the kernel's log. */
  log?: boolean;
}

/** The connections at one moment; `listed` is on the virtual clock, as `injected` of the packets is. */
export type Look = Pick<KernelOutcome, 'conntrack' | 'entries' | 'listed'>;

export interface VirtualOutcome extends KernelOutcome {
  /** What was added to the job's times: whole seconds. What awayFromTicks moved comes on top. */
  shift: bigint;
  /** One for each of `checkpoints`; the outcome's own `entries` are those at the job's end. */
  looks: Look[];
  /** With `log`: what LOG rules printed, in order. */
  log?: PrintedLine[];
}

/** A line of the kernel's log. */
export interface PrintedLine {
  level: number;
  text: string;
}

/** A job with all its moments on the virtual clock. */
export interface PlacedJob extends KernelJob {
  frames: KernelFrame[];
  checkpoints: bigint[];
  end: bigint;
  shift: bigint;
  log?: boolean;
}
