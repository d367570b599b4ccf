/** Random rule sets and traffic with pauses of up to an hour, on the kernel's own clock: limits fill, connections end, and all witnesses say so. */
import { expect, test } from 'vitest';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import { judgeCases } from '../../src/fuzz/judge.ts';
import { virtualKernel } from '../../src/fuzz/kernels.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import type { VirtualKernel } from '../../src/kernel/virtual/index.ts';
import { SEED } from '../seed.ts';
import { describeVirtual } from './machine.ts';

const CASES = Number(process.env.WASMTABLES_VIRTUAL_CASES ?? 20);
const PACKETS = 80;

const KERNELS: readonly [VirtualKernel, 'legacy' | 'nft'][] = [
  ['6.1', 'legacy'],
  ['6.12', 'legacy'],
  ['6.12', 'nft'],
];

for (const [version, backend] of KERNELS) {
  describeVirtual(version, `random cases over hours, ${backend}`, () => {
    test(`reference and engine agree with the kernel (seed ${SEED})`, { timeout: 600_000 }, async () => {
      const kernel = virtualKernel(version, backend);
      const cases = casesOf({ packets: PACKETS, judge: 'virtual', backend, kernel: kernel.profile }, SEED, CASES);
      let [packets, seconds] = [0, 0n];
      const found = await judgeCases(cases, { programs: Object.values(PROGRAMS), kernels: [kernel] }, ({ packets: sent }) => {
        packets += sent.length;
        seconds += ((sent.at(-1)?.time ?? 0n) - (sent[0]?.time ?? 0n)) / 1_000_000_000n;
      });
      const lines = found.flatMap((mismatch, i) =>
        mismatch === undefined ? [] : [`case ${i} of seed ${SEED}`, ...mismatch.lines.slice(0, 8)],
      );
      expect(lines).toEqual([]);
      // Those drawn, and the host's own answers to what rules refuse or translate: all of them were judged.
      for (const one of cases) expect(one.packets.length).toBeGreaterThanOrEqual(PACKETS);
      expect(packets).toBe(cases.reduce((sum, one) => sum + one.packets.length, 0));
      expect(seconds).toBeGreaterThan(600n * BigInt(CASES));
    });
  });
}
