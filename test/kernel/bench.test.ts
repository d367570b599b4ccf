/** A kept bench answers as a fresh one, whatever it judged before; several work at once; errors do not spoil it. */
import { expect, test } from 'vitest';
import { makeCase } from '../../src/fuzz/case.ts';
import { canonical } from '../../src/fuzz/differential.ts';
import { type KernelBench, type KernelOutcome, openKernelBench, runKernel } from '../../src/kernel/index.ts';
import { jobOfCase } from './fuzz-job.ts';
import { describeKernel } from './machine.ts';

const SEED = Number(process.env.WASMTABLES_SEED ?? 1);
const CASES = 30;
const PACKETS = 50;

/** Runs with a bench that is closed whatever happens. */
async function withBench<T>(work: (bench: KernelBench) => Promise<T>): Promise<T> {
  const bench = openKernelBench();
  try {
    return await work(bench);
  } finally {
    await bench.close();
  }
}

/** What must be the same in two runs of a job: all but when it ran. Timeouts fall with time; hash tables have no order. */
function repeatable(outcome: KernelOutcome): string[] {
  const { packets, entries, counters, countersOther, expectations, refused } = outcome;
  const seen = packets.map(({ injected: _, left, ...packet }) => ({
    ...packet,
    left: left.map((bytes) => Buffer.from(bytes).toString('hex')),
  }));
  const rest = entries.map(({ timeout: _, ...entry }) => canonical(entry)).sort();
  return [...seen, counters, countersOther ?? {}, expectations, refused ?? {}].map(canonical).concat(rest);
}

/** Timeouts by connection, to be compared with the seconds between two runs in mind. */
function timeouts(outcome: KernelOutcome): Map<string, number> {
  return new Map(outcome.entries.map(({ timeout, ...entry }) => [canonical(entry), timeout]));
}

describeKernel('kernel bench', () => {
  for (const backend of ['legacy', 'nft'] as const) {
    test(`${backend}: kept and fresh give equal outcomes (seed ${SEED})`, { timeout: 240_000 }, async () => {
      await withBench(async (bench) => {
        let connections = 0;
        for (let index = 0; index < CASES; index++) {
          const fuzzCase = makeCase(SEED + index, { packets: PACKETS, forKernel: true, backend });
          const job = jobOfCase(fuzzCase);
          const [kept, fresh] = [await bench.judge(job), await runKernel(job)];
          expect(repeatable(kept), `seed ${fuzzCase.seed}`).toEqual(repeatable(fresh));
          const other = timeouts(fresh);
          for (const [key, seconds] of timeouts(kept)) {
            expect(Math.abs(seconds - (other.get(key) ?? -99)), `seed ${fuzzCase.seed}: ${key}`).toBeLessThanOrEqual(2);
          }
          connections += kept.entries.length;
        }
        expect(connections).toBeGreaterThan(CASES);
      });
    });
  }
});
