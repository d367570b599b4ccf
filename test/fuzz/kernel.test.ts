/** Random rule sets and packets, judged by the running kernel under both backends. */
import { afterAll, expect, it } from 'vitest';
import { runningKernel } from '../../src/fuzz/kernels.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import { describeKernel } from '../kernel/machine.ts';
import { SEED } from '../seed.ts';
import { expectAgreement } from './agreement.ts';

const CASES = 100;
const PACKETS = 50;

describeKernel('random cases, judged by the kernel', () => {
  for (const backend of ['legacy', 'nft'] as const) {
    const kernel = runningKernel(backend);
    afterAll(() => kernel.close());
    it(`${backend} agrees with reference and engine (seed ${SEED})`, async () => {
      const options = { packets: PACKETS, judge: 'kernel', backend } as const;
      const reach = await expectAgreement({ seed: SEED, cases: CASES, options }, [PROGRAMS.engine!], [kernel]);
      expect(reach.packets).toBeGreaterThan((CASES * PACKETS * 9) / 10);
    }, 300_000);
  }
});
