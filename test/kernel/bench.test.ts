/** A kept bench answers as a fresh one, whatever it judged before; several work at once; errors do not spoil it. */
import { expect, test } from 'vitest';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import type { FuzzCase } from '../../src/fuzz/case.ts';
import { canonical } from '../../src/fuzz/differential.ts';
import { kernelJob, tellsWhatLeaves } from '../../src/fuzz/kernels.ts';
import {
  expectedLeft,
  type KernelBench,
  KernelError,
  type KernelJob,
  type KernelOutcome,
  leftDifference,
  openKernelBench,
  runKernel,
} from '../../src/kernel/index.ts';
import { translates } from '../../src/model/nat.ts';
import { SEED } from '../seed.ts';
import { descendants, describeKernel, until } from './machine.ts';
import { udp } from './packets.ts';

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
function repeatable(fuzzCase: FuzzCase, job: KernelJob, outcome: KernelOutcome): string[] {
  const { packets, entries, counters, countersOther, expectations, refused } = outcome;
  // A router's timestamps in IP options tell the time: what must leave leaves room for them.
  const seen = packets.map(({ injected: _, left, ...packet }, index) => {
    const { bytes } = job.frames[index]!;
    if (!tellsWhatLeaves(bytes, fuzzCase) || translates(fuzzCase.ruleset)) return { ...packet, left: left.length };
    return { ...packet, left: leftDifference(expectedLeft(bytes, packet.verdict, packet.hook), left) ?? 'as it must be' };
  });
  const rest = entries.map((entry) => keyOf(fuzzCase, entry)).sort();
  const expected = expectations.map(({ timeout: _, ...expectation }) => canonical(expectation)).sort();
  return [...seen, counters, countersOther ?? {}, refused ?? {}].map(canonical).concat(expected, rest);
}

/** A connection without its time; without its reply where rules translate, for a port may be drawn by lot. */
function keyOf({ ruleset }: FuzzCase, { timeout: _, reply, ...entry }: KernelOutcome['entries'][number]): string {
  return canonical(translates(ruleset) ? entry : { ...entry, reply });
}

/** Timeouts by connection, to be compared with the seconds between two runs in mind. */
function timeouts(fuzzCase: FuzzCase, outcome: KernelOutcome): Map<string, number> {
  const expected = outcome.expectations.map(({ timeout = 0, ...expectation }): [string, number] => [
    canonical(expectation),
    timeout,
  ]);
  return new Map([...outcome.entries.map((entry): [string, number] => [keyOf(fuzzCase, entry), entry.timeout]), ...expected]);
}

const RULES = '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A FORWARD -p udp -m conntrack --ctstate NEW\nCOMMIT\n';

/** A job of as many new connections. */
function simple(count: number): KernelJob {
  const frames = Array.from({ length: count }, (_, i) => ({
    time: 0n,
    bytes: udp(`192.0.2.1 ${1000 + i}`, '198.51.100.2 6'),
    direction: 'in' as const,
  }));
  return { backend: 'legacy', family: 4, rules: RULES, topology: 'forward', frames, trace: true };
}

/** A job of half a minute. */
function long(): KernelJob {
  const frames = simple(2).frames.map((frame, i) => ({ ...frame, time: BigInt(i) * 30_000_000_000n }));
  return { ...simple(0), frames, spacing: 'real' };
}

/** How many new connections the rule of `simple` saw. */
function forwarded(outcome: KernelOutcome): number | undefined {
  return outcome.counters.filter?.FORWARD?.rules[0]?.packets;
}

