/** A bench where the running kernel judges job after job: the processes are kept, the network namespaces are new for every job. */
import { available } from './available.ts';
import { KernelError, type KernelJob, type KernelOutcome } from './job.ts';
import { judge } from './judge.ts';
import { type Devices, devicesOf } from './plan.ts';
import { LostRecords } from './records.ts';
import { openSession, type Session } from './session.ts';

/** A run that lost records proves nothing; it is repeated this many times at most, each time in a new session. */
const ATTEMPTS = 3;

export interface KernelBench {
  /**
   * Judges a job on the running kernel, in network namespaces that exist for this job only: nothing of a job before can show, and nothing of the
   * machine's own network is touched. Jobs of one bench are judged one after the other; several benches work at the same time.
   * Counters, path and bytes are the kernel's own words. Rules that iptables-restore refuses give `refused`.
   * Throws KernelError when the oracle cannot work: a missing tool or right, a time limit, records lost three times; the bench can be used on.
   */
  judge(job: KernelJob): Promise<KernelOutcome>;
  /** Ends everything the bench started; a job that is being judged fails. */
  close(): Promise<void>;
}

class Bench implements KernelBench {
  private readonly most: number;
  private session: Session | undefined;
  private jobs = 0;
  private closed = false;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(most: number) {
    this.most = most;
  }

  judge(job: KernelJob): Promise<KernelOutcome> {
    const outcome = this.turn.then(() => this.attempts(job));
    this.turn = outcome.catch(() => {});
    return outcome;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.discard();
    await this.turn;
  }

  private async attempts(job: KernelJob): Promise<KernelOutcome> {
    const can = available();
    if (!can.ok) throw new KernelError(can.reason);
    const devices = devicesOf(job);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(job, devices);
      } catch (error) {
        await this.discard();
        if (!(error instanceof LostRecords) || attempt >= ATTEMPTS) throw error;
      }
    }
  }

  private async once(job: KernelJob, devices: Devices): Promise<KernelOutcome> {
    const session = await this.ready();
    this.jobs++;
    const outcome = await judge(session, job, devices);
    session.rest();
    return outcome;
  }

  /** The session for the next job. */
  private async ready(): Promise<Session> {
    if (this.jobs >= this.most) await this.discard();
    if (!this.closed) this.session ??= await openSession();
    // It may have been closed while the session was opened; attempts() then ends what is there.
    if (this.closed || this.session === undefined) throw new KernelError('the bench is closed');
    return this.session;
  }

  private async discard(): Promise<void> {
    const session = this.session;
    this.session = undefined;
    this.jobs = 0;
    await session?.close();
  }
}

/**
 * A bench; its processes start with the first job and end with `close`, or with this process. They are bound to one processor, so as many benches as
 * there are processors work side by side. `most`: after so many jobs, and after every error, the processes are replaced.
 */
export function openKernelBench(most = 500): KernelBench {
  return new Bench(most);
}

/** Judges one job: a bench used once. */
export async function runKernel(job: KernelJob): Promise<KernelOutcome> {
  const bench = openKernelBench();
  try {
    return await bench.judge(job);
  } finally {
    await bench.close();
  }
}
