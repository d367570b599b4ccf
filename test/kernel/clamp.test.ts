/** TCPMSS --clamp-mss-to-pmtu of a router: what the ways out and back take, by devices and routes of files, also beside --forward. Every byte that leaves, against the running kernel. */
import { expect, test } from 'vitest';
import { captureOf, type FuzzCase } from '../../src/fuzz/case.ts';
import { ask, jobOf } from '../../src/fuzz/differential.ts';
import { askKernel, kernelDifferences, runningKernel } from '../../src/fuzz/kernels.ts';
import { ETHERNET } from '../../src/fuzz/links.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { SYN, tcp } from '../reference/build.ts';
import { describeKernel } from './machine.ts';

const RULES =
  '*mangle\n:FORWARD ACCEPT\n-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu\nCOMMIT\n';
const MTUS = { eth0: 1400, eth1: 1500, eth2: 1300 };
/** Behind the device packets come in at, behind the one they leave by, behind a third, in a part of that, where no route leads, where one refuses, where one ends the search. */
const SOURCES: Record<Family, readonly string[]> = {
  4: ['10.1.0.7', '10.2.0.7', '10.3.0.7', '10.3.5.7', '192.0.2.7', '192.0.2.200', '203.0.113.7'],
  6: ['fd00:1::7', 'fd00:2::7', 'fd00:3::7', 'fd00:3:5::7', '2001:db8::7', '2001:db8:5::7', '2001:db8:6::7'],
};
const SERVER: Record<Family, string> = { 4: '198.51.100.9', 6: '2001:db8:ffff::9' };
const ROUTES = [
  { dst: '10.1.0.0/16', dev: 'eth0' },
  { dst: '10.2.0.0/16', dev: 'eth1' },
  { dst: '10.3.0.0/16', dev: 'eth2' },
  { dst: '10.3.5.0/24', dev: 'eth0' },
  { dst: 'fd00:1::/32', dev: 'eth0' },
  { dst: 'fd00:2::/32', dev: 'eth1' },
  { dst: 'fd00:3::/32', dev: 'eth2' },
  { dst: 'fd00:3:5::/48', dev: 'eth0' },
  { dst: '192.0.2.128/25', type: 'unreachable' },
  { dst: '203.0.113.0/24', type: 'throw' },
  { dst: '2001:db8:5::/48', type: 'blackhole' },
  { dst: '2001:db8:6::/48', type: 'throw' },
];
const FORWARDING = {
  forward: true,
  in: 'eth0',
  out: 'eth1',
  addresses: Object.entries(MTUS).map(([ifname, mtu], index) => ({
    ifname,
    mtu,
    addr_info: [{ family: 'inet', local: `10.77.${index}.1`, prefixlen: 24 }],
  })),
  routes: [ROUTES],
};

function caseOf(family: Family, backend: 'legacy' | 'nft'): FuzzCase {
  const packets = SOURCES[family].map((source, index) => ({
    time: 1_700_000_000_000_000_000n + BigInt(index) * 1_000_000n,
    family,
    bytes: tcp(`${source} 2000`, `${SERVER[family]} 80`, SYN, { tcpOptions: [2, 4, 0x23, 0x28] }),
    direction: 'in' as const,
    kind: 'host' as const,
    sourceMac: '02:00:00:00:00:99',
  }));
  const ruleset = parseSave(RULES, { file: 'rules', family });
  const profile = { ...DEFAULT_PROFILE, backend };
  const host = buildHost(FORWARDING);
  return { family, rules: RULES, refused: [], ruleset, packets, link: ETHERNET, given: FORWARDING, host, profile };
}

/** The MSS a SYN left with. */
const sizeOf = (family: Family, left: Uint8Array): number => {
  const option = (family === 4 ? 20 : 40) + 20;
  return (left[option + 2]! << 8) | left[option + 3]!;
};

describeKernel('TCPMSS --clamp-mss-to-pmtu', () => {
  for (const backend of ['legacy', 'nft'] as const)
    for (const family of [4, 6] as const)
      test(`ways back, IPv${family}, ${backend}`, async () => {
        const kernel = runningKernel(backend);
        try {
          const [answer] = await askKernel(kernel, [caseOf(family, backend)], true);
          expect(answer!.outcome.refused).toBeUndefined();
          const headers = family === 4 ? 40 : 60;
          expect(answer!.outcome.packets.map(({ left }) => sizeOf(family, left[0]!))).toEqual(
            [1400, 1500, 1300, 1400, 1500, 1500, 1500].map((mtu) => mtu - headers),
          );
          for (const name of ['reference', 'engine', 'linear']) {
            const said = await ask(PROGRAMS[name]!, jobOf(answer!.sent), captureOf(answer!.sent));
            expect(kernelDifferences(answer!, said), name).toEqual([]);
          }
        } finally {
          await kernel.close();
        }
      });
});