describeKernel('kernel bench', () => {
  for (const backend of ['legacy', 'nft'] as const) {
    test(`${backend}: kept and fresh give equal outcomes (seed ${SEED})`, { timeout: 240_000 }, async () => {
      await withBench(async (bench) => {
        let connections = 0;
        for (const [index, fuzzCase] of casesOf({ packets: PACKETS, judge: 'kernel', backend }, SEED, CASES).entries()) {
          // What is left of a timeout changes with every jiffy: two runs are not equal there.
          if (fuzzCase.rules.includes('--ctexpire')) continue;
          const { job } = kernelJob(fuzzCase);
          const [kept, fresh] = [await bench.judge(job), await runKernel(job)];
          expect(repeatable(fuzzCase, job, kept), `seed ${SEED} path ${index}`).toEqual(repeatable(fuzzCase, job, fresh));
          const other = timeouts(fuzzCase, fresh);
          for (const [key, seconds] of timeouts(fuzzCase, kept)) {
            expect(Math.abs(seconds - (other.get(key) ?? -99)), `seed ${SEED} path ${index}: ${key}`).toBeLessThanOrEqual(2);
          }
          connections += kept.entries.length;
        }
        expect(connections).toBeGreaterThan(CASES / 3);
      });
    });
  }

  test('the processes stay from job to job, and go with the bench', async () => {
    const before = new Set(descendants(process.pid));
    // Those that stay: the injector of a job may still be ending.
    const own = () => descendants(process.pid).filter((pid) => !before.has(pid));
    const kept = () => own().slice(0, 2);
    await withBench(async (bench) => {
      await bench.judge({ ...simple(1), timeout: 1000 });
      const first = kept();
      expect(first.length).toBe(2);
      // The time limit of a job ends with it.
      await new Promise((done) => setTimeout(done, 1200));
      await bench.judge(simple(2));
      expect(kept()).toEqual(first);
    });
    expect(own()).toEqual([]);
  });

  test('after a number of jobs the processes are replaced', async () => {
    const bench = openKernelBench(2);
    const pids: number[] = [];
    try {
      for (const count of [1, 2, 3]) {
        expect(forwarded(await bench.judge(simple(count)))).toBe(count);
        pids.push(descendants(process.pid)[0] ?? 0);
      }
    } finally {
      await bench.close();
    }
    expect([pids[0] === pids[1], pids[1] === pids[2]]).toEqual([true, false]);
  });

  test('an error is of its job alone', { timeout: 60_000 }, async () => {
    await withBench(async (bench) => {
      const works = async () => expect(forwarded(await bench.judge(simple(3)))).toBe(3);
      await expect(bench.judge({ ...simple(1), inIface: '-x' })).rejects.toThrow(/not a device name/);
      await works();
      await expect(bench.judge({ ...simple(1), sysctls: { 'net.nosuch': '1' } })).rejects.toThrow(/nosuch/);
      await works();
      const refused = await bench.judge({ ...simple(1), rules: RULES.replace('-p udp', '-p nonsense') });
      expect(refused.refused?.stderr).toMatch(/nonsense/);
      await works();
      await expect(bench.judge({ ...long(), timeout: 1500 })).rejects.toThrow(/time limit/);
      await works();
    });
  });

  test('a run that lost a record is repeated, and never used', { timeout: 60_000 }, async () => {
    // Every chain jumps twice to the next: 260,000 records of one packet, more trace than the socket holds.
    const chains = Array.from({ length: 18 }, (_, i) => `c${i}`);
    const jumps = chains.slice(1).map((next, i) => `-A c${i} -j ${next}\n-A c${i} -j ${next}\n`);
    const declared = chains.map((name) => `:${name} - [0:0]\n`);
    const rules = `*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n${declared.join('')}-A FORWARD -j c0\n${jumps.join('')}COMMIT\n`;
    await withBench(async (bench) => {
      const before = new Set(descendants(process.pid));
      const seen = new Set<number>();
      const watch = setInterval(() => {
        for (const pid of descendants(process.pid)) if (!before.has(pid)) seen.add(pid);
      }, 100);
      await expect(bench.judge({ ...simple(1), rules })).rejects.toThrow(/records lost: frame 0: nflog overran/);
      clearInterval(watch);
      // Three sessions, each a process and its parent at the least.
      expect(seen.size).toBeGreaterThanOrEqual(6);
      const { counters } = await bench.judge({ ...simple(1), rules, trace: false });
      expect(counters.filter?.c17?.rules.length).toBe(0);
      expect(counters.filter?.c16?.rules.map(({ packets }) => packets)).toEqual([2 ** 16, 2 ** 16]);
      expect(forwarded(await bench.judge(simple(2)))).toBe(2);
    });
  });

  test('benches side by side, and jobs given at once to one', async () => {
    const counts = await Promise.all(
      [1, 2].map((first) =>
        withBench(async (bench) => {
          const outcomes = await Promise.all([first, first + 10, first + 20].map((count) => bench.judge(simple(count))));
          return outcomes.map(forwarded);
        }),
      ),
    );
    expect(counts).toEqual([
      [1, 11, 21],
      [2, 12, 22],
    ]);
  });

  test.each(['at once', 'while its processes start', 'in the middle of a job'])(
    'a bench closed %s fails what it has, and what comes',
    async (when) => {
      const bench = openKernelBench();
      if (when === 'in the middle of a job') await bench.judge(simple(1));
      const running = expect(bench.judge(long())).rejects.toThrow(KernelError);
      if (when !== 'at once') expect(await until(() => descendants(process.pid)[0], 10_000)).toBeDefined();
      await bench.close();
      expect(descendants(process.pid)).toEqual([]);
      await running;
      await expect(bench.judge(simple(1))).rejects.toThrow(/closed/);
    },
  );
});
