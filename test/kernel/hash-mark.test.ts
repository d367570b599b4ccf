/** HMARK to the bit: the marks of random packets, each of their 32 bits a rule of its own, judged by the running kernel. */
import { expect, test } from 'vitest';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import { captureOf, withRules } from '../../src/fuzz/case.ts';
import { ask, jobOf } from '../../src/fuzz/differential.ts';
import { askKernel, kernelDifferences, runningKernel } from '../../src/fuzz/kernels.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { SEED } from '../seed.ts';
import { describeKernel } from './machine.ts';

const CASES = 6;
const PACKETS = 60;

const whole = (family: Family): string => (family === 4 ? '32' : '128');
const HASHES = (family: Family): readonly string[] => [
  '--hmark-tuple src,dst,sport,dport,proto --hmark-rnd 0xcafe --hmark-mod 4294967295',
  '--hmark-tuple ct,src,dst,sport,dport,proto --hmark-rnd 1 --hmark-mod 4294967295 --hmark-offset 4294967290',
  `--hmark-src-prefix ${whole(family)} --hmark-dst-prefix 20 --hmark-sport-mask 0xff0f --hmark-dport 0x1234 --hmark-rnd 7 --hmark-mod 1000003`,
  '--hmark-tuple spi --hmark-proto-mask 0x3 --hmark-rnd 0 --hmark-mod 4294967295',
  '--hmark-spi-mask 0xfff0 --hmark-spi 0x10203 --hmark-rnd 0xffffffff --hmark-mod 3',
];

function rulesOf(hash: string): string {
  const bits = Array.from({ length: 32 }, (_, bit) => `0x${(2 ** bit).toString(16)}`);
  const chain = (name: string): string[] => [
    `-A ${name} -j HMARK ${hash}`,
    ...bits.map((bit) => `-A ${name} -m mark --mark ${bit}/${bit}`),
  ];
  // Without conntrack a kernel puts a host's fragments together before INPUT; the others do not (docs/kernel-differences.md).
  const tracked = '*filter\n:INPUT ACCEPT\n-A INPUT -m conntrack --ctstate INVALID\nCOMMIT\n';
  return `*mangle\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n${[...chain('PREROUTING'), ...chain('OUTPUT')].join('\n')}\nCOMMIT\n${tracked}`;
}

describeKernel('HMARK', () => {
  for (const family of [4, 6] as const)
    for (const hash of HASHES(family))
      test(`IPv${family} (seed ${SEED}): ${hash}`, { timeout: 240_000 }, async () => {
        const kernel = runningKernel('legacy');
        const options = { packets: PACKETS, judge: 'kernel', backend: 'legacy', family } as const;
        const cases = casesOf(options, SEED, CASES).map((one) => withRules(one, rulesOf(hash)));
        const wrong: string[] = [];
        let marked = 0;
        try {
          for (const answer of await askKernel(kernel, cases)) {
            expect(answer.outcome.refused, answer.sent.rules).toBeUndefined();
            marked += (answer.outcome.counters.mangle?.PREROUTING?.rules ?? []).filter(({ packets }) => packets > 0).length;
            for (const name of ['reference', 'engine'])
              wrong.push(
                ...kernelDifferences(answer, await ask(PROGRAMS[name]!, jobOf(answer.sent), captureOf(answer.sent))).map(
                  (line) => `${name}: ${line}`,
                ),
              );
          }
        } finally {
          await kernel.close();
        }
        expect(wrong.slice(0, 5)).toEqual([]);
        expect(marked).toBeGreaterThan(10);
      });
});
