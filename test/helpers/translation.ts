/** Rules that translate connections with helpers, and the running kernel as judge of all witnesses: ways, counters, bytes, entries, expectations. */
import { expect } from 'vitest';
import { captureOf, type FuzzCase } from '../../src/fuzz/case.ts';
import { ask, jobOf } from '../../src/fuzz/differential.ts';
import { askKernel, type KernelAnswer, kernelDifferences, runningKernel } from '../../src/fuzz/kernels.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { FORWARDING } from '../reference/replay.ts';

/** Probes of what a helper does to every packet, with rules that translate. `assign`: what stands before `-j CT --helper NAME`; `nat`: rules of the nat table, chain first. */
export function rulesOf(helper: string, assign: string, nat: readonly string[]): string {
  const states = ['INVALID', 'NEW', 'ESTABLISHED', 'RELATED', 'SNAT', 'DNAT'].map(
    (state) => `-A PREROUTING -m conntrack --ctstate ${state}`,
  );
  return `*raw
-A PREROUTING ${assign} -j CT --helper ${helper}
COMMIT
*mangle
${states.join('\n')}
-A PREROUTING -m connmark --mark 7
-A PREROUTING -m helper --helper ${helper}
-A FORWARD ${assign} -m conntrack --ctstate NEW -j CONNMARK --set-mark 7
-A POSTROUTING -m conntrack --ctstate RELATED
COMMIT
*nat
${nat.map((rule) => `-A ${rule}`).join('\n')}
COMMIT
*filter
-A FORWARD -m conntrack --ctstate RELATED -j ACCEPT
-A FORWARD -m conntrack --ctstate INVALID
COMMIT
`;
}

/** Nothing may differ, and some connection must have been expected, if the helper expects any (`expects`). Out: what the kernel said. */
export async function expectAgreement(
  rules: string,
  packets: readonly Uint8Array[],
  family: Family = 4,
  expects = true,
): Promise<KernelAnswer[]> {
  const answers: KernelAnswer[] = [];
  for (const backend of ['legacy', 'nft'] as const) {
    const kernel = runningKernel(backend);
    try {
      const [answer] = await askKernel(kernel, [caseOf(rules, packets, family, backend)], true);
      expect(answer!.outcome.refused).toBeUndefined();
      // A message that nobody reads would make all agree.
      if (expects) expect(answer!.outcome.counters.filter?.FORWARD?.rules[0]?.packets, 'RELATED packets').toBeGreaterThan(0);
      for (const name of ['reference', 'engine']) {
        const said = await ask(PROGRAMS[name]!, jobOf(answer!.sent), captureOf(answer!.sent));
        expect(kernelDifferences(answer!, said), `${backend}, ${name}`).toEqual([]);
      }
      answers.push(answer!);
    } finally {
      await kernel.close();
    }
  }
  return answers;
}

function caseOf(rules: string, packets: readonly Uint8Array[], family: Family, backend: 'legacy' | 'nft'): FuzzCase {
  const sent = packets.map((bytes, index) => ({
    time: 1_700_000_000_000_000_000n + BigInt(index) * 1_000_000n,
    family,
    bytes,
    direction: 'in' as const,
    kind: 'host' as const,
    sourceMac: '02:00:00:00:00:99',
  }));
  const ruleset = parseSave(rules, { file: 'rules', family });
  const profile = { ...DEFAULT_PROFILE, backend };
  return { family, rules, refused: [], ruleset, packets: sent, link: 1, given: FORWARDING, host: buildHost(FORWARDING), profile };
}
