/** Prefixes that rules translate, and the host's own answers: what ICMPv6 errors quote is translated in those of the running kernel's making, and not in those of a raw socket; a checksum that conntrack has found right is right still when another prefix has spoilt it. */
import { expect, it } from 'vitest';
import { captureOf, type FuzzCase } from '../../src/fuzz/case.ts';
import { ask, jobOf } from '../../src/fuzz/differential.ts';
import { askKernel, isErrorOfSocket, kernelDifferences, runningKernel } from '../../src/fuzz/kernels.ts';
import { ETHERNET } from '../../src/fuzz/links.ts';
import { OWN_MAC } from '../../src/fuzz/pools.ts';
import { errorAbout, rejection } from '../../src/fuzz/rejection.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { ACK, SYN, tcp, udp } from '../reference/build.ts';
import { frameOf } from '../reference/replay.ts';
import { judge } from './differential.ts';
import { describeKernel } from './machine.ts';
import { FAR, FIREWALL, PEER } from './refused.ts';
import { WITNESSES } from './witnesses.ts';

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

/** Of an address without the prefix that it takes off, NPT changes the sum. */
const SPOILS = '--src-pfx fd00::/48 --dst-pfx 2001:db8:77::/48';
/** What 2001:db8::/64 becomes. */
const SPOILT = Buffer.from('20010db80077ced0', 'hex');

function spoilt(bytes: Uint8Array, at: number, hops: number): Uint8Array {
  const out = Uint8Array.from(bytes);
  out.set(SPOILT, at);
  out[7]! -= hops;
  return out;
}

describeKernel('a checksum that another prefix has spoilt', () => {
  for (const [chain, to, target, at, hops] of [
    ['INPUT', FIREWALL[6], '-A INPUT -j SNPT', 8, 0],
    ['FORWARD', FAR[6], '-A PREROUTING -j DNPT', 24, 1],
  ] as const)
    for (const [raw, summed] of [
      ['-A PREROUTING', true],
      ['-A PREROUTING -j CT --notrack', false],
    ] as const)
      it(`${chain}, ${summed ? 'which conntrack has found right' : 'untracked'}`, async () => {
        const rules = [
          ...['*raw', raw, 'COMMIT', '*mangle', `${target} ${SPOILS}`, '-A OUTPUT -m conntrack --ctstate RELATED', 'COMMIT'],
          ...['*filter', `-A ${chain} -p udp -j REJECT`, `-A ${chain} -p tcp --dport 80 -j REJECT --reject-with tcp-reset`],
          ...[`-A ${chain} -p tcp --dport 81 -j SYNPROXY`, `-A ${chain} -p tcp --dport 81`, 'COMMIT', ''],
        ].join('\n');
        const datagram = udp(`${PEER[6]} 5000`, `${to} 53`);
        const segment = tcp(`${PEER[6]} 5000`, `${to} 80`, SYN);
        const packets = [
          datagram,
          errorAbout(spoilt(datagram, at, hops), 6, UNHEARD, FIREWALL[6])!,
          segment,
          rejection(spoilt(segment, at, hops), 6, 'tcp-reset', FIREWALL[6])!,
          // Neither a first segment nor a plain acknowledgement: SYNPROXY lets it on.
          tcp(`${PEER[6]} 5000`, `${to} 81`, SYN | ACK),
        ];
        const frames = packets.map((bytes, i) => frameOf(bytes, i, i === 1 || i === 3 ? { direction: 'out' } : {}));
        for (const backend of ['legacy', 'nft'] as const) {
          const given = { rules: { 6: rules }, host: buildHost(HOST), frames, lists: true };
          const { outcome, found } = await judge(backend, given, WITNESSES);
          for (const [witness, lines] of found) expect(lines, `${backend}, ${witness}`).toEqual([]);
          const delivered = summed && chain === 'INPUT';
          expect(outcome.packets.map(({ ownAnswer = false }) => ownAnswer)).toEqual([false, summed, false, delivered, false]);
          expect(outcome.counters.filter![chain]!.rules[3]!.packets).toBe(delivered ? 1 : 0);
        }
      });
});
