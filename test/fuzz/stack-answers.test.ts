/** Random cases hold what hosts and routers answer themselves: of every kind some that the running kernel sends, too, so that it judges what becomes of them. */
import { expect, test } from 'vitest';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import { kernelJob } from '../../src/fuzz/kernels.ts';
import { openKernelBench } from '../../src/kernel/index.ts';
import { describeKernel } from '../kernel/machine.ts';
import { SEED } from '../seed.ts';

const CASES = 240;
/** By the first two bytes of the message: type and code. */
const KINDS: Readonly<Record<string, string>> = {
  '4 11 0': 'time exceeded',
  '6 3 0': 'time exceeded',
  '4 3 1': 'unreachable',
  '6 1 0': 'unreachable',
  '4 3 2': 'unknown protocol',
  '6 4 1': 'unknown protocol',
  '4 3 3': 'unreachable port',
  '6 1 4': 'unreachable port',
  '4 3 4': 'too big',
  '6 2 0': 'too big',
  '4 12 0': 'wrong options',
};

function kindOf(bytes: Uint8Array): string {
  const [family, header] = bytes[0]! >> 4 === 6 ? [6, 40] : [4, (bytes[0]! & 15) * 4];
  if (bytes[family === 4 ? 9 : 6] === 6) return 'reset';
  return KINDS[`${family} ${bytes[header]} ${bytes[header + 1]}`] ?? 'another error';
}

describeKernel('answers in random cases', () => {
  test(`the kernel sends them itself (seed ${SEED})`, { timeout: 240_000 }, async () => {
    const sent = new Map<string, number>();
    const bench = openKernelBench();
    try {
      for (const one of casesOf({ packets: 40, judge: 'kernel', backend: 'legacy' }, SEED, CASES)) {
        const { job } = kernelJob(one);
        const { packets } = await bench.judge(job);
        const by = one.host.forward ? 'forwarder' : one.given.addresses === undefined ? 'host' : 'router';
        for (const [index, { ownAnswer }] of packets.entries()) {
          if (ownAnswer === undefined) continue;
          const what = `${by}: ${kindOf(job.frames[index]!.bytes)}`;
          sent.set(what, (sent.get(what) ?? 0) + 1);
        }
      }
    } finally {
      await bench.close();
    }
    const told = [...sent].join('; ');
    const often = ['host: unreachable port', 'router: time exceeded'];
    expect([often.filter((what) => !sent.has(what)), told]).toEqual([[], told]);
    // Of these one run may have none.
    const seldom = ['reset', 'unknown protocol', 'unreachable', 'too big', 'wrong options'].filter((kind) =>
      [...sent.keys()].some((what) => what.endsWith(kind)),
    );
    expect([seldom.length > 2, told]).toEqual([true, told]);
  });
});
