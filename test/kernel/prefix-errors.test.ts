/** SNPT and the addresses that ICMPv6 errors of this host quote: the running kernel translates them in those of its own making, and not in those of a raw socket. */
import { expect, it } from 'vitest';
import { captureOf, type FuzzCase } from '../../src/fuzz/case.ts';
import { ask, jobOf } from '../../src/fuzz/differential.ts';
import { askKernel, isErrorOfSocket, kernelDifferences, runningKernel } from '../../src/fuzz/kernels.ts';
import { ETHERNET } from '../../src/fuzz/links.ts';
import { OWN_MAC } from '../../src/fuzz/pools.ts';
import { errorAbout } from '../../src/fuzz/rejection.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { udp } from '../reference/build.ts';
import { describeKernel } from './machine.ts';
import { FIREWALL, PEER } from './refused.ts';

const RULES = `*mangle
-A POSTROUTING -j SNPT --src-pfx 2001:db8:9::/48 --dst-pfx 2001:db8:77::/48
COMMIT
`;
const HOST = { local: [FIREWALL[6]], in: 'eth0' };
/** Not this host's, but with its prefix. */
const BEHIND = '2001:db8:9:1::3';
const [UNHEARD, EXCEEDED] = [
  [1, 4],
  [3, 0],
] as const;
/** Prefix of what the error at 40 quotes: where the packet went. */
const QUOTED_TO = [40 + 8 + 24, 40 + 8 + 24 + 6] as const;

const quotedPrefix = (bytes: Uint8Array | undefined): string => Buffer.from(bytes?.subarray(...QUOTED_TO) ?? []).toString('hex');

describeKernel('what errors quote where SNPT translates', () => {
  for (const backend of ['legacy', 'nft'] as const)
    it(backend, async () => {
      const unheard = udp(`${PEER[6]} 5000`, `${FIREWALL[6]} 53`);
      const exceeded = udp(`${PEER[6]} 5000`, `${BEHIND} 53`, { ttl: 1 });
      const other = udp(`${PEER[6]} 5000`, `${BEHIND} 54`);
      const error = (about: Uint8Array, kind: readonly [number, number]) => errorAbout(about, 6, kind, FIREWALL[6])!;
      const bytes = [unheard, error(unheard, UNHEARD), exceeded, error(exceeded, EXCEEDED), error(other, EXCEEDED)];
      const fuzzCase: FuzzCase = {
        family: 6,
        rules: RULES,
        ruleset: parseSave(RULES, { file: 'rules', family: 6 }),
        refused: [],
        packets: bytes.map((one, i) => ({
          time: 1_700_000_000_000_000_000n + BigInt(i) * 1000n,
          family: 6,
          bytes: one,
          direction: [1, 3, 4].includes(i) ? 'out' : 'in',
          kind: 'host',
          sourceMac: OWN_MAC.replace(/..$/, '99'),
        })),
        link: ETHERNET,
        given: HOST,
        host: buildHost(HOST),
        profile: { ...DEFAULT_PROFILE, backend },
      };
      const kernel = runningKernel(backend);
      try {
        const [answer] = await askKernel(kernel, [fuzzCase]);
        const { packets } = answer!.outcome;
        expect(packets.map(({ ownAnswer = false }) => ownAnswer)).toEqual([false, true, false, true, false]);
        expect(packets.map(({ left: [left] }) => quotedPrefix(left))).toEqual([
          '',
          '20010db80077',
          '',
          '20010db80077',
          '20010db80009',
        ]);
        const sent = answer!.sent.packets;
        expect(sent.map((one, i) => isErrorOfSocket(one, packets[i]!, RULES))).toEqual([false, false, false, false, true]);
        for (const name of ['reference', 'engine', 'linear'] as const)
          expect(kernelDifferences(answer!, await ask(PROGRAMS[name]!, jobOf(answer!.sent), captureOf(answer!.sent)))).toEqual(
            [],
          );
      } finally {
        await kernel.close();
      }
    });
});
