/**
 * SNPT gives an ICMPv6 error another source that its checksum does not follow, because it was not of the prefix. The kernel summed the message when it arrived and does not do so again at the nat
 * hooks behind (skb->ip_summed is CHECKSUM_COMPLETE), so it leaves; both programs dropped it. Found by the fuzzer (seed 70003), against the running kernel: what left is written down here as it was there.
 */
import { describe, expect, it } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { WITNESSES } from './witnesses.ts';

const LINKTYPE_RAW = 101;

const RULES = `*mangle
-A POSTROUTING -m conntrack --ctstate RELATED -j SNPT --src-pfx 2001:db8::/32 --dst-pfx fd00::/8
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
COMMIT
`;
const SEGMENT =
  '600000000014064020010db800ff00000000000000000077fd000000000000000000000000010000003500197de0d8743bff40815010200090800000';
const ERROR =
  '60000000004e3a40fd00000000000000000000000001000020010db800ff0000000000000000007702016b0b0000000060000000001e064020010db800ff00000000000000000077fd000000000000000000000000010000003500197de0d8693c0051b450100400b466000061616161616161616161';
/** From the IP header on, as the kernel sent it: with a hop less. */
const LEFT =
  '60000000004e3a3ffd000000000030b8000000000001000020010db800ff0000000000000000007702016b0b0000000060000000001e064020010db800ff00000000000000000077fd000000000000000000000000010000003500197de0d8693c0051b450100400b466000061616161616161616161';
const HOPS = 7;

describe('an error is summed once', () => {
  for (const [witness, start] of WITNESSES) {
    it(witness, async () => {
      const seen: PacketOutcome[] = [];
      const job = {
        rules: { 6: parseSave(RULES, { file: 'rules.v6', family: 6 as const }) },
        host: buildHost({ forward: true, in: 'eth0', out: 'eth1' }),
        profile: DEFAULT_PROFILE,
        packets: { path: false, bytes: true },
      };
      const session = await start(job, (outcome) => seen.push({ ...outcome }));
      session.startCapture('errors');
      const frames = [SEGMENT, ERROR].map((hex, i) => ({
        time: 1_700_000_000_000_000_000n + BigInt(i) * 1_000_000n,
        bytes: new Uint8Array(Buffer.from(hex, 'hex')),
      }));
      session.feed(writePcap(frames, LINKTYPE_RAW));
      session.endCapture();
      expect(seen.map(({ verdict }) => verdict)).toEqual(['ACCEPT', 'ACCEPT']);
      const left = Buffer.from(seen[1]!.rewritten ?? []);
      left[HOPS] = left[HOPS]! - 1;
      expect(left.toString('hex')).toBe(LEFT);
    });
  }
});
